#include "analysis/scan.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "analysis/text.h"
#include "core/checksum.h"

namespace seldon::analysis {
namespace {

// What is read at once stays in a core's cache until it is looked at.
constexpr std::size_t block_bytes = 1 << 20;
// More threads than this wait for the same memory, and a login node has other users.
constexpr unsigned most_threads = 16;
constexpr std::size_t blocks_ahead_per_thread = 4;

/// Where a block lies.
struct Cut {
  std::uint32_t model, fraction, first_trial, trials;
};

/// The cut of a store into blocks, in their order.
class Cuts {
 public:
  explicit Cuts(const store::Reader& reader) : trials_(reader.header().n_trials) {
    const auto& header = reader.header();
    for (std::uint32_t model = 0; trials_ > 0 && model < header.models.size(); ++model) {
      const auto fitting = static_cast<std::uint32_t>(
          std::clamp<std::size_t>(block_bytes / reader.layout(model).bytes(), 1, trials_));
      const std::size_t per_fraction = (trials_ + fitting - 1) / fitting;
      models_.push_back({count_, per_fraction, fitting});
      count_ += per_fraction * header.data_fracs.size();
    }
  }

  std::size_t count() const { return count_; }

  Cut operator[](std::size_t index) const {
    const auto model = std::ranges::upper_bound(models_, index, {}, &Model::first) - 1;
    const auto within = index - model->first;
    const auto first_trial = static_cast<std::uint32_t>(within % model->per_fraction) * model->trials;
    return {static_cast<std::uint32_t>(model - models_.begin()),
            static_cast<std::uint32_t>(within / model->per_fraction), first_trial,
            std::min(model->trials, trials_ - first_trial)};
  }

 private:
  struct Model {
    std::size_t first, per_fraction;  ///< blocks
    std::uint32_t trials;             ///< of a block
  };
  std::uint32_t trials_;
  std::vector<Model> models_;
  std::size_t count_ = 0;
};

/// DONE trials of a block whose record does not fit its checksum.
struct Losses {
  std::uint64_t cells = 0;
  std::uint32_t first_trial = 0;
};

/// Reads one block after the other into the same memory.
class BlockReader {
 public:
  BlockReader(const store::Reader& reader, const ScanOptions& options)
      : reader_(&reader), histograms_(options.histograms) {}

  /// What it gives lasts until the next one.
  std::pair<Block, Losses> read(const Cut& cut) {
    const auto& layout = reader_->layout(cut.model);
    const auto cell = std::uint64_t{cut.fraction} * reader_->header().n_trials + cut.first_trial;
    arrays_.resize(std::max(arrays_.size(), layout.arrays().size()));
    states_.resize(cut.trials);
    compounds_.resize(cut.trials * layout.compound_bytes());
    for (std::size_t i = 0; i < layout.arrays().size(); ++i)
      arrays_[i].resize(cut.trials * layout.arrays()[i].elements());
    // States before records: a record is complete before its state says so.
    reader_->read_states(cut.model, cell, states_);
    const auto losses = read_records(cut, layout, cell);
    return {{cut.model, cut.fraction, cut.first_trial, &layout, states_, compounds_, histograms(layout)},
            losses};
  }

 private:
  /// From the first to the last DONE cell.
  Losses read_records(const Cut& cut, const RecordLayout& layout, std::uint64_t cell) {
    const auto first =
        static_cast<std::size_t>(std::ranges::find(states_, CellState::done) - states_.begin());
    std::size_t end = states_.size();
    while (end > first && states_[end - 1] != CellState::done) --end;
    if (first == end) return {};
    const auto part = [&](auto& all, std::size_t row) {
      return std::span(all).subspan(first * row, (end - first) * row);
    };
    reader_->read_compounds(cut.model, cell + first, part(compounds_, layout.compound_bytes()));
    for (std::size_t i = 0; i < layout.arrays().size(); ++i)
      reader_->read_array(cut.model, layout.arrays()[i].field, cell + first,
                          part(arrays_[i], layout.arrays()[i].elements()));
    return test(cut, layout, first, end);
  }

  Losses test(const Cut& cut, const RecordLayout& layout, std::size_t first, std::size_t end) {
    const auto& header = reader_->header();
    Losses losses;
    for (std::size_t trial = first; trial < end; ++trial) {
      if (states_[trial] != CellState::done) continue;
      const auto number = cut.first_trial + static_cast<std::uint32_t>(trial);
      auto crc = key_checksum(header.models[cut.model].name, header.data_fracs[cut.fraction], number);
      const RecordView record(layout, std::span<const std::byte>(compounds_)
                                          .subspan(trial * layout.compound_bytes(), layout.compound_bytes()));
      crc = crc64(record.bytes().subspan(sizeof(std::uint64_t)), crc);
      for (std::size_t i = 0; i < layout.arrays().size(); ++i) {
        const auto elements = layout.arrays()[i].elements();
        crc = crc64(std::as_bytes(std::span(arrays_[i]).subspan(trial * elements, elements)), crc);
      }
      if (crc == record.view<std::uint64_t>(Field::crc)[0]) continue;
      states_[trial] = CellState::lost;
      if (losses.cells++ == 0) losses.first_trial = number;
    }
    return losses;
  }

  std::span<const double> histograms(const RecordLayout& layout) const {
    for (std::size_t i = 0; histograms_ && i < layout.arrays().size(); ++i)
      if (layout.arrays()[i].field == Field::histogram) return arrays_[i];
    return {};
  }

  const store::Reader* reader_;
  bool histograms_;
  std::vector<CellState> states_;
  std::vector<std::byte> compounds_;
  std::vector<std::vector<double>> arrays_;  ///< [as in the layout]
};

/// What came of a block: something to be done in its turn, or an exception, whose turn comes as well.
struct Finding {
  Fold fold;
  std::exception_ptr error;
};

/// Hands out the numbers of blocks, and folds what comes back in their order.
class Order {
 public:
  Order(std::size_t count, unsigned threads) : count_(count), waiting_(threads * blocks_ahead_per_thread) {}

  /// The next number; none after the last, or when there was an error. Waits while the oldest block is far
  /// behind, so that findings do not pile up.
  std::optional<std::size_t> take() {
    std::unique_lock lock(mutex_);
    moved_.wait(lock, [&] { return ended() || taken_ < folded_ + waiting_.size(); });
    if (ended()) return std::nullopt;
    return taken_++;
  }

  void give(std::size_t number, Finding finding) {
    std::unique_lock lock(mutex_);
    waiting_[number % waiting_.size()] = std::move(finding);
    if (folding_) return;  // who folds now comes to this one as well
    folding_ = true;
    while (!error_ && waiting_[folded_ % waiting_.size()]) {
      const auto next = *std::exchange(waiting_[folded_ % waiting_.size()], std::nullopt);
      lock.unlock();
      auto error = next.error;
      if (!error && next.fold) error = error_of(next.fold);
      lock.lock();
      error_ = error;
      ++folded_;
      moved_.notify_all();
    }
    folding_ = false;
  }

  /// That of the earliest block; null where there was none.
  std::exception_ptr error() const { return error_; }

 private:
  static std::exception_ptr error_of(const Fold& fold) {
    try {
      fold();
    } catch (...) {
      return std::current_exception();
    }
    return nullptr;
  }
  bool ended() const { return error_ || taken_ == count_; }

  std::mutex mutex_;
  std::condition_variable moved_;
  std::size_t count_, taken_ = 0, folded_ = 0;
  std::vector<std::optional<Finding>> waiting_;  ///< [number of the block, modulo the size]
  bool folding_ = false;
  std::exception_ptr error_;
};

class Scan {
 public:
  Scan(const store::Reader& reader, const ScanOptions& options, const std::function<Fold(const Block&)>& work)
      : reader_(reader),
        options_(options),
        work_(work),
        cuts_(reader),
        threads_(threads_of(options, cuts_.count())),
        order_(cuts_.count(), threads_) {}

  Damage run() {
    {
      std::vector<std::jthread> others;
      try {
        others.reserve(threads_ - 1);
        while (others.size() + 1 < threads_) others.emplace_back([this] { look(); });
      } catch (const std::system_error&) {
        // The user may have no more threads: those that there are do it.
      }
      look();
    }
    if (order_.error()) std::rethrow_exception(order_.error());
    return std::move(damage_);
  }

 private:
  static unsigned threads_of(const ScanOptions& options, std::size_t blocks) {
    const unsigned wanted =
        options.threads > 0 ? options.threads : std::min(std::thread::hardware_concurrency(), most_threads);
    return static_cast<unsigned>(std::clamp<std::size_t>(wanted, 1, std::max<std::size_t>(blocks, 1)));
  }

  void look() {
    BlockReader blocks(reader_, options_);
    while (const auto number = order_.take()) order_.give(*number, finding(blocks, *number));
  }

  Finding finding(BlockReader& blocks, std::size_t number) {
    try {
      const auto cut = cuts_[number];
      const auto [block, losses] = blocks.read(cut);
      auto fold = work_(block);
      if (losses.cells == 0) return {std::move(fold), nullptr};
      return {[this, cut, losses = losses, fold = std::move(fold)] {
                note(cut, losses);
                if (fold) fold();
              },
              nullptr};
    } catch (...) {
      return {{}, std::current_exception()};
    }
  }

  void note(const Cut& cut, const Losses& losses) {
    const auto& header = reader_.header();
    if (damage_.cells == 0)
      damage_.first = "model '" + one_line(header.models[cut.model].name) + "', data fraction " +
                      shortest(header.data_fracs[cut.fraction]) + ", trial " +
                      std::to_string(losses.first_trial);
    damage_.cells += losses.cells;
  }

  const store::Reader& reader_;
  const ScanOptions& options_;
  const std::function<Fold(const Block&)>& work_;
  Cuts cuts_;
  unsigned threads_;
  Order order_;
  Damage damage_;
};

}  // namespace

Damage scan(const store::Reader& reader, const ScanOptions& options,
            const std::function<Fold(const Block&)>& work) {
  return Scan(reader, options, work).run();
}

}  // namespace seldon::analysis

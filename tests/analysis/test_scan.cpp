#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "analysis/scan.h"
#include "core/error.h"
#include "example.h"
#include "tests/store/example.h"

namespace seldon::analysis {
namespace {

namespace stores = store::example;

constexpr auto any_threads = {1U, 2U, 7U};

/// Two models, one of them with all arrays, in over twenty blocks; two cells are not DONE.
class Scan : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new stores::Folder;
    auto writer = store::Writer::create(folder_->file(), stores::header(6, 200));
    for (const CellKey key : stores::all_cells(writer.header())) {
      if (key.trial == 0 && key.fraction == 2)
        writer.set_states(std::span(&key, 1), CellState::leased, 1);
      else if (key.trial < 199 || key.fraction != 5)
        writer.write(stores::report(writer, key));
    }
  }
  static void TearDownTestSuite() { delete folder_; }

  static std::string path() { return folder_->file(); }
  /// A copy that may be spoilt, where a number of some cells' records has another bit.
  std::string damaged(std::initializer_list<std::pair<CellKey, Field>> places) const {
    std::filesystem::copy_file(path(), own_.file());
    const store::Reader reader(path());
    for (const auto& [key, field] : places)
      example::damage(own_.file(), reader.record(key).doubles(field).back());
    return own_.file();
  }

  store::Reader reader_{path()};

 private:
  static inline stores::Folder* folder_ = nullptr;
  stores::Folder own_;
};

/// What the folds see of a cell.
using Seen = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, CellState, std::vector<std::uint64_t>>;

std::vector<std::uint64_t> bits(std::span<const double> values) {
  std::vector<std::uint64_t> bits;
  for (double value : values) bits.push_back(std::bit_cast<std::uint64_t>(value));
  return bits;
}

std::vector<Seen> seen_by(const store::Reader& reader, unsigned threads) {
  std::vector<Seen> all;
  scan(reader, {.histograms = true, .threads = threads}, [&](const Block& block) {
    std::vector<Seen> some;
    const auto length = block.histograms.size() / block.trials();
    for (std::uint32_t trial = 0; trial < block.trials(); ++trial) {
      std::vector<std::uint64_t> numbers;
      if (block.states[trial] == CellState::done) {
        numbers = bits(block.record(trial).doubles(Field::hard_counts));
        std::ranges::copy(bits(block.histograms.subspan(trial * length, length)),
                          std::back_inserter(numbers));
      }
      some.emplace_back(block.model, block.fraction, block.first_trial + trial, block.states[trial],
                        std::move(numbers));
    }
    return [&all, some] { all.insert(all.end(), some.begin(), some.end()); };
  });
  return all;
}

TEST_F(Scan, SeesEveryCellInOrderWhateverTheThreads) {
  std::vector<Seen> wanted;
  for (const CellKey key : stores::all_cells(reader_.header())) {
    const auto state = reader_.states(key.model)[key.fraction * 200 + key.trial];
    std::vector<std::uint64_t> numbers;
    if (state == CellState::done) {
      numbers = bits(reader_.record(key).doubles(Field::hard_counts));
      if (key.model == 0)
        std::ranges::copy(bits(reader_.array(key, Field::histogram)), std::back_inserter(numbers));
    }
    wanted.emplace_back(key.model, key.fraction, key.trial, state, std::move(numbers));
  }
  EXPECT_EQ(std::ranges::count(wanted, CellState::done, [](const Seen& seen) { return std::get<3>(seen); }),
            2396);
  for (const unsigned threads : any_threads) EXPECT_TRUE(seen_by(reader_, threads) == wanted) << threads;
}

TEST_F(Scan, GivesHistogramsOnlyWhereTheyAreAskedForAndKept) {
  const auto count = [&](bool histograms) {
    std::atomic<std::size_t> blocks = 0;
    scan(reader_, {.histograms = histograms, .threads = 2}, [&](const Block& block) {
      blocks += !block.histograms.empty();
      EXPECT_EQ(block.layout, &reader_.layout(block.model));
      EXPECT_TRUE(block.model == 0 || block.histograms.empty());
      return Fold();
    });
    return blocks.load();
  };
  EXPECT_EQ(count(false), 0U);
  EXPECT_GE(count(true), 6U);
}

TEST_F(Scan, FoldsOneAtATimeInTheOrderOfTheBlocks) {
  std::atomic<int> folding = 0;
  std::vector<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> order;
  scan(reader_, {.threads = 7}, [&](const Block& block) {
    return [&, place = std::tuple(block.model, block.fraction, block.first_trial)] {
      EXPECT_EQ(folding++, 0);
      std::this_thread::yield();
      order.push_back(place);
      --folding;
    };
  });
  EXPECT_GE(order.size(), 20U);
  EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST_F(Scan, DamagedCellsAreLostAndTheFirstIsNamed) {
  const store::Reader reader(damaged({{{0, 1, 0, 7}, Field::performance},
                                      {{0, 0, 4, 150}, Field::parameters},
                                      {{0, 0, 4, 33}, Field::histogram},
                                      {{0, 0, 4, 34}, Field::trace}}));
  for (const unsigned threads : any_threads) {
    std::vector<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> lost;
    const auto damage = scan(reader, {.threads = threads}, [&](const Block& block) {
      std::vector<std::uint32_t> trials;
      for (std::uint32_t trial = 0; trial < block.trials(); ++trial)
        if (block.states[trial] == CellState::lost) trials.push_back(block.first_trial + trial);
      return [&lost, trials, model = block.model, fraction = block.fraction] {
        for (const auto trial : trials) lost.emplace_back(model, fraction, trial);
      };
    });
    EXPECT_EQ(damage.cells, 4U);
    EXPECT_EQ(damage.first, "model 'qsa', data fraction 0.5, trial 33");
    const decltype(lost) wanted = {{0, 4, 33}, {0, 4, 34}, {0, 4, 150}, {1, 0, 7}};
    EXPECT_EQ(lost, wanted);
  }
}

std::size_t living_threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

/// Scans a store where something throws `what` for blocks of these data fractions; counts blocks folded.
struct Broken {
  std::string error;
  std::size_t folded = 0;
};
Broken broken_scan(const store::Reader& reader, unsigned threads, std::vector<std::uint32_t> in_work,
                   std::vector<std::uint32_t> in_fold) {
  Broken broken;
  try {
    scan(reader, {.threads = threads}, [&](const Block& block) {
      const auto fails = [at = block.fraction](const std::vector<std::uint32_t>& where) {
        return std::ranges::find(where, at) != where.end();
      };
      if (fails(in_work)) throw InputError("work at " + std::to_string(block.fraction));
      return [&broken, bad = fails(in_fold), at = block.fraction] {
        if (bad) throw std::runtime_error("fold at " + std::to_string(at));
        ++broken.folded;
      };
    });
  } catch (const std::exception& error) {
    broken.error = error.what();
  }
  return broken;
}

TEST_F(Scan, EndsWithTheErrorOfTheEarliestBlock) {
  const auto threads_before = living_threads();
  const auto per_fraction = broken_scan(reader_, 1, {1}, {}).folded;
  EXPECT_GE(per_fraction, 2U);
  for (const unsigned threads : any_threads)
    for (int round = 0; round < 5; ++round) {
      const auto early_work = broken_scan(reader_, threads, {2, 3, 4}, {3, 5});
      EXPECT_EQ(early_work.error, "work at 2");
      EXPECT_EQ(early_work.folded, 2 * per_fraction);
      const auto early_fold = broken_scan(reader_, threads, {4}, {3, 5});
      EXPECT_EQ(early_fold.error, "fold at 3");
      EXPECT_EQ(early_fold.folded, 3 * per_fraction);
    }
  // A thread that was joined may be listed for a moment more.
  for (int look = 0; look < 1000 && living_threads() > threads_before; ++look)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(living_threads(), threads_before);
}

TEST_F(Scan, FileThatIsCutShortIsAnInputError) {
  const auto path = damaged({});
  const store::Reader reader(path);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  for (const unsigned threads : any_threads)
    EXPECT_THROW(scan(reader, {.threads = threads}, [](const Block&) { return Fold(); }), InputError);
}

TEST(ScanOfARunningExperiment, FindsWholeRecordsOnly) {
  const stores::Folder folder;
  auto writer = store::Writer::create(folder.file(), stores::header(4, 100));
  const auto cells = stores::all_cells(writer.header());
  std::atomic<std::size_t> scans = 0;
  std::atomic<bool> ended = false;
  std::jthread writing([&] {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      while (i == cells.size() / 2 && scans == 0) std::this_thread::yield();  // scanned while half full
      writer.write(stores::report(writer, cells[i]));
    }
    ended = true;
  });
  const store::Reader reader(folder.file());
  std::uint64_t before = 0;
  for (bool last = false; !last; ++scans) {
    last = ended;
    std::uint64_t done = 0;
    const auto damage = scan(reader, {.threads = 2}, [&](const Block& block) {
      std::uint64_t here = 0;
      for (std::size_t trial = 0; trial < block.trials(); ++trial)
        if (block.states[trial] == CellState::done) {
          ++here;
          EXPECT_EQ(block.record(trial).outcome(), Outcome::solution);
        }
      return [&done, here] { done += here; };
    });
    EXPECT_EQ(damage.cells, 0U);
    EXPECT_GE(done, before);
    before = done;
  }
  EXPECT_EQ(before, cells.size());
}

}  // namespace
}  // namespace seldon::analysis

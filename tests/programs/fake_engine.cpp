#include "tests/programs/fake_engine.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <iomanip>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <unistd.h>

#include "core/random.h"
#include "core/record.h"

namespace seldon::fake {
namespace {

const char* const model_names[] = {"qsa", "logistic"};

RecordShape shape() {
  RecordShape shape;
  shape.performance = {"log_loss", "accuracy"};
  shape.constraints = {"disparate_impact"};
  shape.base_nodes = {"disparate_impact: PR | [M]", "disparate_impact: PR | [F]"};
  shape.subgroups = {"all", "M", "F"};
  shape.truths = {"original"};
  shape.rules = {"soft", "hard"};
  return shape;
}

constexpr std::uint32_t total_rows = 100000;

std::uint32_t rows(std::uint32_t fraction) {
  return 100 * (fraction + 1);
}

/// Independent of how many there are, so that an experiment can be extended.
double fraction_value(std::uint32_t fraction) {
  return static_cast<double>(rows(fraction)) / total_rows;
}

template <class Items>
std::string joined(const Items& items, const char* separator) {
  std::ostringstream text;
  for (std::size_t i = 0; i < items.size(); ++i) text << (i > 0 ? separator : "") << items[i];
  return text.str();
}

void write_list(std::ostream& text, const std::vector<std::uint32_t>& list) {
  text << ' ' << list.size();
  for (const std::uint32_t item : list) text << ' ' << item;
}

void read_list(std::istream& text, std::vector<std::uint32_t>& list) {
  std::size_t size = 0;
  text >> size;
  for (std::uint32_t item = 0; size > 0 && text >> item; --size) list.push_back(item);
}

/// How often the journal has seen the event.
std::uint32_t noted(const std::string& path, const std::string& event) {
  std::ifstream file(path);
  std::uint32_t count = 0;
  for (std::string line; std::getline(file, line);) count += line.starts_with(event + " pid ");
  return count;
}

Bytes data(const Engine& engine) {
  const Stream draws(Purpose::synthetic_data, engine.seed);
  Bytes bytes(engine.data_bytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(draws.below(i, 256));
  return bytes;
}

class Runner final : public PackRunner {
 public:
  Runner(const Engine& engine, CollectiveFactory* groups)
      : engine_(engine), groups_(groups), layout_(shape()) {}

  void run(const Pack& pack, const Slots& slots, Progress& progress,
           const std::function<void(CellReport)>& report) override {
    if (engine_.throws_packs && pack.model == 0) throw std::runtime_error("the whole pack is bad");
    for (std::uint32_t slot = 0; slot < pack.width; ++slot) {
      const bool asked = std::ranges::find(slots.wanted, slot) != slots.wanted.end();
      if (group_)
        work_together(pack.cell(slot), asked);
      else
        work(progress);
      const bool filled = std::ranges::find(slots.filled, slot) != slots.filled.end();
      if (asked || (engine_.whole && !filled)) report(cell(pack.cell(slot), pack.width));
    }
  }

  void run_in_group(const Pack& pack, const Slots& slots, const RankGroup& group, Progress& progress,
                    const std::function<void(CellReport)>& report) override {
    if (!groups_) throw InternalError("a worker that knows no groups was asked to run a pack in one");
    Felt felt(progress);
    const auto collective = groups_->join(group, {}, felt);
    const InGroup within{collective.get(), &felt};
    group_ = &within;
    try {
      run(pack, slots, felt, report);
    } catch (...) {
      group_ = nullptr;
      throw;
    }
    group_ = nullptr;
  }

 private:
  /// Of a group's member: what a test wants to happen while a call waits for the others.
  class Felt final : public Progress {
   public:
    explicit Felt(Progress& progress) : progress_(progress) {}
    Order tick() override {
      // The first of a call's ticks is before it sends.
      if (act && ++ticks_ > 1) act();
      return progress_.tick();
    }
    void begin_call() { ticks_ = 0; }
    std::function<void()> act;

   private:
    Progress& progress_;
    int ticks_ = 0;
  };

  struct InGroup {
    Collective* collective;
    Felt* felt;
  };

  /// Many calls, short and long, so that whatever happens to a member happens within or between two of them.
  /// `touched`: the cell is one that may misbehave. Throws if a sum is not what it must be, for example one
  /// of an earlier group's.
  void work_together(CellKey key, bool touched) const {
    Collective& collective = *group_->collective;
    const bool culprit = touched && static_cast<std::uint32_t>(collective.rank()) == engine_.member;
    if (culprit) group_->felt->act = [this, key] { crash_or_hang(key); };
    const auto members = static_cast<std::size_t>(collective.size());
    const Stream draws(Purpose::resample, engine_.seed, {key.model, key.fraction, key.trial});
    const std::uint64_t calls = 1 + engine_.microseconds / 1000;
    for (std::uint64_t call = 0; call < calls; ++call) {
      std::this_thread::sleep_for(
          std::chrono::microseconds(std::min<std::uint64_t>(engine_.microseconds, 1000)));
      const double value = draws.uniform(call);
      std::vector<double> sums(call % 2 == 0 ? 10 : 4000);
      // Each element comes from one member, so that the sum is exact.
      for (auto i = static_cast<std::size_t>(collective.rank()); i < sums.size(); i += members)
        sums[i] = value;
      group_->felt->begin_call();
      collective.all_reduce(sums.data(), sums.size(), Element::float64);
      if (std::ranges::any_of(sums, [&](double sum) { return sum != value; }))
        throw InternalError("a sum of the group is wrong");
    }
    group_->felt->act = nullptr;
    if (culprit) crash_or_hang(key);  // no call had to wait
  }

  void work(Progress& progress) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(engine_.microseconds);
    do {
      if (progress.tick() == Order::stop) throw Stopped{};
      if (engine_.microseconds > 0)
        std::this_thread::sleep_for(
            std::chrono::microseconds(std::min<std::uint64_t>(engine_.microseconds, 1000)));
    } while (std::chrono::steady_clock::now() < end);
  }

  /// Is it the turn of this cell to do so?
  bool misbehaves(CellKey key, const std::vector<std::uint32_t>& trials, const std::string& how) const {
    if (key.model != 0 || key.fraction != 0 || std::ranges::find(trials, key.trial) == trials.end())
      return false;
    const std::string event = how + " " + std::to_string(key.trial);
    if (engine_.misbehaves_times > 0 && noted(engine_.journal, event) >= engine_.misbehaves_times)
      return false;
    note(engine_.journal, event);
    return true;
  }

  void crash_or_hang(CellKey key) const {
    if (misbehaves(key, engine_.segfaults_at, "segfault")) {
      std::signal(SIGSEGV, SIG_DFL);
      std::raise(SIGSEGV);
    }
    if (misbehaves(key, engine_.hangs_at, "hang"))
      for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    if (misbehaves(key, engine_.stops_at, "stop")) std::raise(SIGSTOP);
  }

  CellReport cell(CellKey key, std::uint32_t width) const {
    if (!group_) crash_or_hang(key);
    if (key.trial == engine_.throws_at || misbehaves(key, engine_.exceptions_at, "exception")) {
      CellReport failed{key, CellState::failed, {}, {}};
      failed.run.message = "trial " + std::to_string(key.trial) + " is bad";
      return failed;
    }
    const Stream draws(Purpose::resample, engine_.seed, {key.model, key.fraction, key.trial});
    CellRecord record(layout_);
    const bool solution = draws.uniform(0) < 0.7;
    record.set_outcome(solution ? Outcome::solution : Outcome::no_solution_found,
                       solution ? NsfReason::none : NsfReason::safety_test);
    std::uint64_t draw = 1 + engine_.drift + (engine_.width_matters ? 1000 * width : 0);
    for (double& value : record.doubles(Field::performance)) value = draws.uniform(draw++);
    for (double& value : record.doubles(Field::g)) value = draws.uniform(draw++) - 0.9;
    for (double& value : record.doubles(Field::histogram).first(8)) value = draws.uniform(draw++);
    record.seal(model_names[key.model], fraction_value(key.fraction), key.trial);
    return {key, CellState::done, std::move(record).take_bytes(), {}};
  }

  Engine engine_;
  CollectiveFactory* groups_;
  const InGroup* group_ = nullptr;  ///< while a pack runs in one
  RecordLayout layout_;
};

}  // namespace

std::string Engine::config() const {
  std::ostringstream text;
  text << fractions << ' ' << trials << ' ' << width << ' ' << seed << ' ' << microseconds << ' '
       << data_bytes << ' ' << throws_at << ' ' << throws_packs << ' ' << whole << ' ' << width_matters << ' '
       << drift << ' ' << ranks << ' ' << member << ' ' << misbehaves_times << ' ' << std::quoted(journal);
  for (const auto* list : {&exceptions_at, &segfaults_at, &hangs_at, &stops_at}) write_list(text, *list);
  return text.str();
}

Engine Engine::parse(const std::string& config) {
  std::istringstream text(config);
  Engine engine;
  text >> engine.fractions >> engine.trials >> engine.width >> engine.seed >> engine.microseconds >>
      engine.data_bytes >> engine.throws_at >> engine.throws_packs >> engine.whole >> engine.width_matters >>
      engine.drift >> engine.ranks >> engine.member >> engine.misbehaves_times >> std::quoted(engine.journal);
  for (auto* list : {&engine.exceptions_at, &engine.segfaults_at, &engine.hangs_at, &engine.stops_at})
    read_list(text, *list);
  if (!text) throw InternalError("the fake engine cannot read its config '" + config + "'");
  return engine;
}

programs::Experiment experiment(const Engine& engine) {
  programs::Experiment result;
  store::Header& header = result.header;
  header.name = "fake";
  header.seed = engine.seed;
  header.n_trials = engine.trials;
  for (std::uint32_t fraction = 0; fraction < engine.fractions; ++fraction) {
    header.data_fracs.push_back(fraction_value(fraction));
    header.rows.push_back(rows(fraction));
  }
  header.total_rows = total_rows;
  header.config = engine.config();
  header.identity = R"({"experiment.data_fracs":[)" + joined(header.data_fracs, ",") +
                    R"(],"experiment.n_trials":)" + std::to_string(engine.trials) + R"(,"experiment.seed":)" +
                    std::to_string(engine.seed) + "}";
  header.numerics = "{}";
  header.constraints = {{"disparate_impact", "0.8 - min(...)", "soft", "student_t", 0.05}};
  for (const char* model : model_names) header.models.push_back({model, "seldonian", shape()});
  for (std::uint32_t fraction = engine.fractions; fraction-- > 0;)
    for (std::uint32_t model = 0; model < header.models.size(); ++model)
      for (std::uint32_t trial = 0; trial < engine.trials; trial += engine.width) {
        header.packs.push_back({0, model, fraction, trial, std::min(engine.width, engine.trials - trial)});
        result.pack_costs.push_back(header.packs.back().width);
      }
  header.version = "test";
  result.ranks.assign(header.models.size(), engine.ranks);
  result.data = data(engine);
  return result;
}

void note(const std::string& path, const std::string& event) {
  if (path.empty()) return;
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const std::string line = event + " pid " + std::to_string(getpid()) + "\n";
  const bool written =
      file >= 0 && write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (file >= 0) close(file);
  if (!written) throw IncompleteError("cannot write the journal '" + path + "'");
}

std::size_t record_bytes() {
  return RecordLayout(shape()).bytes();
}

std::unique_ptr<PackRunner> make_runner(const std::string& config, std::span<const std::byte> received,
                                        CollectiveFactory* groups) {
  const Engine engine = Engine::parse(config);
  if (!std::ranges::equal(received, data(engine))) throw InternalError("the data has changed on its way");
  if (groups && engine.ranks > 1) groups->check_available();
  return std::make_unique<Runner>(engine, groups);
}

}  // namespace seldon::fake

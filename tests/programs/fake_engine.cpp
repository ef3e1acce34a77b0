#include "tests/programs/fake_engine.h"

#include <algorithm>
#include <chrono>
#include <sstream>
#include <stdexcept>
#include <thread>

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

double fraction_value(const Engine& engine, std::uint32_t fraction) {
  return static_cast<double>(fraction + 1) / engine.fractions;
}

Bytes data(const Engine& engine) {
  const Stream draws(Purpose::synthetic_data, engine.seed);
  Bytes bytes(engine.data_bytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(draws.below(i, 256));
  return bytes;
}

class Runner final : public PackRunner {
 public:
  explicit Runner(const Engine& engine) : engine_(engine), layout_(shape()) {}

  void run(const Pack& pack, const Slots& slots, Progress& progress,
           const std::function<void(CellReport)>& report) override {
    if (engine_.throws_packs && pack.model == 0) throw std::runtime_error("the whole pack is bad");
    for (std::uint32_t slot = 0; slot < pack.width; ++slot) {
      work(progress);
      const bool asked = std::ranges::find(slots.wanted, slot) != slots.wanted.end();
      if (asked || engine_.whole) report(cell(pack.cell(slot)));
    }
  }

 private:
  void work(Progress& progress) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(engine_.microseconds);
    do {
      if (progress.tick() == Order::stop) throw Stopped{};
      if (engine_.microseconds > 0)
        std::this_thread::sleep_for(
            std::chrono::microseconds(std::min<std::uint64_t>(engine_.microseconds, 1000)));
    } while (std::chrono::steady_clock::now() < end);
  }

  CellReport cell(CellKey key) const {
    if (key.trial == engine_.throws_at) {
      CellReport failed{key, CellState::failed, {}, {}};
      failed.run.message = "trial " + std::to_string(key.trial) + " is bad";
      return failed;
    }
    const Stream draws(Purpose::resample, engine_.seed, {key.model, key.fraction, key.trial});
    CellRecord record(layout_);
    const bool solution = draws.uniform(0) < 0.7;
    record.set_outcome(solution ? Outcome::solution : Outcome::no_solution_found,
                       solution ? NsfReason::none : NsfReason::safety_test);
    std::uint64_t draw = 1 + engine_.drift;
    for (double& value : record.doubles(Field::performance)) value = draws.uniform(draw++);
    for (double& value : record.doubles(Field::g)) value = draws.uniform(draw++) - 0.9;
    for (double& value : record.doubles(Field::histogram).first(8)) value = draws.uniform(draw++);
    record.seal(model_names[key.model], fraction_value(engine_, key.fraction), key.trial);
    return {key, CellState::done, std::move(record).take_bytes(), {}};
  }

  Engine engine_;
  RecordLayout layout_;
};

}  // namespace

std::string Engine::config() const {
  std::ostringstream text;
  text << fractions << ' ' << trials << ' ' << width << ' ' << seed << ' ' << microseconds << ' '
       << data_bytes << ' ' << throws_at << ' ' << throws_packs << ' ' << whole << ' ' << drift;
  return text.str();
}

Engine Engine::parse(const std::string& config) {
  std::istringstream text(config);
  Engine engine;
  text >> engine.fractions >> engine.trials >> engine.width >> engine.seed >> engine.microseconds >>
      engine.data_bytes >> engine.throws_at >> engine.throws_packs >> engine.whole >> engine.drift;
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
    header.data_fracs.push_back(fraction_value(engine, fraction));
    header.rows.push_back(100 * (fraction + 1));
  }
  header.total_rows = 100 * engine.fractions;
  header.config = engine.config();
  header.identity = "{\"experiment.seed\":" + std::to_string(engine.seed) + "}";
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
  result.data = data(engine);
  return result;
}

std::size_t record_bytes() {
  return RecordLayout(shape()).bytes();
}

std::unique_ptr<PackRunner> make_runner(const std::string& config, std::span<const std::byte> received) {
  const Engine engine = Engine::parse(config);
  if (!std::ranges::equal(received, data(engine))) throw InternalError("the data has changed on its way");
  return std::make_unique<Runner>(engine);
}

}  // namespace seldon::fake

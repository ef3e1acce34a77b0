#include "bench/gpu_checks.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "engine/evaluation.h"
#include "engine/iteration.h"

namespace seldon::bench {
namespace {

using engine::TrialResult;

/// Of trajectories in float32: sums in another order differ by 1e-7 of their terms, and Adam's first steps
/// have one length whatever the gradient, so that a sign that turns moves a weight by twice the step.
constexpr double float32_tolerance = 5e-3;
/// Of scores of one network computed on two devices, and of sums of them.
constexpr double score_tolerance = 1e-4;

using Results = std::vector<TrialResult>;

Results train(const FaceExperiment& faces, FaceSetting setting, std::uint64_t iterations,
              std::uint32_t first) {
  setting.trace = true;
  const engine::ModelSpec model = faces.model(setting);
  const auto tasks = faces.tasks(first, setting.trials);
  Unhindered progress;
  Results results;
  engine::run_trials(model, tasks, 1.0, iterations, progress, [&](TrialResult result) {
    if (result.error) throw InternalError(*result.error);
    results.push_back(std::move(result));
  });
  return results;
}

double deviation(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double off = std::fabs(a[i] - b[i]) / std::max({1.0, std::fabs(a[i]), std::fabs(b[i])});
    worst = std::isnan(off) ? std::numeric_limits<double>::infinity() : std::max(worst, off);
  }
  return worst;
}

/// Of loss, bound and multiplier over all iterations.
double of_traces(const Results& a, const Results& b) {
  if (a.size() != b.size() || a.empty() || a[0].trace.empty()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (std::size_t t = 0; t < a.size(); ++t) worst = std::max(worst, deviation(a[t].trace, b[t].trace));
  return worst;
}

/// Of everything that a record holds.
double of_results(const Results& a, const Results& b) {
  double worst = of_traces(a, b);
  for (std::size_t t = 0; t < a.size() && std::isfinite(worst); ++t) {
    if (a[t].outcome != b[t].outcome || a[t].truths.size() != b[t].truths.size())
      return std::numeric_limits<double>::infinity();
    worst = std::max({worst, deviation(a[t].upper, b[t].upper), deviation(a[t].parameters, b[t].parameters)});
    for (std::size_t i = 0; i < a[t].truths.size(); ++i)
      worst = std::max(worst, deviation(a[t].truths[i].performance, b[t].truths[i].performance));
  }
  return worst;
}

/// The checks of one device; each trains and compares.
class Checks {
 public:
  Checks(const FaceExperiment& faces, const FaceSetting& setting, const CheckSizes& sizes)
      : faces_(faces), setting_(setting), sizes_(sizes), on_cpu_(setting.execution.device == "cpu") {
    setting_.trials = sizes.trials;
    setting_.execution.tensor_program = true;
  }

  std::vector<CheckOutcome> run() {
    check("the whole loop runs on the device", 0, [&] { return loops_on_device() ? 0.0 : 1.0; });
    check("packed = unpacked", float32_tolerance, [&] {
      Results alone;
      FaceSetting one = setting_;
      one.trials = 1;
      for (std::uint32_t t = 0; t < sizes_.trials; ++t) alone.push_back(train(one, t)[0]);
      return of_traces(reference(), alone);
    });
    check(on_cpu_ ? "tensor program = host's loop" : "GPU = CPU", float32_tolerance, [&] {
      FaceSetting host = setting_;
      host.execution = {};
      return of_traces(reference(), train(host, 0));
    });
    check("graph = eager", 0, [&] {
      FaceSetting eager = setting_;
      eager.execution.graph = false;
      return of_results(reference(), train(eager, 0));
    });
    if (on_cpu_) outcomes_.back().note = "a CPU has no graphs: says nothing here";
    check("the same pack twice, bit by bit", 0, [&] { return of_results(reference(), train(setting_, 0)); });
    check("unfolded = grouped", float32_tolerance, [&] {
      using engine::Convolutions;
      FaceSetting other = setting_;
      const bool grouped = other.execution.convolutions == Convolutions::grouped;
      other.execution.convolutions = grouped ? Convolutions::unfolded : Convolutions::grouped;
      return of_traces(reference(), train(other, 0));
    });
    check("evaluation = the host's of the same parameters", score_tolerance, [&] { return of_evaluation(); });
    return std::move(outcomes_);
  }

 private:
  Results train(const FaceSetting& setting, std::uint32_t first) const {
    return bench::train(faces_, setting, sizes_.iterations, first);
  }
  const Results& reference() {
    if (reference_.empty()) reference_ = train(setting_, 0);
    return reference_;
  }

  template <class Compare>
  void check(const char* name, double tolerance, Compare compare) {
    CheckOutcome outcome{name, std::numeric_limits<double>::infinity(), tolerance, ""};
    try {
      outcome.worst = compare();
    } catch (const std::exception& error) {
      outcome.note = error.what();
    }
    outcomes_.push_back(std::move(outcome));
  }

  /// Otherwise the host would be compared with itself.
  bool loops_on_device() const {
    const engine::ModelSpec model = faces_.model(setting_);
    const auto tasks = faces_.tasks(0, sizes_.trials);
    auto made = faces_.training(model, tasks, setting_.execution);
    made.options.iterations = 1;
    const engine::IterationRequest request{&model.problem, made.data, &made.options};
    std::vector<engine::IterationResult> results;
    Unhindered progress;
    return made.learner->iterate(request, results, progress) && results.size() == sizes_.trials;
  }

  /// The device's predictions and sums of trained networks against the CPU's.
  double of_evaluation() const {
    const engine::ModelSpec model = faces_.model(setting_);
    const auto tasks = faces_.tasks(0, sizes_.trials);
    auto made = faces_.training(model, tasks, setting_.execution);
    made.options.iterations = sizes_.iterations;
    Unhindered progress;
    engine::select_candidates(*made.learner, model.problem, made.data, made.options, progress);
    auto host = faces_.training(model, tasks, {}).learner;
    for (std::size_t t = 0; t < sizes_.trials; ++t) host->load_solution(t, made.learner->solution(t));

    std::vector<engine::TrialScores> scores;
    if (!made.learner->evaluate(model.truths[0], model.evaluation, scores))
      throw InternalError("the evaluation did not run on the device");
    double worst = 0;
    for (std::size_t t = 0; t < sizes_.trials; ++t) {
      engine::LearnerPredictor own(*host, t, model.problem.data->regime);
      const auto there = engine::evaluate(model.problem, model.truths[0], own, scores[t], model.evaluation);
      const auto here = engine::evaluate(model.problem, model.truths[0], own, model.evaluation);
      worst = std::max(
          {worst, off_per_row(there, here), deviation({there.g[0].data(), 1}, {here.g[0].data(), 1})});
    }
    return worst;
  }

  /// Sums of scores divided by the rows of their subgroup; decisions near 0.5 may turn, so that counts are
  /// left out.
  static double off_per_row(const engine::TruthResult& a, const engine::TruthResult& b) {
    double worst = deviation({a.performance.data(), 1}, {b.performance.data(), 1});
    for (std::size_t s = 0; s < a.subgroups.size(); ++s) {
      double rows = 0;
      for (double count : b.subgroups[s].hard_counts) rows += count;
      if (rows == 0) continue;
      for (std::size_t k = 0; k < a.subgroups[s].soft_sums.size(); ++k)
        worst = std::max(worst, std::fabs(a.subgroups[s].soft_sums[k] - b.subgroups[s].soft_sums[k]) / rows);
    }
    return worst;
  }

  const FaceExperiment& faces_;
  FaceSetting setting_;
  CheckSizes sizes_;
  bool on_cpu_;
  Results reference_;
  std::vector<CheckOutcome> outcomes_;
};

}  // namespace

std::vector<CheckOutcome> run_checks(const FaceExperiment& faces, const FaceSetting& setting,
                                     const CheckSizes& sizes) {
  return Checks(faces, setting, sizes).run();
}

}  // namespace seldon::bench

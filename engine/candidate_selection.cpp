#include "engine/candidate_selection.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/lagrangian.h"
#include "engine/optimizer/adam.h"

namespace seldon::engine {
namespace {

/// With mini-batches, as many feasible iterates are kept for the final look at all candidate rows.
constexpr std::size_t kept_iterates = 5;
/// The slot of the iterate that violates the constraints least.
constexpr std::size_t least_violation_slot = kept_iterates;

struct KeptIterate {
  double loss = 0;
  std::int64_t iteration = -1;
  std::size_t slot = 0;
};

/// One trial's way through candidate selection.
class Search {
 public:
  Search(const Problem& problem, const CandidateData& data, const SelectionOptions& options,
         bool separate_passes, std::size_t keep)
      : options_(options),
        schedule_(data.rows.size(), data.trial, options.batches),
        lagrangian_(problem, data.rows, data.safety_rows, separate_passes),
        multipliers_(options.multipliers),
        keep_(keep) {
    const std::size_t width = 1 + 2 * problem.constraints.size();
    if (options.keep_trace) selection_.trace.assign(options.iterations * width, std::nan(""));
  }

  Lagrangian& lagrangian() { return lagrangian_; }
  BatchSchedule& schedule() { return schedule_; }
  std::span<const double> multipliers() const { return multipliers_; }
  bool active() const { return !selection_.stopped_by_nan; }
  const std::vector<KeptIterate>& kept() const { return kept_; }
  Selection& selection() { return selection_; }
  std::int64_t least_violation_iteration() const { return least_violation_iteration_; }

  void choose_batch(std::size_t iteration) {
    if (iteration > 0 && schedule_.batches_per_epoch() == 1) return;  // the same rows again
    lagrangian_.choose(schedule_.batch(iteration));
  }

  /// Looks at the iterate: records it, keeps it if it is good, stops on NaN.
  void look(std::size_t iteration, const Lagrangian::Value& value, double loss, bool finite, Learner& learner,
            std::size_t trial) {
    record(iteration, value, loss);
    if (!finite || !std::isfinite(loss)) {
      selection_.stopped_by_nan = true;
      return;
    }
    if (options_.adam.toolkit &&
        std::ranges::any_of(value.upper, [](double u) { return !std::isfinite(u); })) {
      // The toolkit gives up at an infinite bound, whatever it has found before (docs/semantics.md); a paired
      // replay of its runs needs that too.
      kept_.clear();
      selection_.stopped_by_nan = true;
      return;
    }
    if (schedule_.counts(iteration) && value.feasible()) keep(iteration, loss, learner, trial);
    const double violation = value.violation(options_.adam.toolkit);
    if (kept_.empty() && (least_violation_iteration_ < 0 || violation < least_violation_)) {
      least_violation_ = violation;
      least_violation_iteration_ = static_cast<std::int64_t>(iteration);
      learner.save(trial, least_violation_slot);
    }
  }

  /// Projected ascent. An infinite bound has no size to go by, so the multiplier grows by the step itself.
  void ascend(const Lagrangian::Value& value) {
    for (std::size_t i = 0; i < multipliers_.size(); ++i) {
      if (!value.usable[i]) continue;
      const double slope = std::isinf(value.upper[i]) ? std::copysign(1.0, value.upper[i]) : value.upper[i];
      multipliers_[i] = std::max(0.0, multipliers_[i] + options_.step_multipliers * slope);
    }
  }

 private:
  void record(std::size_t iteration, const Lagrangian::Value& value, double loss) {
    if (!options_.keep_trace) return;
    double* row = &selection_.trace[iteration * (1 + 2 * multipliers_.size())];
    *row++ = loss;
    for (std::size_t i = 0; i < multipliers_.size(); ++i) {
      *row++ = multipliers_[i];
      *row++ = value.upper[i];
    }
  }

  void keep(std::size_t iteration, double loss, Learner& learner, std::size_t trial) {
    if (keep_ == 0) return;  // a baseline keeps its last iterate
    std::size_t slot = kept_.size();
    if (kept_.size() == keep_) {
      if (!(loss < kept_.back().loss)) return;
      slot = kept_.back().slot;
      kept_.pop_back();
    }
    learner.save(trial, slot);
    const KeptIterate iterate{loss, static_cast<std::int64_t>(iteration), slot};
    kept_.insert(std::ranges::upper_bound(kept_, loss, {}, &KeptIterate::loss), iterate);
  }

  const SelectionOptions& options_;
  BatchSchedule schedule_;
  Lagrangian lagrangian_;
  std::vector<double> multipliers_;
  std::size_t keep_;
  std::vector<KeptIterate> kept_;  ///< by loss, the best first
  double least_violation_ = 0;
  std::int64_t least_violation_iteration_ = -1;
  Selection selection_;
};

/// Runs all trials' forward passes of one iteration. The passes of different trials differ in number only
/// where every conditional node has its own, and then a pack has one trial.
std::vector<std::vector<std::span<const double>>> forward(Learner& learner, std::vector<Search>& searches) {
  const std::size_t trials = searches.size();
  std::vector<std::vector<std::span<const double>>> predictors(trials);
  const std::size_t passes = searches.front().lagrangian().passes().size();
  std::vector<std::span<const std::uint32_t>> batch(trials);
  for (std::size_t p = 0; p < passes; ++p) {
    for (std::size_t t = 0; t < trials; ++t) batch[t] = searches[t].lagrangian().passes()[p];
    learner.forward(batch);
  }
  for (std::size_t t = 0; t < trials; ++t)
    for (std::size_t p = 0; p < passes; ++p) predictors[t].push_back(learner.predictors(p, t));
  return predictors;
}

void backward(Learner& learner, const std::vector<std::span<const std::vector<double>>>& gradients) {
  std::vector<std::span<const double>> d(gradients.size());
  for (std::size_t p = 0; p < gradients.front().size(); ++p) {
    for (std::size_t t = 0; t < gradients.size(); ++t) d[t] = gradients[t][p];
    learner.backward(p, d);
  }
}

void iterate(Learner& learner, const Problem& problem, std::vector<Search>& searches,
             const SelectionOptions& options, Progress& progress) {
  const std::size_t trials = searches.size();
  std::vector<std::uint8_t> active(trials, 1);
  std::vector<std::span<const std::vector<double>>> gradients(trials);
  for (std::size_t iteration = 0; iteration < options.iterations; ++iteration) {
    if (progress.tick() == Order::stop) throw Stopped{};
    for (Search& search : searches) search.choose_batch(iteration);
    learner.clear();
    const auto predictors = forward(learner, searches);
    std::vector<double> penalty(trials, 0.0);
    if (problem.l2 > 0) penalty = learner.regularise(problem.l2);

    for (std::size_t t = 0; t < trials; ++t) {
      Search& search = searches[t];
      const Lagrangian::Value& value = search.lagrangian().evaluate(predictors[t], learner.columns());
      if (search.active()) {
        search.look(iteration, value, value.loss + penalty[t], learner.finite(t), learner, t);
        active[t] = search.active();
      }
      gradients[t] = search.lagrangian().gradient(search.multipliers());
      if (search.active()) search.ascend(value);
    }
    if (std::ranges::none_of(active, [](std::uint8_t a) { return a != 0; })) break;
    backward(learner, gradients);
    learner.step(adam_step(options.adam, iteration), active);
  }
}

/// Chooses among the kept iterates by all candidate rows, in evaluation mode. All trials load, settle and
/// predict in step.
void choose_on_all_rows(Learner& learner, const Problem& problem, std::span<const CandidateData> data,
                        std::vector<Search>& searches, Progress& progress) {
  const std::size_t trials = searches.size();
  struct Choice {
    bool feasible = false;
    double loss = 0, violation = 0;
    std::int64_t iteration = -1;
    std::size_t slot = least_violation_slot;
  };
  std::vector<Choice> best(trials);
  std::size_t rounds = 1;
  for (Search& search : searches) rounds = std::max(rounds, search.kept().size());

  for (std::size_t round = 0; round < rounds; ++round) {
    std::vector<Choice> present(trials);
    for (std::size_t t = 0; t < trials; ++t) {
      const auto& kept = searches[t].kept();
      if (round < kept.size()) {
        present[t].iteration = kept[round].iteration;
        present[t].slot = kept[round].slot;
      } else if (kept.empty()) {
        present[t].iteration = searches[t].least_violation_iteration();
      }
      if (present[t].iteration >= 0) learner.load(t, present[t].slot);
    }
    learner.settle(progress);
    const std::vector<double> penalty =
        problem.l2 > 0 ? learner.regularise(problem.l2) : std::vector<double>(trials);
    for (std::size_t t = 0; t < trials; ++t) {
      if (present[t].iteration < 0) continue;
      std::vector<std::uint32_t> all(data[t].rows.size());
      std::iota(all.begin(), all.end(), 0U);
      Lagrangian lagrangian(problem, data[t].rows, data[t].safety_rows);
      lagrangian.choose(all);
      std::vector<double> predictors(all.size() * learner.columns());
      learner.predict(t, data[t].rows, predictors);
      const std::span<const double> view = predictors;
      const auto& value = lagrangian.evaluate({&view, 1}, learner.columns());
      Choice& now = present[t];
      now.feasible = value.feasible();
      now.loss = value.loss + penalty[t];
      now.violation = value.violation(false);
      const Choice& old = best[t];
      const bool better = old.iteration < 0 || (now.feasible != old.feasible ? now.feasible
                                                : now.feasible               ? now.loss < old.loss
                                                                             : now.violation < old.violation);
      if (better) best[t] = now;
    }
  }
  for (std::size_t t = 0; t < trials; ++t) {
    searches[t].selection().best_iteration = best[t].iteration;
    searches[t].selection().feasible = best[t].feasible;
    if (best[t].iteration >= 0) learner.load(t, best[t].slot);
  }
  learner.settle(progress);
}

void choose_as_seen(Learner& learner, std::vector<Search>& searches) {
  for (std::size_t t = 0; t < searches.size(); ++t) {
    Search& search = searches[t];
    Selection& selection = search.selection();
    selection.feasible = !search.kept().empty();
    selection.best_iteration =
        selection.feasible ? search.kept().front().iteration : search.least_violation_iteration();
    if (selection.best_iteration >= 0)
      learner.load(t, selection.feasible ? search.kept().front().slot : least_violation_slot);
  }
}

}  // namespace

std::vector<Selection> select_candidates(Learner& learner, const Problem& problem,
                                         std::span<const CandidateData> data, const SelectionOptions& options,
                                         Progress& progress) {
  const bool separate = learner.batch_dependent();
  const bool exact = options.adam.toolkit || separate;  // the toolkit believes what it saw in the batch
  std::vector<Search> searches;
  searches.reserve(data.size());
  bool many_batches = false;
  for (const CandidateData& trial : data) {
    many_batches = BatchSchedule(trial.rows.size(), trial.trial, options.batches).batches_per_epoch() > 1;
    const bool final_look = !exact && (many_batches || learner.settles());
    searches.emplace_back(problem, trial, options, separate, final_look ? kept_iterates : 1);
  }

  iterate(learner, problem, searches, options, progress);
  if (!exact && (many_batches || learner.settles())) {
    choose_on_all_rows(learner, problem, data, searches, progress);
  } else {
    choose_as_seen(learner, searches);
    learner.settle(progress);
  }

  std::vector<Selection> selections;
  for (Search& search : searches) selections.push_back(std::move(search.selection()));
  return selections;
}

void train_unconstrained(Learner& learner, const Problem& problem, std::span<const CandidateData> data,
                         const SelectionOptions& options, Progress& progress) {
  std::vector<Search> searches;
  searches.reserve(data.size());
  for (const CandidateData& trial : data) searches.emplace_back(problem, trial, options, false, 0);
  iterate(learner, problem, searches, options, progress);
  learner.settle(progress);
}

}  // namespace seldon::engine

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
/// The slot of the iterate that violates the constraints least, and of the last one.
constexpr std::size_t least_violation_slot = kept_iterates;
constexpr std::size_t last_slot = kept_iterates + 1;

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
  bool active() const { return selection_.stop == Selection::Stop::no; }
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
    selection_.small_group = value.small_group;
    if (!finite || !std::isfinite(loss) || value.not_a_number()) {
      selection_.stop = Selection::Stop::not_finite;
    } else if (options_.adam.toolkit && value.infinite()) {
      selection_.stop = Selection::Stop::infinite_bound;
    }
    if (!active()) {
      // The toolkit then returns nothing, whatever it has found before (docs/semantics.md); a paired replay
      // of its runs needs that too.
      if (options_.adam.toolkit) kept_.clear();
      return;
    }
    if (schedule_.counts(iteration) && value.feasible()) keep(iteration, loss, learner, trial);
    if (!kept_.empty()) return;
    // Of equals (all infinite, say) the toolkit takes the first; the later one has learnt more.
    const double violation = value.violation(options_.adam.toolkit);
    const bool better = options_.adam.toolkit ? violation < least_violation_ : violation <= least_violation_;
    if (least_violation_iteration_ < 0 || better) {
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

/// An iterate of the final look, and what all candidate rows say of it.
struct Choice {
  std::int64_t iteration = -1;
  std::size_t slot = 0;
  bool feasible = false;
  double loss = 0, violation = 0;

  bool better_than(const Choice& other) const {
    if (other.iteration < 0) return true;
    if (feasible != other.feasible) return feasible;
    return feasible ? loss < other.loss : violation < other.violation;
  }
};

/// The iterates that the final look compares: the kept ones, or the least violation; and the last one, since
/// batches in which no constraint can be judged (a group of one row) say nothing against it.
std::vector<Choice> contenders(const Search& search, std::uint64_t iterations) {
  std::vector<Choice> all;
  for (const KeptIterate& kept : search.kept()) all.push_back({kept.iteration, kept.slot});
  if (all.empty() && search.least_violation_iteration() >= 0)
    all.push_back({search.least_violation_iteration(), least_violation_slot});
  if (search.active()) all.push_back({static_cast<std::int64_t>(iterations), last_slot});
  return all;
}

void judge_on_all_rows(Learner& learner, const Problem& problem, const CandidateData& data, std::size_t trial,
                       double penalty, Choice& choice) {
  std::vector<std::uint32_t> all(data.rows.size());
  std::iota(all.begin(), all.end(), 0U);
  Lagrangian lagrangian(problem, data.rows, data.safety_rows);
  lagrangian.choose(all);
  std::vector<double> predictors(all.size() * learner.columns());
  learner.predict(trial, data.rows, predictors);
  const std::span<const double> view = predictors;
  const Lagrangian::Value& value = lagrangian.evaluate({&view, 1}, learner.columns());
  choice.loss = value.loss + penalty;
  choice.feasible = value.feasible() && std::isfinite(choice.loss);
  choice.violation = value.violation(false);
  if (std::isnan(choice.violation)) choice.violation = std::numeric_limits<double>::infinity();
}

/// Chooses by all candidate rows, in evaluation mode. All trials load, settle and predict in step.
void choose_on_all_rows(Learner& learner, const Problem& problem, std::span<const CandidateData> data,
                        std::uint64_t iterations, std::vector<Search>& searches, Progress& progress) {
  const std::size_t trials = searches.size();
  std::vector<std::vector<Choice>> choices(trials);
  std::vector<Choice> best(trials);
  std::size_t rounds = 0;
  for (std::size_t t = 0; t < trials; ++t) {
    learner.save(t, last_slot);
    choices[t] = contenders(searches[t], iterations);
    rounds = std::max(rounds, choices[t].size());
  }
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t t = 0; t < trials; ++t)
      if (round < choices[t].size()) learner.load(t, choices[t][round].slot);
    learner.settle(progress);
    const auto penalty = problem.l2 > 0 ? learner.regularise(problem.l2) : std::vector<double>(trials);
    for (std::size_t t = 0; t < trials; ++t) {
      if (round >= choices[t].size()) continue;
      judge_on_all_rows(learner, problem, data[t], t, penalty[t], choices[t][round]);
      if (choices[t][round].better_than(best[t])) best[t] = choices[t][round];
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

std::vector<Selection> take_selections(std::vector<Search>& searches) {
  std::vector<Selection> selections;
  for (Search& search : searches) selections.push_back(std::move(search.selection()));
  return selections;
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
    choose_on_all_rows(learner, problem, data, options.iterations, searches, progress);
  } else {
    choose_as_seen(learner, searches);
    learner.settle(progress);
  }

  return take_selections(searches);
}

std::vector<Selection> train_unconstrained(Learner& learner, const Problem& problem,
                                           std::span<const CandidateData> data,
                                           const SelectionOptions& options, Progress& progress) {
  std::vector<Search> searches;
  searches.reserve(data.size());
  for (const CandidateData& trial : data) searches.emplace_back(problem, trial, options, false, 0);
  iterate(learner, problem, searches, options, progress);
  learner.settle(progress);
  return take_selections(searches);
}

}  // namespace seldon::engine

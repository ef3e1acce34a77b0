#include "engine/candidate_selection.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/iteration.h"
#include "engine/lagrangian.h"
#include "engine/optimizer/adam.h"

namespace seldon::engine {
namespace {

/// With mini-batches, as many feasible iterates are kept for the final look at all candidate rows.
constexpr std::size_t kept_iterates = 5;

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
    if (options.keep_trace) result_.selection.trace.assign(options.iterations * width, std::nan(""));
    result_.least_violation_slot = least_violation_slot(keep);
  }

  Lagrangian& lagrangian() { return lagrangian_; }
  BatchSchedule& schedule() { return schedule_; }
  std::span<const double> multipliers() const { return multipliers_; }
  bool active() const { return result_.selection.stop == Selection::Stop::no; }
  IterationResult& result() { return result_; }

  void choose_batch(std::size_t iteration) {
    if (iteration > 0 && schedule_.batches_per_epoch() == 1) return;  // the same rows again
    lagrangian_.choose(schedule_.batch(iteration));
  }

  /// Looks at the iterate: records it, keeps it if it is good, stops on NaN.
  void look(std::size_t iteration, const Lagrangian::Value& value, double loss, bool finite, Learner& learner,
            std::size_t trial) {
    record(iteration, value, loss);
    result_.selection.small_group = value.small_group;
    if (!finite || !std::isfinite(loss) || value.not_a_number()) {
      result_.selection.stop = Selection::Stop::not_finite;
    } else if (options_.adam.toolkit && value.infinite()) {
      result_.selection.stop = Selection::Stop::infinite_bound;
    }
    if (!active()) {
      // The toolkit then returns nothing, whatever it has found before (docs/semantics.md); a paired replay
      // of its runs needs that too.
      if (options_.adam.toolkit) result_.kept.clear();
      return;
    }
    if (keep_ == 0) return;  // a baseline returns its last iterate
    if (schedule_.counts(iteration) && value.feasible()) keep(iteration, loss, learner, trial);
    if (!result_.kept.empty()) return;
    // Of equals (all infinite, say) the toolkit takes the first; the later one has learnt more.
    const double violation = value.violation(options_.adam.toolkit);
    const bool better = options_.adam.toolkit ? violation < least_violation_ : violation <= least_violation_;
    if (result_.least_violation_iteration < 0 || better) {
      least_violation_ = violation;
      result_.least_violation_iteration = static_cast<std::int64_t>(iteration);
      learner.save(trial, result_.least_violation_slot);
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
    double* row = &result_.selection.trace[iteration * (1 + 2 * multipliers_.size())];
    *row++ = loss;
    for (std::size_t i = 0; i < multipliers_.size(); ++i) {
      *row++ = multipliers_[i];
      *row++ = value.upper[i];
    }
  }

  void keep(std::size_t iteration, double loss, Learner& learner, std::size_t trial) {
    std::vector<KeptIterate>& kept = result_.kept;
    std::size_t slot = kept.size();
    if (kept.size() == keep_) {
      if (!(loss < kept.back().loss)) return;
      slot = kept.back().slot;
      kept.pop_back();
    }
    learner.save(trial, slot);
    const KeptIterate iterate{loss, static_cast<std::int64_t>(iteration), slot};
    kept.insert(std::ranges::upper_bound(kept, loss, {}, &KeptIterate::loss), iterate);
  }

  const SelectionOptions& options_;
  BatchSchedule schedule_;
  Lagrangian lagrangian_;
  std::vector<double> multipliers_;
  std::size_t keep_;
  double least_violation_ = 0;
  IterationResult result_;
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

void iterate_on_host(Learner& learner, const Problem& problem, std::vector<Search>& searches,
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

/// The loop, by the learner itself where it can, else here.
std::vector<IterationResult> iterate(Learner& learner, const IterationRequest& request, Progress& progress) {
  std::vector<IterationResult> results;
  if (learner.iterate(request, results, progress)) return results;
  std::vector<Search> searches;
  searches.reserve(request.data.size());
  // A baseline heeds no constraint, so that it has no use for passes of their own.
  const bool separate = learner.batch_dependent() && request.keep > 0;
  for (const CandidateData& trial : request.data)
    searches.emplace_back(*request.problem, trial, *request.options, separate, request.keep);
  iterate_on_host(learner, *request.problem, searches, *request.options, progress);
  results.clear();
  for (Search& search : searches) results.push_back(std::move(search.result()));
  return results;
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
std::vector<Choice> contenders(const IterationResult& result, std::uint64_t iterations, std::size_t last) {
  std::vector<Choice> all;
  for (const KeptIterate& kept : result.kept) all.push_back({kept.iteration, kept.slot});
  if (all.empty() && result.least_violation_iteration >= 0)
    all.push_back({result.least_violation_iteration, result.least_violation_slot});
  if (result.selection.stop == Selection::Stop::no)
    all.push_back({static_cast<std::int64_t>(iterations), last});
  return all;
}

/// The predictors of all candidate rows of each trial that takes part, the others' are empty.
std::vector<std::vector<double>> predict_candidates(Learner& learner, std::span<const CandidateData> data,
                                                    const std::vector<std::uint8_t>& takes_part) {
  const std::size_t trials = data.size();
  const auto count = static_cast<std::size_t>(std::ranges::count(takes_part, 1));
  const bool alike = std::ranges::all_of(
      data, [&](const CandidateData& trial) { return trial.rows.size() == data[0].rows.size(); });
  // A few more at once cost less than one after the other.
  const bool together = alike && learner.predicts_together() && 2 * count > trials;
  std::vector<std::vector<double>> predictors(trials);
  std::vector<std::span<const std::uint32_t>> rows;
  std::vector<std::span<double>> out;
  for (std::size_t t = 0; t < trials; ++t) {
    if (!together && !takes_part[t]) continue;
    predictors[t].resize(data[t].rows.size() * learner.columns());
    if (!together) learner.predict(t, data[t].rows, predictors[t]);
    rows.push_back(data[t].rows);
    out.emplace_back(predictors[t]);
  }
  if (together) learner.predict_all(rows, out);
  return predictors;
}

void judge_on_all_rows(std::span<const double> predictors, std::size_t columns, const Problem& problem,
                       const CandidateData& data, double penalty, Choice& choice) {
  std::vector<std::uint32_t> all(data.rows.size());
  std::iota(all.begin(), all.end(), 0U);
  Lagrangian lagrangian(problem, data.rows, data.safety_rows);
  lagrangian.choose(all);
  const Lagrangian::Value& value = lagrangian.evaluate({&predictors, 1}, columns);
  choice.loss = value.loss + penalty;
  choice.feasible = value.feasible() && std::isfinite(choice.loss);
  choice.violation = value.violation(false);
  if (std::isnan(choice.violation)) choice.violation = std::numeric_limits<double>::infinity();
}

/// Chooses by all candidate rows, in evaluation mode. All trials load, settle and predict in step.
void choose_on_all_rows(Learner& learner, const IterationRequest& request,
                        std::vector<IterationResult>& results, Progress& progress) {
  const Problem& problem = *request.problem;
  const std::size_t trials = results.size(), last = last_slot(request.keep);
  std::vector<std::vector<Choice>> choices(trials);
  std::vector<Choice> best(trials);
  std::size_t rounds = 0;
  for (std::size_t t = 0; t < trials; ++t) {
    learner.save(t, last);
    choices[t] = contenders(results[t], request.options->iterations, last);
    rounds = std::max(rounds, choices[t].size());
  }
  for (std::size_t round = 0; round < rounds; ++round) {
    if (progress.tick() == Order::stop) throw Stopped{};
    std::vector<std::uint8_t> takes_part(trials);
    for (std::size_t t = 0; t < trials; ++t) {
      takes_part[t] = round < choices[t].size();
      if (takes_part[t]) learner.load(t, choices[t][round].slot);
    }
    learner.settle(progress);
    const auto penalty = problem.l2 > 0 ? learner.regularise(problem.l2) : std::vector<double>(trials);
    const auto predictors = predict_candidates(learner, request.data, takes_part);
    for (std::size_t t = 0; t < trials; ++t) {
      if (!takes_part[t]) continue;
      Choice& choice = choices[t][round];
      judge_on_all_rows(predictors[t], learner.columns(), problem, request.data[t], penalty[t], choice);
      if (choice.better_than(best[t])) best[t] = choice;
    }
  }
  for (std::size_t t = 0; t < trials; ++t) {
    results[t].selection.best_iteration = best[t].iteration;
    results[t].selection.feasible = best[t].feasible;
    if (best[t].iteration >= 0) learner.load(t, best[t].slot);
  }
  learner.settle(progress);
}

void choose_as_seen(Learner& learner, std::vector<IterationResult>& results) {
  for (std::size_t t = 0; t < results.size(); ++t) {
    const IterationResult& result = results[t];
    Selection& selection = results[t].selection;
    selection.feasible = !result.kept.empty();
    selection.best_iteration =
        selection.feasible ? result.kept.front().iteration : result.least_violation_iteration;
    if (selection.best_iteration >= 0)
      learner.load(t, selection.feasible ? result.kept.front().slot : result.least_violation_slot);
  }
}

std::vector<Selection> take_selections(std::vector<IterationResult>& results) {
  std::vector<Selection> selections;
  for (IterationResult& result : results) selections.push_back(std::move(result.selection));
  return selections;
}

}  // namespace

std::vector<Selection> select_candidates(Learner& learner, const Problem& problem,
                                         std::span<const CandidateData> data, const SelectionOptions& options,
                                         Progress& progress) {
  // The toolkit believes what it saw in the batch.
  const bool exact = options.adam.toolkit || learner.batch_dependent();
  const bool many_batches = std::ranges::any_of(data, [&](const CandidateData& trial) {
    return BatchSchedule(trial.rows.size(), trial.trial, options.batches).batches_per_epoch() > 1;
  });
  const bool final_look = !exact && (many_batches || learner.settles());
  const IterationRequest request{&problem, data, &options, final_look ? kept_iterates : 1};
  std::vector<IterationResult> results = iterate(learner, request, progress);
  if (final_look) {
    choose_on_all_rows(learner, request, results, progress);
  } else {
    choose_as_seen(learner, results);
    learner.settle(progress);
  }
  return take_selections(results);
}

std::vector<Selection> train_unconstrained(Learner& learner, const Problem& problem,
                                           std::span<const CandidateData> data,
                                           const SelectionOptions& options, Progress& progress) {
  std::vector<IterationResult> results = iterate(learner, {&problem, data, &options, 0}, progress);
  learner.settle(progress);
  return take_selections(results);
}

}  // namespace seldon::engine

#include "engine/algorithm.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <limits>
#include <utility>

#include "core/error.h"
#include "engine/dataset/sampling.h"
#include "engine/safety_test.h"

namespace seldon::engine {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

class Stopwatch {
 public:
  /// Seconds since the last call.
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

TrialResult blank(const ModelSpec& model, const TrialTask& task) {
  TrialResult result;
  result.trial = task.trial;
  result.rows = task.rows.size();
  result.upper.assign(model.problem.constraints.size(), nan);
  result.nodes.assign(model.problem.node_count(), {nan, nan, nan, nan, nan});
  return result;
}

void no_solution(TrialResult& result, NsfReason reason) {
  result.outcome = Outcome::no_solution_found;
  result.reason = reason;
}

void evaluate_truths(const ModelSpec& model, Predictor& predictor, TrialResult& result) {
  for (const Truth& truth : model.truths)
    result.truths.push_back(evaluate(model.problem, truth, predictor, model.evaluation));
}

bool one_class(const Dataset& data, std::span<const std::uint32_t> rows) {
  return std::ranges::all_of(
      rows, [&](std::uint32_t row) { return data.labels[row] == data.labels[rows.front()]; });
}

/// Trials of one architecture together: a network's whole pack, or one linear model (whose kernels are faster
/// one trial after the other, the trial's rows staying in cache).
class PackOfTrials {
 public:
  PackOfTrials(const ModelSpec& model, std::span<const TrialTask> tasks, double data_fraction,
               std::uint64_t iterations, Progress& progress)
      : model_(model), tasks_(tasks), progress_(progress), options_(model.selection) {
    options_.iterations = iterations;
    options_.batches.data_fraction = data_fraction;
    options_.batches.seed = model.seed;
    options_.batches.model_name = model.name;
    for (const TrialTask& task : tasks) {
      if (!model.seldonian) {
        splits_.push_back({task.rows, {}});
        continue;
      }
      splits_.push_back(split(task.rows, model.problem.frac_in_safety));
      Rows& candidate = splits_.back().candidate;
      const bool one_batch = options_.batches.size.value_or(candidate.size()) >= candidate.size();
      if (!model.architecture->network && one_batch)
        candidate = side_by_side(model.problem, std::move(candidate));
    }
  }

  std::vector<TrialResult> run() {
    std::vector<TrialResult> results;
    for (const TrialTask& task : tasks_) results.push_back(blank(model_, task));
    // All trials of a pack have one size, so they are too small together; whether a baseline's rows hold one
    // class only differs from trial to trial, and such a trial simply takes part and is left out at the end.
    const Split& first = splits_.front();
    if (first.candidate.size() < (model_.seldonian ? 2U : 1U) ||
        (model_.seldonian && first.safety.size() < 2)) {
      for (TrialResult& result : results) no_solution(result, NsfReason::too_few_rows);
      return results;
    }
    Stopwatch watch;
    const std::vector<Selection> selections = train();
    const double selection_seconds = watch.lap() / static_cast<double>(tasks_.size());
    for (TrialResult& result : results) result.seconds_selection = selection_seconds;
    if (model_.seldonian) {
      judge_all(selections, results);
    } else {
      for (std::size_t t = 0; t < tasks_.size(); ++t) finish_baseline(t, selections[t], results[t]);
    }
    evaluate_all(results);
    return results;
  }

  std::unique_ptr<Learner> take_learner() { return std::move(learner_); }

 private:
  std::vector<Selection> train() {
    LearnerRequest request;
    request.data = model_.problem.data;
    request.seed = model_.seed;
    request.model_name = model_.name;
    request.initial = model_.initial.empty() ? model_.architecture->default_initial : model_.initial;
    request.batchnorm = model_.batchnorm;
    request.evaluation_batch = model_.evaluation_batch;
    request.execution = model_.execution;
    std::vector<CandidateData> data;
    for (std::size_t t = 0; t < tasks_.size(); ++t) {
      request.candidate_rows.push_back(splits_[t].candidate);
      request.trials.push_back(tasks_[t].trial);
      data.push_back({splits_[t].candidate, static_cast<double>(splits_[t].safety.size()), tasks_[t].trial});
    }
    learner_ = model_.architecture->make(request);
    if (model_.seldonian) return select_candidates(*learner_, model_.problem, data, options_, progress_);
    if (options_.iterations == 0) {  // solved at its start
      learner_->settle(progress_);
      return std::vector<Selection>(tasks_.size());
    }
    Problem unconstrained;
    unconstrained.data = model_.problem.data;
    unconstrained.objective = model_.problem.objective;
    unconstrained.l2 = model_.problem.l2;
    options_.multipliers.clear();
    return train_unconstrained(*learner_, unconstrained, data, options_, progress_);
  }

  LearnerPredictor predictor(std::size_t t) { return {*learner_, t, model_.problem.data->regime}; }

  /// The safety tests: where the learner predicts together, all trials' safety rows at once.
  void judge_all(std::span<const Selection> selections, std::vector<TrialResult>& results) {
    Stopwatch watch;
    std::vector<std::vector<double>> scores;
    if (learner_->predicts_together()) scores = safety_scores();
    const double share = watch.lap() / static_cast<double>(tasks_.size());
    for (std::size_t t = 0; t < tasks_.size(); ++t) {
      LearnerPredictor own = predictor(t);
      if (scores.empty()) {
        judge(t, selections[t], own, results[t]);
      } else {
        KnownScores known(own, splits_[t].safety, scores[t]);
        judge(t, selections[t], known, results[t]);
      }
      results[t].seconds_safety = share + watch.lap();
    }
  }

  std::vector<std::vector<double>> safety_scores() {
    const std::size_t columns = learner_->columns();
    std::vector<std::vector<double>> scores;
    for (const Split& split : splits_) scores.emplace_back(split.safety.size() * columns);
    std::vector<std::span<const std::uint32_t>> rows;
    for (const Split& split : splits_) rows.emplace_back(split.safety);
    learner_->predict_all(rows, std::vector<std::span<double>>(scores.begin(), scores.end()));
    for (std::vector<double>& of_trial : scores)
      apply_link(model_.problem.data->regime, columns, of_trial, of_trial);
    return scores;
  }

  void judge(std::size_t t, const Selection& selection, Predictor& own, TrialResult& result) {
    result.best_iteration = selection.best_iteration;
    result.trace = selection.trace;
    if (!selection.feasible && selection.stop == Selection::Stop::not_finite)
      return no_solution(result, NsfReason::not_finite);
    const NsfReason infeasible = selection.small_group ? NsfReason::group_too_small : NsfReason::not_feasible;
    if (selection.stop == Selection::Stop::infinite_bound) return no_solution(result, infeasible);
    SafetyResult safety = safety_test(model_.problem, own, splits_[t].safety);
    result.upper = std::move(safety.upper);
    result.nodes = std::move(safety.nodes);
    if (safety.passed) {
      result.outcome = Outcome::solution;
      return;
    }
    no_solution(result, safety.group_too_small ? NsfReason::group_too_small
                        : !selection.feasible  ? infeasible
                                               : NsfReason::safety_test);
  }

  /// What the solutions are worth: truth by truth for all trials where the learner does so, else trial by
  /// trial.
  void evaluate_all(std::vector<TrialResult>& results) {
    const auto solved = [](const TrialResult& result) { return result.outcome == Outcome::solution; };
    const auto solutions = static_cast<double>(std::ranges::count_if(results, solved));
    if (solutions == 0) return;
    Stopwatch watch;
    for (const Truth& truth : model_.truths) {
      std::vector<TrialScores> known;
      const bool together = learner_->evaluate(truth, model_.evaluation, known);
      const double share = watch.lap() / solutions;
      for (std::size_t t = 0; t < tasks_.size(); ++t) {
        if (!solved(results[t])) continue;
        LearnerPredictor own = predictor(t);
        results[t].truths.push_back(
            together ? evaluate(model_.problem, truth, own, std::move(known[t]), model_.evaluation)
                     : evaluate(model_.problem, truth, own, model_.evaluation));
        results[t].seconds_evaluation += share + watch.lap();
      }
    }
    for (std::size_t t = 0; t < tasks_.size(); ++t)
      if (model_.keep_parameters && solved(results[t])) results[t].parameters = learner_->solution(t);
  }

  void finish_baseline(std::size_t t, const Selection& selection, TrialResult& result) {
    const Dataset& data = *model_.problem.data;
    if (data.regime == Regime::classification && one_class(data, tasks_[t].rows))
      return no_solution(result, NsfReason::one_class);
    if (selection.stop != Selection::Stop::no || !learner_->finite(t))
      return no_solution(result, NsfReason::not_finite);
    result.outcome = Outcome::solution;
  }

  const ModelSpec& model_;
  std::span<const TrialTask> tasks_;
  Progress& progress_;
  SelectionOptions options_;
  std::vector<Split> splits_;
  std::unique_ptr<Learner> learner_;
};

TrialResult run_baseline(const ModelSpec& model, const TrialTask& task, Progress& progress) {
  TrialResult result = blank(model, task);
  Stopwatch watch;
  BaselineRequest request{model.problem.data,  task.rows,        task.trial,    model.seed,
                          model.name,          model.options,    model.command, model.folder,
                          model.feature_names, model.time_limit, &progress};
  const std::unique_ptr<Predictor> predictor = model.baseline->fit(request);
  result.seconds_selection = watch.lap();
  if (!predictor) {
    no_solution(result, NsfReason::one_class);
    return result;
  }
  result.outcome = Outcome::solution;
  evaluate_truths(model, *predictor, result);
  result.seconds_evaluation = watch.lap();
  return result;
}

/// Runs some tasks together; their common exception becomes each one's error.
void run_together(const ModelSpec& model, std::span<const TrialTask> tasks, double data_fraction,
                  std::uint64_t iterations, Progress& progress,
                  const std::function<void(TrialResult)>& report) {
  std::vector<TrialResult> results;
  try {
    if (model.baseline) {
      results.push_back(run_baseline(model, tasks.front(), progress));
    } else {
      results = PackOfTrials(model, tasks, data_fraction, iterations, progress).run();
    }
  } catch (const IncompleteError&) {
    throw;  // the way back to rank 0 is broken: no fault of these trials
  } catch (const std::exception& error) {
    results.clear();
    for (const TrialTask& task : tasks) {
      results.push_back(blank(model, task));
      results.back().error = error.what();
    }
  }
  for (TrialResult& result : results) report(std::move(result));
}

}  // namespace

void run_trials(const ModelSpec& model, std::span<const TrialTask> tasks, double data_fraction,
                std::uint64_t iterations, Progress& progress,
                const std::function<void(TrialResult)>& report) {
  const bool together = model.architecture && model.architecture->network;
  const std::size_t stride = together ? tasks.size() : 1;
  for (std::size_t first = 0; first < tasks.size(); first += stride) {
    if (progress.tick() == Order::stop) throw Stopped{};
    run_together(model, tasks.subspan(first, stride), data_fraction, iterations, progress, report);
  }
}

FittedTrial run_trial(const ModelSpec& model, const TrialTask& task, double data_fraction,
                      std::uint64_t iterations, Progress& progress) {
  if (model.baseline) return {run_baseline(model, task, progress), nullptr};
  PackOfTrials pack(model, {&task, 1}, data_fraction, iterations, progress);
  auto results = pack.run();
  return {std::move(results.front()), pack.take_learner()};
}

}  // namespace seldon::engine

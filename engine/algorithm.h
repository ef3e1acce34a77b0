#pragma once
// A Seldonian algorithm, and a baseline, on the trials of one pack: rows in, results out.

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/progress.h"
#include "engine/baseline/baseline.h"
#include "engine/candidate_selection.h"
#include "engine/evaluation.h"
#include "engine/learner.h"
#include "engine/problem.h"
#include "engine/result.h"

namespace seldon::engine {

/// One model of an experiment, ready to run. Exactly one of architecture and baseline is set.
struct ModelSpec {
  std::string name;
  bool seldonian = true;
  const Architecture* architecture = nullptr;
  const BaselineKind* baseline = nullptr;
  Problem problem;
  SelectionOptions selection;  ///< iterations and the fraction are set per pack
  std::string initial;         ///< "": the architecture's own
  std::string batchnorm = "reestimated";
  std::uint64_t seed = 0;
  std::size_t evaluation_batch = 2000;
  bool keep_parameters = false;
  Execution execution = {};  ///< of learners; see LearnerRequest
  std::vector<Truth> truths;
  EvaluationOptions evaluation;
  // baselines that are no learners
  std::map<std::string, double> options;
  std::vector<std::string> command;
  std::string folder;
  std::vector<std::string> feature_names;
  double time_limit = 600;
};

/// One trial of a pack: the first n rows of its resample.
struct TrialTask {
  std::uint32_t trial = 0;
  Rows rows;
};

/// Runs the tasks of one pack (all of one size) for `iterations` steps at this data fraction and reports each
/// result. An exception of a trial becomes a result with `error`; Stopped passes through.
void run_trials(const ModelSpec& model, std::span<const TrialTask> tasks, double data_fraction,
                std::uint64_t iterations, Progress& progress, const std::function<void(TrialResult)>& report);

/// A single trial with its fitted learner kept: what `seldon run --once` stores.
struct FittedTrial {
  TrialResult result;
  std::unique_ptr<Learner> learner;  ///< null where the model has none
};
FittedTrial run_trial(const ModelSpec& model, const TrialTask& task, double data_fraction,
                      std::uint64_t iterations, Progress& progress);

}  // namespace seldon::engine

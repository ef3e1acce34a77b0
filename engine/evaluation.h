#pragma once
// What a returned model is worth on a ground truth: performance, the true value of each constraint, and the
// sums per subgroup from which all later tables are made.

#include <span>
#include <string>
#include <vector>

#include "engine/objective/objective.h"
#include "engine/predictor.h"
#include "engine/problem.h"
#include "engine/result.h"

namespace seldon::engine {

/// Rows that stand for the truth: the resampled table ("original") or rows kept aside ("held_out").
struct Truth {
  std::string name;
  Rows rows;
};

struct EvaluationOptions {
  std::vector<const PerformanceMeasure*> performance;
  bool histograms = true;
  std::size_t classes = 2;
};

/// What a learner on a device says of a truth for one trial (Learner::evaluate).
struct TrialScores {
  std::vector<double> scores;           ///< rows of the truth x columns
  std::vector<SubgroupSums> subgroups;  ///< in the order of Dataset::subgroups
};

TruthResult evaluate(const Problem& problem, const Truth& truth, Predictor& predictor,
                     const EvaluationOptions& options);
/// The same where the scores of the truth's rows and the sums over subgroups are there already; the predictor
/// is asked for rows that must be scored by themselves only.
TruthResult evaluate(const Problem& problem, const Truth& truth, Predictor& predictor, TrialScores known,
                     const EvaluationOptions& options);

}  // namespace seldon::engine

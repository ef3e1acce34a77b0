#pragma once
// What is reported of subgroups, per model and data fraction: measures, gaps and their intervals, aggregated
// over the trials that returned a solution (docs/analysis.md, "Subgroup tables").

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/results.h"
#include "analysis/statistics/interval.h"

namespace seldon::analysis {

/// Measures of a subgroup. Decisions hard or soft where that makes a difference.
enum class Measure : std::uint8_t {
  accuracy,
  positive_rate,
  tpr,
  fpr,
  tnr,
  fnr,
  precision,
  f1,
  auroc,        ///< from binned scores; the same under both rules
  mean_score,   ///< mean predicted probability of class 1
  log_loss,     ///< nats
  calibration,  ///< mean score minus the share of positives
};
inline constexpr std::size_t measure_count = static_cast<std::size_t>(Measure::calibration) + 1;
std::string_view name_of(Measure measure);   ///< "tpr"
std::string_view title_of(Measure measure);  ///< "TPR"

/// A subgroup as the experiment declares it.
struct Subgroup {
  std::string name;                     ///< "all", "gender=F", "gender=F x age=under_30"
  std::vector<std::string> attributes;  ///< "gender", "age"; empty for "all"
  std::vector<std::string> groups;      ///< "F", "under_30"
  bool used_in_training = false;        ///< a constraint names one of its attributes' groups
};

/// One number for the average model of the trials, judged on a new evaluation set.
struct Estimate {
  double value = 0;          ///< mean over trials; NaN with the reason in `why_nan`
  Interval interval = {};    ///< 95 %, for one cell
  double between_sd = 0;     ///< standard deviation of the value between trials (ddof 1; NaN for one trial)
  double sampling_se = 0;    ///< root of the mean sampling variance within one evaluation set
  std::uint32_t trials = 0;  ///< behind the value
  double rows = 0;           ///< in the denominator, mean over trials
  bool few_rows = false;     ///< under --min-n: shown, flagged
  std::string why_nan;       ///< "no positives", "no trial with a solution"; empty where there is a value
};

/// The subgroups of one model at one data fraction, by one rule on one truth.
struct SubgroupPoint {
  std::uint32_t model = 0, fraction = 0;  ///< indices of the header
  std::uint32_t solutions = 0, recorded = 0;
  std::vector<double> rows, positives;                         ///< [subgroup], of the evaluation set
  std::vector<std::array<Estimate, measure_count>> estimates;  ///< [subgroup][measure]
};

/// Two groups of one family (the values of an attribute, or of a crossing) and what lies between them.
struct Gap {
  std::string criterion;            ///< "demographic_parity", "equal_opportunity" ...
  std::string family;               ///< "gender", "gender x age"
  std::size_t best = 0, worst = 0;  ///< subgroups that drive it
  std::size_t pairs = 1;       ///< from which this one was selected: the interval is simultaneous over them
  Estimate difference, ratio;  ///< best minus worst; worst over best
};

}  // namespace seldon::analysis

#pragma once
// Per model and data fraction: the numbers behind the Three Plots (docs/analysis.md).

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "analysis/results.h"

namespace seldon::analysis {

/// A mean over trials with its standard error s / sqrt(n), s the sample standard deviation (ddof 1).
/// Both NaN for no values; the error alone NaN for one.
struct Mean {
  std::uint32_t trials = 0;
  double value = 0, error = 0;
};
Mean mean_of(std::span<const double> values);

/// A share of trials: as a mean of zeros and ones, and with its exact 95 % interval (Clopper and Pearson,
/// "The use of confidence or fiducial limits", Biometrika 26, 1934). All NaN for no trials.
struct Rate {
  std::uint32_t count = 0, trials = 0;
  double value = 0, error = 0;
  double exact_lower = 0, exact_upper = 0;
};
Rate rate_of(std::uint32_t count, std::uint32_t trials);

/// One model at one data fraction.
struct Point {
  double fraction = 0;
  std::uint64_t rows = 0;
  std::uint32_t recorded = 0;  ///< DONE trials; every rate is over these
  std::uint32_t failed = 0;    ///< trials that ended in an error, left out
  std::uint32_t missing = 0;   ///< trials not (yet) run to an end, left out
  Mean performance;  ///< over solutions whose performance is a number; not to be drawn for one trial or none
  Rate solution;     ///< trials that returned a solution
  std::vector<Rate>
      violation;  ///< [constraint of the header] solutions with g > 0 or NaN, over all recorded trials
};

struct ModelSummary {
  std::string name, kind;
  std::vector<Point> points;  ///< by amount of data, ascending
};

struct ConstraintSummary {
  store::ConstraintHeader header;
  std::string rule;  ///< by which it was judged: "soft", "hard", "value"
};

struct Summary {
  std::string experiment;
  std::uint32_t n_trials = 0;
  std::string performance;  ///< the first measure of the experiment
  std::string truth;        ///< "original", "held_out"
  std::vector<ConstraintSummary> constraints;
  std::vector<ModelSummary> models;
};

/// InputError if the store lacks the selected rule or truth.
Summary aggregate(const Results& results, const Selection& selection = {});

}  // namespace seldon::analysis

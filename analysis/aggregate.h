#pragma once
// Per model and data fraction: the numbers behind the Three Plots (docs/analysis.md).

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "analysis/results.h"
#include "analysis/statistics/interval.h"

namespace seldon::analysis {

/// A mean over trials with its standard error s / sqrt(n), s the sample standard deviation (ddof 1).
/// Both NaN for no values; the error alone NaN for one.
struct Mean {
  std::uint32_t trials = 0;
  double value = 0, error = 0;
  double lower = 0, upper = 0;  ///< the chosen band; NaN where the error is
};
/// The band is one standard error to each side or, with intervals of 95 % on the rates, Student's 95 %
/// interval of a mean ("The probable error of a mean", Biometrika 6, 1908), so that all bands of a figure
/// have one level.
Mean mean_of(std::span<const double> values, RateInterval interval = RateInterval::standard_error);

/// A share of trials: as a mean of zeros and ones, and with its 95 % intervals: exact (Clopper and Pearson,
/// "The use of confidence or fiducial limits", Biometrika 26, 1934) and Wilson's (JASA 22, 1927). All NaN for
/// no trials.
struct Rate {
  std::uint32_t count = 0, trials = 0;
  double value = 0, error = 0;  ///< the error NaN for one trial
  double exact_lower = 0, exact_upper = 0;
  double wilson_lower = 0, wilson_upper = 0;
  double lower = 0, upper = 0;  ///< the chosen band; never of zero width
};
/// The band of standard errors is cut at 0 and 1. Where it has no width (count 0 or all of `trials`) or is
/// not defined (one trial), Wilson's interval for one standard error (z = 1, 68.27 %) takes its place: it
/// reaches from 0 to 1 / (trials + 1), or from trials / (trials + 1) to 1.
Rate rate_of(std::uint32_t count, std::uint32_t trials, RateInterval interval = RateInterval::standard_error);

/// One model at one data fraction.
struct Point {
  double fraction = 0;
  std::uint64_t rows = 0;
  std::uint32_t recorded = 0;  ///< DONE trials; every rate is over these, but for the conditional ones
  std::uint32_t failed = 0;    ///< trials that ended in an error, left out
  std::uint32_t missing = 0;   ///< trials not (yet) run to an end, left out
  Mean performance;  ///< over solutions whose performance is a number; not to be drawn for one trial or none
  Rate solution;     ///< trials that returned a solution
  std::vector<Rate> violation;    ///< [constraint] solutions with g > 0 or NaN, over all recorded trials
  std::vector<Rate> conditional;  ///< [constraint] the same, over the trials with a solution
  /// Solutions that violate any constraint of the summary, over all recorded trials and over those with a
  /// solution. NaN where there is no constraint, or the model's records lack one of them.
  Rate joint, joint_conditional;
};

struct ModelSummary {
  std::string name, kind;
  std::size_t index = 0;      ///< in the store
  std::vector<Point> points;  ///< by amount of data, ascending
};

struct ConstraintSummary {
  store::ConstraintHeader header;
  std::string rule;  ///< by which it was judged: "soft", "hard", "value"
};

/// What is shown of an experiment, and how.
struct Choice {
  std::vector<std::string> models;       ///< in this order; empty: all, in the store's order
  std::vector<std::string> constraints;  ///< in this order; empty: all, in the store's order
  std::string measure;                   ///< of performance; empty: the experiment's first
  RateInterval interval = RateInterval::standard_error;
};

struct Summary {
  std::string experiment;
  std::uint32_t n_trials = 0;
  std::string performance;  ///< the measure
  std::string truth;        ///< "original", "held_out"
  RateInterval interval = RateInterval::standard_error;
  std::vector<ConstraintSummary> constraints;
  std::vector<ModelSummary> models;

  /// A bound of the probability that a Seldonian model returns a solution that violates any of the
  /// constraints: the sum of their deltas (Boole's inequality), at most 1. NaN where one of them is.
  double joint_delta() const;
};

/// InputError if the store lacks a selected rule, truth, model, constraint or measure, naming those that it
/// has, or if a model or constraint is chosen twice.
Summary aggregate(const Results& results, const Selection& selection = {}, const Choice& choice = {});

/// The positions in `all` of the chosen names, in the order of the choice; all of them where none is chosen.
/// InputError for a name that is not there or comes twice; `what` is what the names are of ("model").
std::vector<std::size_t> positions_of(const std::vector<std::string>& chosen,
                                      const std::vector<std::string>& all, const std::string& what);

/// The position of a performance measure on the axis of a record; the first for an empty name. InputError if
/// there is none of that name.
std::size_t measure_index(const RecordShape& shape, const std::string& measure);

}  // namespace seldon::analysis

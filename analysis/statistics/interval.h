#pragma once
// Confidence intervals in closed form. Every function names its source; docs/analysis.md says which one is
// used where, and tests/analysis/statistics checks each against independent software and its coverage by
// simulation.

#include <cstdint>

namespace seldon::analysis {

/// Two-sided. Both ends NaN where there is no interval.
struct Interval {
  double lower, upper;
  bool operator==(const Interval&) const = default;
};

/// How an interval on a share of trials or rows is made.
enum class RateInterval : std::uint8_t { standard_error, wilson, exact };

/// Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927, eq. for the
/// score interval without continuity correction. `rate` in [0, 1] may be no multiple of 1/n (a mean over
/// trials), n > 0 need not be whole (an effective number). NaN for n = 0 or a NaN rate.
Interval wilson(double rate, double n, double confidence = 0.95);

/// Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 26, 1934: beta quantiles.
Interval clopper_pearson(std::uint64_t count, std::uint64_t n, double confidence = 0.95);

}  // namespace seldon::analysis

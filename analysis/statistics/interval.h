#pragma once
// Confidence intervals in closed form, one quantity each; comparison.h has those of differences and ratios,
// auroc.h those of areas under the ROC curve. Every function names its source; docs/analysis.md says which
// one is used where, and tests/analysis/statistics checks each against independent software and its coverage
// by simulation.
//
// All take the values that trials have on average, too: a mean rate, a mean number of rows, a mean variance.
// A `confidence` outside (0, 1), a rate outside [0, 1], a negative number of rows or standard deviation is an
// InputError.

#include <cstdint>
#include <limits>

namespace seldon::analysis {

/// Two-sided. Both ends NaN where there is no interval.
struct Interval {
  double lower, upper;
  bool operator==(const Interval&) const = default;
};

/// The range of a quantity that may take any value.
inline constexpr Interval everywhere{-std::numeric_limits<double>::infinity(),
                                     std::numeric_limits<double>::infinity()};

/// How an interval on a share of trials or rows is made.
enum class RateInterval : std::uint8_t { standard_error, wilson, exact };

/// Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927, eq. for the
/// score interval without continuity correction. `rate` in [0, 1] may be no multiple of 1/n (a mean over
/// trials), n > 0 need not be whole (an effective number). NaN for n = 0 or a NaN rate.
Interval wilson(double rate, double n, double confidence = 0.95);

/// Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 26, 1934: beta quantiles.
/// NaN for n = 0; InputError where count > n.
Interval clopper_pearson(std::uint64_t count, std::uint64_t n, double confidence = 0.95);

/// One standard error to each side, that of the mean of n zeros and ones, sqrt(p (1 - p) / (n - 1)), cut at 0
/// and 1: the band of the Seldonian literature, no confidence interval (it has no width at p = 0 and 1). NaN
/// for n < 2.
Interval standard_error_band(std::uint64_t count, std::uint64_t n);

/// The one of the three that `kind` names; `confidence` means nothing to the standard error.
Interval rate_interval(RateInterval kind, std::uint64_t count, std::uint64_t n, double confidence = 0.95);

/// Student, "The probable error of a mean", Biometrika 6, 1908: mean -+ t(n - 1) sd / sqrt(n), sd with
/// divisor n - 1. n need not be whole. NaN for n < 2 or where one of the arguments is NaN.
Interval student(double mean, double sd, double n, double confidence = 0.95);

/// The same for the mean of quantities that lie in [0, 1], cut there. Values in [0, 1] of mean m have at most
/// the variance m (1 - m), so for 0 < n < 2, which gives no sd, Wilson's interval for (mean, n) stands in:
/// too wide rather than none. NaN for n = 0 or a NaN mean.
Interval student_in_unit(double mean, double sd, double n, double confidence = 0.95);

/// F1 = 2 TP / (2 TP + FP + FN). Given n = TP + FP + FN, TP is binomial, so J = TP / n (the Jaccard index)
/// has Wilson's interval, and F1 = 2 J / (1 + J) grows with J: its ends are those of J, mapped. (Takahashi et
/// al., "Confidence interval for micro-averaged F1 and macro-averaged F1 scores", Applied Intelligence 52,
/// 2022, has the delta method for the same model, which has no width at 0 and 1.) `f1` in [0, 1], n > 0 the
/// rows that are no true negatives. NaN for n = 0 or a NaN f1.
Interval f1_interval(double f1, double n, double confidence = 0.95);

/// Sums over n rows of pairs (x, y) with 0 <= x <= y: what a ratio of sums R = sum x / sum y rests on. Soft
/// precision: x = s l, y = s, where s is a row's score and l its label; soft F1: x = 2 s l, y = s + l.
struct RatioSums {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0, yy = 0;
};

/// A ratio of sums in [0, 1].
struct RatioEstimate {
  double value = 0;      ///< NaN where sum y = 0
  double variance = 0;   ///< of the value, by the delta method; NaN for n < 2
  double effective = 0;  ///< rows of equal weight that tell as much as these: (sum y)^2 / sum y^2
};

/// Cochran, "Sampling Techniques", 3rd ed. 1977, chapter 6, without the finite-population term: the variance
/// is n / (n - 1) sum (x - R y)^2 / (sum y)^2. Effective number: Kish, "Survey Sampling", 1965.
RatioEstimate ratio_of_sums(const RatioSums& sums);

/// Wilson's interval at an effective number of rows. R is the mean of z = x / y in [0, 1] with weights y, and
/// has the variance that n' = R (1 - R) / variance independent zeros and ones have; n' (z / t)^2 stands for n
/// in Wilson's formula, t being Student's quantile of effective - 1 degrees of freedom, as the variance is an
/// estimate (Kott and Carr, "Developing an estimation strategy for a pesticide data program", Journal of
/// Official Statistics 13, 1997; Korn and Graubard, "Confidence intervals for proportions with small expected
/// number of positive counts estimated from survey data", Survey Methodology 24, 1998). At R = 0 and R = 1,
/// and where there is no variance to go by, `effective` stands for n, so that the interval always has a
/// width. NaN where the value is NaN.
Interval ratio_of_sums_interval(const RatioEstimate& ratio, double confidence = 0.95);

/// A value that is the mean of `trials` models' values, all judged on the same evaluation rows, for the
/// average model on new rows. `within` is the interval of that mean value for one evaluation set, `between`
/// the variance of the values between trials (divisor T - 1; the trials' covariance between groups is in it
/// where the value is a gap). Standard error sqrt(B / T + W), so margins are added in quadrature, on each
/// side by itself: (value - lower)^2 = (value - within.lower)^2 + t^2 B / T, t being Student's quantile of T
/// - 1 degrees of freedom. Margins of independent parts: Zou and Donner, "Construction of confidence limits
/// about effect measures", Statistics in Medicine 27, 2008. Equals `within` for B = 0 and for one trial,
/// where B is unknown and therefore not in it. Cut at `range`, where the quantity has one. NaN stays NaN.
Interval over_trials(double value, Interval within, double between, std::uint64_t trials,
                     double confidence = 0.95, Interval range = everywhere);

/// Quantiles of the two-sided interval: z of the standard normal law at (1 + confidence) / 2, and Student's
/// t.
double normal_quantile(double confidence);
double student_quantile(double confidence, double degrees_of_freedom);

}  // namespace seldon::analysis

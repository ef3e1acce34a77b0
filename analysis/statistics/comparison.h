#pragma once
// Two groups side by side: differences, ratios, tests, and what holds for many of them at once. Sources are
// named as in interval.h.

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/statistics/interval.h"

namespace seldon::analysis {

/// An estimate with its interval.
struct Bounded {
  double value;
  Interval interval;
};

/// a - b of two independent estimates, from the interval of each, all at one confidence (MOVER): Newcombe,
/// "Interval estimation for the difference between independent proportions", Statistics in Medicine 17, 1998,
/// method 10, where the intervals are Wilson's; Zou and Donner, Statistics in Medicine 27, 2008, eq. 4 and 5,
/// for any. Never leaves [-1, 1] where the intervals lie in [0, 1]. NaN where one of the two is.
Interval difference(const Bounded& a, const Bounded& b);

/// a / b of two independent estimates >= 0, from the interval of each, all at one confidence (MOVER-R):
/// Donner and Zou, "Closed-form confidence intervals for functions of the normal mean and standard
/// deviation", Statistical Methods in Medical Research 21, 2012; with Wilson-type limits: Li, Tang and Wong,
/// "Confidence intervals for ratio of two Poisson rates using the method of variance estimates recovery",
/// Computational Statistics 29, 2014. Defined at zero counts: where b or its lower end is 0 the upper end is
/// +inf, since b may be next to nothing; where both values are 0 it is [0, +inf]. NaN where one of the two
/// is.
Interval ratio(const Bounded& a, const Bounded& b);

/// A group against the whole that it is part of, from the group against the rest: with `share` the group's
/// part of the whole's denominator, whole = share group + (1 - share) rest, so that
///   group - whole = (1 - share) (group - rest),  group / whole = r / (share r + 1 - share), r = group /
///   rest.
/// Both grow with their argument: ends map to ends. share in [0, 1], else
/// InputError; NaN for a NaN share.
double difference_to_whole(double difference_to_rest, double share);
Interval difference_to_whole(Interval difference_to_rest, double share);
double ratio_to_whole(double ratio_to_rest, double share);
Interval ratio_to_whole(Interval ratio_to_rest, double share);

/// The variance of the difference of two rates, were they equal: p (1 - p) (1 / n_a + 1 / n_b) with the
/// pooled rate p, as score_test has it. NaN where one has no rows.
double pooled_variance(double rate_a, double n_a, double rate_b, double n_b);

/// The confidence for each of m intervals that hold together with `confidence` or more: 1 - (1 - confidence)
/// / m (Bonferroni; Dunn, "Multiple comparisons among means", JASA 56, 1961). For a pair selected from G
/// groups, m = G (G - 1) / 2. InputError for m = 0.
double simultaneous(double confidence, std::uint64_t m);

/// A two-sided test.
struct TestResult {
  double statistic;           ///< z or t
  double degrees_of_freedom;  ///< +inf for z
  double p;                   ///< NaN where the test cannot be made
};

/// 'Two rates are equal', by the score test: z with the pooled rate, no continuity correction (Pearson, 1900;
/// z^2 is his chi-squared). Rates may be means over trials. p = 1 where the pooled rate is 0 or 1: the groups
/// do not differ at all. NaN where one has no rows.
TestResult score_test(double rate_a, double n_a, double rate_b, double n_b);

/// Mean, standard deviation (divisor n - 1) and number of values.
struct Sample {
  double mean, sd, n;
};

/// One of the independent parts of a variance, and the degrees of freedom that it was estimated with: +inf
/// where it is known, or as good as that.
struct VariancePart {
  double variance, degrees_of_freedom;
};

/// 'A difference is 0', its variance being the sum of `parts`: t = difference / sqrt(sum), with (sum v)^2 /
/// sum(v^2 / df) degrees of freedom (Satterthwaite, "An approximate distribution of estimates of variance
/// components", Biometrics Bulletin 2, 1946); z where that is infinite. Where the variance is 0, p is 1 for
/// no difference and 0 for any. NaN where a part is NaN or has no degree of freedom.
TestResult test_of_difference(double difference, std::span<const VariancePart> parts);

/// 'Two means are equal': Welch, "The generalization of Student's problem when several different population
/// variances are involved", Biometrika 34, 1947. Where neither group varies, p is 1 for equal means and 0 for
/// others. NaN where one has under two values.
TestResult welch_test(const Sample& a, const Sample& b);
/// a - b, from the same t. NaN where one has under two values.
Interval welch_interval(const Sample& a, const Sample& b, double confidence = 0.95);

/// Two series over the same trials: what lies between them, trial by trial.
struct PairedComparison {
  std::uint64_t pairs = 0;  ///< trials with both values
  double mean = 0;          ///< of a - b; NaN for no pairs
  double sd = 0;            ///< of a - b, divisor pairs - 1; NaN for under two
  Interval interval = {};   ///< Student's; NaN for under two
  TestResult test = {};     ///< 'the mean is 0', Student's
};
/// Pairs with a NaN are left out. InputError if the series differ in length.
PairedComparison paired(std::span<const double> a, std::span<const double> b, double confidence = 0.95);

/// Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
/// 1979: the i-th smallest of m values, times m - i + 1, at least as large as those before it, at most 1. In
/// the order given. NaN (no test) stays NaN and is not counted in m.
std::vector<double> holm(std::span<const double> p);

}  // namespace seldon::analysis

#include <cmath>

#include <gtest/gtest.h>

#include "analysis/compare/paired_rates.h"

namespace seldon::analysis {
namespace {

/// Airway hyper-responsiveness before and after a transplantation (Bentur et al., 2009), and examples of
/// Newcombe's table III. Limits were computed with statsmodels' Wilson intervals and the paper's equations.
TEST(PairedRates, AgreesWithNewcombesMethodTen) {
  struct Case {
    PairedCounts counts;
    double lower, upper;
  };
  for (const auto& [counts, lower, upper] : {Case{{1, 1, 7, 12}, -0.506920226686141, -0.025559124164859837},
                                             Case{{20, 12, 2, 16}, 0.05615642484174821, 0.32920699540014053},
                                             Case{{36, 12, 2, 0}, 0.05692958400323875, 0.3404276029749408},
                                             Case{{43, 3, 0, 4}, -0.024683887914413533, 0.15910485958109352},
                                             Case{{0, 97, 3, 0}, 0.8309612714189447, 0.9794909519519222}}) {
    const auto difference = paired_rate_difference(counts);
    EXPECT_NEAR(difference.interval.lower, lower, 1e-12);
    EXPECT_NEAR(difference.interval.upper, upper, 1e-12);
  }
  EXPECT_NEAR(paired_rate_difference({20, 12, 2, 16}).value, 0.2, 1e-15);
}

TEST(PairedRates, HasAWidthWhereAllTrialsAgree) {
  for (const auto& counts : {PairedCounts{0, 0, 0, 43}, PairedCounts{43, 0, 0, 0}}) {
    const auto difference = paired_rate_difference(counts);
    EXPECT_EQ(difference.value, 0);
    EXPECT_NEAR(difference.interval.lower, -0.08200980322579121, 1e-12);
    EXPECT_NEAR(difference.interval.upper, 0.08200980322579121, 1e-12);
  }
}

TEST(PairedRates, TurnsItsSignWithTheSides) {
  const auto one = paired_rate_difference({5, 9, 3, 4}), other = paired_rate_difference({5, 3, 9, 4});
  EXPECT_NEAR(one.interval.lower, -other.interval.upper, 1e-15);
  EXPECT_NEAR(one.interval.upper, -other.interval.lower, 1e-15);
}

TEST(PairedRates, StaysBetweenMinusOneAndOne) {
  EXPECT_LE(paired_rate_difference({0, 3, 0, 0}).interval.upper, 1);
  EXPECT_GE(paired_rate_difference({0, 0, 3, 0}).interval.lower, -1);
  EXPECT_TRUE(std::isnan(paired_rate_difference({}).value));
  EXPECT_TRUE(std::isnan(paired_rate_difference({}).interval.lower));
}

/// Coverage over all tables of 25 trials, not simulated: A in 60 %, B in 40 % of trials, alike in 80 %.
TEST(PairedRates, CoversTheTrueDifference) {
  const double both = 0.4, only_a = 0.2, only_b = 0.0, neither = 0.4;
  const int n = 25;
  double covered = 0, all = 0;
  for (int a = 0; a <= n; ++a)
    for (int b = 0; a + b <= n; ++b) {
      const int d = n - a - b;
      const double chance =
          std::exp(std::lgamma(n + 1) - std::lgamma(a + 1) - std::lgamma(b + 1) - std::lgamma(d + 1) +
                   a * std::log(both) + b * std::log(only_a) + d * std::log(neither));
      const auto interval =
          paired_rate_difference({static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b), 0,
                                  static_cast<std::uint64_t>(d)})
              .interval;
      const double truth = only_a - only_b;
      all += chance;
      if (interval.lower <= truth && truth <= interval.upper) covered += chance;
    }
  EXPECT_NEAR(all, 1, 1e-9);
  EXPECT_GE(covered, 0.93);
  EXPECT_LE(covered, 0.99);
}

}  // namespace
}  // namespace seldon::analysis

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "analysis/statistics/interval.h"
#include "core/error.h"

namespace seldon::analysis {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

void expect_near(const Interval& interval, double lower, double upper, double tolerance) {
  EXPECT_NEAR(interval.lower, lower, tolerance);
  EXPECT_NEAR(interval.upper, upper, tolerance);
}
void expect_none(const Interval& interval) {
  EXPECT_TRUE(std::isnan(interval.lower));
  EXPECT_TRUE(std::isnan(interval.upper));
}

// Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17, 1998,
// table I.
TEST(Wilson, IsThePublishedOne) {
  expect_near(wilson(81. / 263, 263), .2553, .3662, 5e-5);
  expect_near(wilson(15. / 148, 148), .0624, .1605, 5e-5);
  expect_near(wilson(0, 20), 0, .1611, 5e-5);
  expect_near(wilson(1. / 29, 29), .0061, .1718, 5e-5);
}

TEST(ClopperPearson, IsThePublishedOne) {
  expect_near(clopper_pearson(81, 263), .2527, .3676, 5e-5);
  expect_near(clopper_pearson(15, 148), .0578, .1617, 5e-5);
  expect_near(clopper_pearson(0, 20), 0, .1684, 5e-5);
  expect_near(clopper_pearson(1, 29), .0009, .1776, 5e-5);
}

TEST(RateIntervals, EndExactlyAtZeroAndOne) {
  for (const int n : {1, 2, 30, 3000}) {
    EXPECT_EQ(wilson(0, n).lower, 0);
    EXPECT_EQ(wilson(1, n).upper, 1);
    EXPECT_EQ(clopper_pearson(0, n).lower, 0);
    EXPECT_EQ(clopper_pearson(n, n).upper, 1);
    // In closed form there: (1 - p)^n = 0.025.
    EXPECT_NEAR(clopper_pearson(0, n).upper, 1 - std::pow(.025, 1. / n), 1e-12);
    EXPECT_GT(wilson(0, n).upper, 0);
    EXPECT_LT(wilson(1, n).lower, 1);
  }
}

TEST(RateIntervals, AreNoneWithoutRows) {
  expect_none(wilson(nan, 0));
  expect_none(wilson(.5, 0));
  expect_none(wilson(nan, 10));
  expect_none(clopper_pearson(0, 0));
  expect_none(standard_error_band(0, 0));
  expect_none(standard_error_band(1, 1));
  for (const auto kind : {RateInterval::standard_error, RateInterval::wilson, RateInterval::exact})
    expect_none(rate_interval(kind, 0, 0));
}

TEST(RateIntervals, AreChosenByKind) {
  EXPECT_EQ(rate_interval(RateInterval::wilson, 3, 10, .9), wilson(.3, 10, .9));
  EXPECT_EQ(rate_interval(RateInterval::exact, 3, 10, .9), clopper_pearson(3, 10, .9));
  const double error = std::sqrt(.3 * .7 / 9);
  expect_near(rate_interval(RateInterval::standard_error, 3, 10), .3 - error, .3 + error, 1e-15);
  EXPECT_EQ(rate_interval(RateInterval::standard_error, 0, 10), (Interval{0, 0}));
  EXPECT_EQ(rate_interval(RateInterval::standard_error, 1, 2), (Interval{0, 1}));
}

TEST(RateIntervals, RefuseWhatIsNoRate) {
  EXPECT_THROW(wilson(1.01, 10), InputError);
  EXPECT_THROW(wilson(-.01, 10), InputError);
  EXPECT_THROW(wilson(.5, -1), InputError);
  EXPECT_THROW(clopper_pearson(3, 2), InputError);
  EXPECT_THROW(standard_error_band(3, 2), InputError);
  for (const double confidence : {0., 1., -1., 95., nan}) {
    EXPECT_THROW(wilson(.5, 10, confidence), InputError) << confidence;
    EXPECT_THROW(clopper_pearson(5, 10, confidence), InputError) << confidence;
  }
  // A mean of ones, summed in an unlucky order.
  EXPECT_EQ(wilson(1 + 1e-15, 10), wilson(1, 10));
}

TEST(Student, IsTheTextbooks) {
  // t(9) at 97.5 % is 2.262157.
  expect_near(student(5, 2, 10), 5 - 2.262157 * 2 / std::sqrt(10.), 5 + 2.262157 * 2 / std::sqrt(10.), 1e-6);
  EXPECT_EQ(student(5, 0, 2), (Interval{5, 5}));
  expect_none(student(5, 2, 1));
  expect_none(student(5, nan, 10));
  expect_none(student(nan, 2, 10));
  EXPECT_THROW(student(5, -2, 10), InputError);
}

TEST(Student, InTheUnitIntervalIsCutAndNeverMissing) {
  EXPECT_EQ(student_in_unit(.9, .3, 4).upper, 1);
  EXPECT_EQ(student_in_unit(.9, .3, 4).lower, student(.9, .3, 4).lower);
  EXPECT_EQ(student_in_unit(.1, .3, 4).lower, 0);
  EXPECT_EQ(student_in_unit(.7, nan, 1), wilson(.7, 1));
  expect_none(student_in_unit(nan, nan, 0));
}

TEST(F1, MapsTheJaccardIndex) {
  // 6 true positives, 4 errors: J = .6, F1 = .75.
  const auto jaccard = wilson(.6, 10), f1 = f1_interval(.75, 10);
  expect_near(f1, 2 * jaccard.lower / (1 + jaccard.lower), 2 * jaccard.upper / (1 + jaccard.upper), 1e-15);
  EXPECT_EQ(f1_interval(0, 10).lower, 0);
  EXPECT_GT(f1_interval(0, 10).upper, 0);
  EXPECT_EQ(f1_interval(1, 10).upper, 1);
  expect_none(f1_interval(nan, 0));
}

TEST(RatioOfSums, OfEqualWeightsIsARate) {
  // y = 1: the variance is p (1 - p) / (n - 1), the effective number n.
  const auto ratio = ratio_of_sums({10, 3, 10, 3, 3, 10});
  EXPECT_NEAR(ratio.value, .3, 1e-15);
  EXPECT_NEAR(ratio.variance, .3 * .7 / 9, 1e-15);
  EXPECT_NEAR(ratio.effective, 10, 1e-15);
  const double shrunk = 9 * std::pow(normal_quantile(.95) / student_quantile(.95, 9), 2);
  expect_near(ratio_of_sums_interval(ratio), wilson(.3, shrunk).lower, wilson(.3, shrunk).upper, 1e-12);
}

TEST(RatioOfSums, HasAWidthAtTheEdges) {
  // Scores .1, .2, .6 of rows with one label: precision 0 or 1.
  const double sum = .9, squares = .01 + .04 + .36;
  EXPECT_EQ(ratio_of_sums_interval(ratio_of_sums({3, 0, sum, 0, 0, squares})),
            wilson(0, sum * sum / squares));
  EXPECT_EQ(ratio_of_sums_interval(ratio_of_sums({3, sum, sum, squares, squares, squares})),
            wilson(1, sum * sum / squares));
  // One row.
  const auto one = ratio_of_sums({1, .3, .6, .09, .18, .36});
  EXPECT_TRUE(std::isnan(one.variance));
  EXPECT_EQ(ratio_of_sums_interval(one), wilson(.5, 1));
  // Rows that all agree: x = y / 2.
  const auto constant = ratio_of_sums({2, 1, 2, .5, 1, 2});
  EXPECT_EQ(constant.variance, 0);
  EXPECT_EQ(ratio_of_sums_interval(constant), wilson(.5, 2));
}

TEST(RatioOfSums, IsNoneWithoutAnything) {
  for (const auto& sums : {RatioSums{}, RatioSums{3, 0, 0, 0, 0, 0}}) {
    EXPECT_TRUE(std::isnan(ratio_of_sums(sums).value));
    expect_none(ratio_of_sums_interval(ratio_of_sums(sums)));
  }
}

TEST(OverTrials, AddsMarginsInQuadrature) {
  // t(9) at 97.5 % is 2.262157; B / T = .0025 / 10.
  const double margin = 2.262157 * std::sqrt(.0025 / 10);
  expect_near(over_trials(.5, {.4, .7}, .0025, 10), .5 - std::hypot(.1, margin), .5 + std::hypot(.2, margin),
              1e-7);
}

TEST(OverTrials, IsTheClassicalIntervalWithoutScatter) {
  const Interval within{.4, .7};
  EXPECT_EQ(over_trials(.5, within, nan, 1), within);
  EXPECT_EQ(over_trials(.5, within, 0, 10), within);
  // Without sampling variance it is Student's over the trials.
  const auto student_alone = student(.5, .05, 10);
  expect_near(over_trials(.5, {.5, .5}, .0025, 10), student_alone.lower, student_alone.upper, 1e-15);
}

TEST(OverTrials, KeepsRangesInfinitiesAndNaN) {
  EXPECT_EQ(over_trials(.9, {.8, .95}, .25, 2, .95, {0, 1}), (Interval{0, 1}));
  const auto half_open = over_trials(2, {1, std::numeric_limits<double>::infinity()}, .25, 5);
  EXPECT_LT(half_open.lower, 1);
  EXPECT_TRUE(std::isinf(half_open.upper));
  expect_none(over_trials(nan, {nan, nan}, .1, 5));
  EXPECT_THROW(over_trials(.5, {.4, .6}, -.1, 5), InputError);
}

}  // namespace
}  // namespace seldon::analysis

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/statistics/comparison.h"
#include "core/error.h"

namespace seldon::analysis {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

Bounded rate(int count, int n) {
  const double value = static_cast<double>(count) / n;
  return {value, wilson(value, n)};
}

void expect_near(const Interval& interval, double lower, double upper, double tolerance) {
  EXPECT_NEAR(interval.lower, lower, tolerance);
  EXPECT_NEAR(interval.upper, upper, tolerance);
}
void expect_none(const Interval& interval) {
  EXPECT_TRUE(std::isnan(interval.lower));
  EXPECT_TRUE(std::isnan(interval.upper));
}

// Newcombe, Statistics in Medicine 17, 1998, table II, method 10.
TEST(Difference, IsThePublishedOne) {
  expect_near(difference(rate(56, 70), rate(48, 80)), .0524, .3339, 5e-5);
  expect_near(difference(rate(9, 10), rate(3, 10)), .1705, .8090, 5e-5);
  expect_near(difference(rate(5, 56), rate(0, 29)), -.0381, .1926, 5e-5);
  expect_near(difference(rate(0, 10), rate(0, 20)), -.1611, .2775, 5e-5);
  expect_near(difference(rate(10, 10), rate(0, 20)), .6791, 1, 5e-5);
}

TEST(Difference, IsNoneWithoutBoth) {
  expect_none(difference({nan, {nan, nan}}, rate(1, 2)));
  expect_none(difference(rate(1, 2), {nan, {nan, nan}}));
}

/// A ratio's ends are those r for which an end of the interval of a - r b is 0.
TEST(Ratio, AgreesWithTheDifference) {
  for (const auto& a : {rate(3, 30), rate(15, 30), rate(29, 30), rate(30, 30)})
    for (const auto& b : {rate(2, 40), rate(20, 40), rate(40, 40)}) {
      const auto [lower, upper] = ratio(a, b);
      const auto times = [&](double r) {
        return Bounded{r * b.value, {r * b.interval.lower, r * b.interval.upper}};
      };
      EXPECT_NEAR(difference(a, times(lower)).lower, 0, 1e-12);
      EXPECT_NEAR(difference(a, times(upper)).upper, 0, 1e-12);
      EXPECT_LE(lower, a.value / b.value);
      EXPECT_GE(upper, a.value / b.value);
      const auto turned = ratio(b, a);
      EXPECT_NEAR(turned.lower * upper, 1, 1e-12);
      EXPECT_NEAR(turned.upper * lower, 1, 1e-12);
    }
}

TEST(Ratio, IsDefinedAtZeroCounts) {
  const auto none = rate(0, 20), some = rate(5, 20);
  EXPECT_EQ(ratio(none, some).lower, 0);
  EXPECT_GT(ratio(none, some).upper, 0);
  EXPECT_TRUE(std::isfinite(ratio(none, some).upper));
  EXPECT_GT(ratio(some, none).lower, 0);
  EXPECT_EQ(ratio(some, none).upper, infinity);
  EXPECT_EQ(ratio(none, none), (Interval{0, infinity}));
  expect_none(ratio(some, {nan, {nan, nan}}));
  EXPECT_THROW(ratio({-.1, {-.2, .1}}, some), InputError);
}

TEST(ToWhole, IsTheGroupAgainstTheMixture) {
  // 30 of 40 against 30 of 60: the whole has 60 of 100.
  EXPECT_NEAR(difference_to_whole(.75 - .5, .4), .75 - .6, 1e-15);
  EXPECT_NEAR(ratio_to_whole(.75 / .5, .4), .75 / .6, 1e-15);
  EXPECT_EQ(ratio_to_whole(0, .4), 0);
  EXPECT_NEAR(ratio_to_whole(infinity, .4), 1 / .4, 1e-15);
  EXPECT_EQ(ratio_to_whole(3, 1), 1);
  EXPECT_EQ(ratio_to_whole(infinity, 0), infinity);
  EXPECT_TRUE(std::isnan(ratio_to_whole(nan, .4)));
  EXPECT_TRUE(std::isnan(difference_to_whole(.1, nan)));
  EXPECT_EQ(difference_to_whole(Interval{-.5, .5}, 1), (Interval{0, 0}));
  EXPECT_THROW(ratio_to_whole(1, 1.5), InputError);
}

TEST(Simultaneous, IsBonferronis) {
  EXPECT_EQ(simultaneous(.95, 1), .95);
  EXPECT_NEAR(simultaneous(.95, 10), .995, 1e-15);
  EXPECT_THROW(simultaneous(.95, 0), InputError);
  EXPECT_THROW(simultaneous(1.5, 3), InputError);
}

TEST(ScoreTest, IsPearsonsChiSquared) {
  // Counts 30, 10 and 18, 22: chi-squared = 80 (30 22 - 10 18)^2 / (40 40 48 32) = 7.5.
  const auto test = score_test(30. / 40, 40, 18. / 40, 40);
  EXPECT_NEAR(test.statistic * test.statistic, 7.5, 1e-12);
  EXPECT_GT(test.statistic, 0);
  EXPECT_NEAR(test.p, .006169899320544, 1e-12);
  EXPECT_EQ(score_test(0, 40, 0, 10).p, 1);
  EXPECT_EQ(score_test(1, 40, 1, 10).p, 1);
  EXPECT_TRUE(std::isnan(score_test(nan, 0, .5, 10).p));
}

TEST(Welch, IsTheTextbooks) {
  // 9 values of mean 20.6, variance 9 and 16 of mean 18.1, variance 36: freedom (1 + 2.25)^2 / (1/8
  // + 2.25^2/15).
  const Sample a{20.6, 3, 9}, b{18.1, 6, 16};
  const auto test = welch_test(a, b);
  EXPECT_NEAR(test.statistic, 2.5 / std::sqrt(3.25), 1e-12);
  EXPECT_NEAR(test.degrees_of_freedom, 3.25 * 3.25 / (.125 + 2.25 * 2.25 / 15), 1e-12);
  const auto interval = welch_interval(a, b, 1 - test.p);
  EXPECT_NEAR(interval.lower, 0, 1e-9) << "at the confidence 1 - p the interval ends at 0";
}

TEST(TestOfDifference, CountsTheDegreesOfFreedomOfItsParts) {
  // Welch's is the one of two parts.
  const Sample a{2, 1.5, 9}, b{1, 0.5, 6};
  const auto welch = welch_test(a, b);
  const VariancePart parts[] = {{0.25, 8}, {0.25 / 6, 5}};
  const auto same = test_of_difference(1, parts);
  EXPECT_NEAR(same.p, welch.p, 1e-14);
  EXPECT_NEAR(same.degrees_of_freedom, welch.degrees_of_freedom, 1e-12);
  // (1 + 1)^2 / (1^2 / 2) = 8; scipy.stats.t.sf(2 / sqrt(2), 8).
  const VariancePart known_and_not[] = {{1, infinity}, {1, 2}};
  const auto mixed = test_of_difference(2, known_and_not);
  EXPECT_NEAR(mixed.degrees_of_freedom, 8, 1e-12);
  EXPECT_NEAR(mixed.p, 0.19501552810007583, 1e-12);
  const VariancePart known[] = {{2, infinity}};
  EXPECT_NEAR(test_of_difference(2, known).p, 0.15729920705028516, 1e-12);
  EXPECT_EQ(test_of_difference(2, known).degrees_of_freedom, infinity);
  const VariancePart no_freedom[] = {{1, infinity}, {1, 0}}, none[] = {{0, infinity}}, negative[] = {{-1, 5}};
  EXPECT_TRUE(std::isnan(test_of_difference(2, no_freedom).p));
  EXPECT_EQ(test_of_difference(0, none).p, 1);
  EXPECT_THROW(test_of_difference(0, negative), InputError);
}

TEST(Welch, KnowsGroupsThatDoNotVary) {
  EXPECT_EQ(welch_test({.5, 0, 5}, {.5, 0, 9}).p, 1);
  EXPECT_EQ(welch_test({.5, 0, 5}, {.6, 0, 9}).p, 0);
  EXPECT_EQ(welch_interval({.5, 0, 5}, {.25, 0, 9}), (Interval{.25, .25}));
  EXPECT_NEAR(welch_test({.5, 0, 5}, {.6, .1, 9}).degrees_of_freedom, 8, 1e-12);
  EXPECT_TRUE(std::isnan(welch_test({.5, nan, 1}, {.6, .1, 9}).p));
  expect_none(welch_interval({.5, nan, 1}, {.6, .1, 9}));
}

TEST(Paired, ComparesCommonTrials) {
  const std::array a{1., 2., nan, 4., 7.}, b{0., 2., 5., 1., nan};
  const auto result = paired(a, b);
  EXPECT_EQ(result.pairs, 3);
  EXPECT_NEAR(result.mean, 4. / 3, 1e-15);
  EXPECT_NEAR(result.sd, std::sqrt(7. / 3), 1e-15);
  EXPECT_EQ(result.interval, student(result.mean, result.sd, 3));
  EXPECT_NEAR(result.test.statistic, 4. / 3 / std::sqrt(7. / 9), 1e-12);
  EXPECT_EQ(result.test.degrees_of_freedom, 2);
}

TEST(Paired, SaysWhereThereIsNothingToCompare) {
  EXPECT_EQ(paired({}, {}).pairs, 0);
  EXPECT_TRUE(std::isnan(paired({}, {}).mean));
  const std::array one{1.}, other{3.};
  EXPECT_EQ(paired(one, other).mean, -2);
  expect_none(paired(one, other).interval);
  EXPECT_TRUE(std::isnan(paired(one, other).test.p));
  const std::array same{1., 2.};
  EXPECT_EQ(paired(same, same).test.p, 1);
  EXPECT_THROW(paired(one, same), InputError);
}

TEST(Holm, StepsDownAndStaysMonotone) {
  // 4 x .005, 3 x .01, then 2 x .03, which .04 alone would undercut.
  EXPECT_THAT(holm(std::array{.01, .04, .03, .005}),
              ElementsAre(DoubleNear(.03, 1e-15), DoubleNear(.06, 1e-15), DoubleNear(.06, 1e-15),
                          DoubleNear(.02, 1e-15)));
  EXPECT_THAT(holm(std::array{.6, .7}), ElementsAre(1, 1));
  const auto with_none = holm(std::array{.02, nan, .04});
  EXPECT_THAT(with_none[0], DoubleNear(.04, 1e-15));
  EXPECT_TRUE(std::isnan(with_none[1]));
  EXPECT_THAT(with_none[2], DoubleNear(.04, 1e-15));
  EXPECT_TRUE(holm({}).empty());
  EXPECT_THROW(holm(std::array{1.5}), InputError);
}

}  // namespace
}  // namespace seldon::analysis

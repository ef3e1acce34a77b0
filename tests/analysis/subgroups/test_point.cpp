#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "analysis/statistics/comparison.h"
#include "analysis/statistics/interval.h"
#include "analysis/subgroups/point.h"
#include "counted.h"

namespace seldon::analysis {
namespace {

using counted::Row;

/// Rows of one subgroup by hand: `tp` positives decided rightly, and so on, with scores .75 and .25.
std::vector<Row> rows_of(std::size_t subgroup, int tp, int fn, int fp, int tn) {
  std::vector<Row> rows;
  for (int i = 0; i < tp; ++i) rows.push_back({1, 0.75, {subgroup}});
  for (int i = 0; i < fn; ++i) rows.push_back({1, 0.25, {subgroup}});
  for (int i = 0; i < fp; ++i) rows.push_back({0, 0.75, {subgroup}});
  for (int i = 0; i < tn; ++i) rows.push_back({0, 0.25, {subgroup}});
  return rows;
}

std::vector<Row> operator+(std::vector<Row> a, const std::vector<Row>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class Point : public testing::Test {
 protected:
  SubgroupPoint point(Rule rule = Rule::hard) {
    const auto header = counted::header(trials_.layout().shape(), {"model"}, {1.0}, 1, 1);
    analysis_.subgroups = subgroups_of(header);
    analysis_.families = families_of(header, analysis_.subgroups);
    analysis_.columns = columns_of(trials_.layout().shape(), true);
    return point_of(plan_, accumulate(trials_.block(), plan_), analysis_, rule, {});
  }
  const Estimate& estimate(const SubgroupPoint& point, std::size_t subgroup, Measure measure) const {
    return point.estimates[subgroup][column_of(analysis_.columns, measure).value()];
  }
  const Contrast& contrast(const SubgroupPoint& point, std::size_t subgroup, Measure measure) const {
    const auto column = column_of(analysis_.columns, measure).value();
    return *std::ranges::find_if(point.contrasts,
                                 [&](const auto& c) { return c.subgroup == subgroup && c.column == column; });
  }
  static const Gap& gap(const SubgroupPoint& point, const std::string& criterion) {
    return *std::ranges::find(point.gaps, criterion, &Gap::criterion);
  }

  counted::Trials trials_{counted::shape({"all", "g=a", "g=b", "g=c"})};
  AccumulationPlan plan_ = counted::plan(trials_.layout().shape());
  SubgroupAnalysis analysis_;
};

TEST_F(Point, MeasuresWorkedByHand) {
  trials_.add(rows_of(1, 3, 1, 2, 4));
  const auto found = point();
  const struct {
    Measure measure;
    double value, rows;
  } wanted[] = {{Measure::accuracy, 0.7, 10},
                {Measure::positive_rate, 0.5, 10},
                {Measure::tpr, 0.75, 4},
                {Measure::fpr, 2.0 / 6, 6},
                {Measure::tnr, 4.0 / 6, 6},
                {Measure::fnr, 0.25, 4},
                {Measure::precision, 0.6, 5},
                {Measure::f1, 6.0 / 9, 6},
                {Measure::auroc, 17.0 / 24, 4},  // 3 * 4 + (3 * 2 + 1 * 4) / 2 of 24 pairs
                {Measure::mean_score, 0.5, 10},
                {Measure::calibration, 0.1, 10},
                {Measure::balanced_accuracy, 17.0 / 24, 4}};
  for (const auto& one : wanted) {
    const auto& got = estimate(found, 1, one.measure);
    EXPECT_NEAR(got.value, one.value, 1e-15) << name_of(one.measure);
    EXPECT_NEAR(got.rows, one.rows, 1e-15) << name_of(one.measure);
    EXPECT_TRUE(got.few_rows);
    EXPECT_LT(got.interval.lower, got.value) << name_of(one.measure);
    EXPECT_GT(got.interval.upper, got.value) << name_of(one.measure);
    EXPECT_TRUE(std::isnan(got.between_sd));
  }
  // The complement of a rate has the interval's mirror image.
  const auto fpr = estimate(found, 1, Measure::fpr).interval, tnr = estimate(found, 1, Measure::tnr).interval;
  EXPECT_DOUBLE_EQ(tnr.lower, 1 - fpr.upper);
  EXPECT_DOUBLE_EQ(tnr.upper, 1 - fpr.lower);
  EXPECT_EQ(estimate(found, 1, Measure::accuracy).interval, wilson(0.7, 10));
  EXPECT_EQ(estimate(found, 1, Measure::f1).interval, f1_interval(6.0 / 9, 6));
}

TEST_F(Point, SoftMeasuresWorkedByHand) {
  trials_.add(rows_of(1, 3, 1, 2, 4));
  const auto found = point(Rule::soft);
  EXPECT_NEAR(estimate(found, 1, Measure::tpr).value, 2.5 / 4, 1e-15);
  EXPECT_NEAR(estimate(found, 1, Measure::fpr).value, 2.5 / 6, 1e-15);
  EXPECT_NEAR(estimate(found, 1, Measure::accuracy).value, 6.0 / 10, 1e-15);
  EXPECT_NEAR(estimate(found, 1, Measure::precision).value, 0.5, 1e-15);
  EXPECT_NEAR(estimate(found, 1, Measure::f1).value, 5.0 / 9, 1e-15);  // 2 * 2.5 / (5 + 4)
  // Four scores of sum 2.5 and sum of squares 1.75: s^2 = (1.75 - 6.25 / 4) / 3 = 1 / 16.
  const auto& tpr = estimate(found, 1, Measure::tpr);
  EXPECT_NEAR(tpr.sampling_se, 0.125, 1e-15);
  const auto wanted = student_in_unit(0.625, 0.25, 4);
  EXPECT_NEAR(tpr.interval.lower, wanted.lower, 1e-14);
  EXPECT_NEAR(tpr.interval.upper, wanted.upper, 1e-14);
}

TEST_F(Point, SaysWhyThereIsNoValue) {
  trials_.add(rows_of(1, 0, 2, 0, 0) + rows_of(2, 0, 0, 0, 3));
  const auto found = point();
  EXPECT_EQ(estimate(found, 1, Measure::fpr).why_nan, "no negatives");
  EXPECT_EQ(estimate(found, 2, Measure::tpr).why_nan, "no positives");
  EXPECT_EQ(estimate(found, 2, Measure::auroc).why_nan, "no positives");
  EXPECT_EQ(estimate(found, 3, Measure::accuracy).why_nan, "no rows");
  EXPECT_EQ(estimate(found, 1, Measure::precision).why_nan, "no row decided for the class");
  EXPECT_EQ(estimate(found, 2, Measure::f1).why_nan, "no row of the class, and none decided for it");
  EXPECT_EQ(estimate(found, 1, Measure::balanced_accuracy).why_nan, "no rows of one class");
  EXPECT_EQ(gap(found, "equal_opportunity").difference.why_nan, "one group has a value");
  EXPECT_EQ(gap(found, "equal_opportunity").best, gap(found, "equal_opportunity").worst);
  counted::Trials none(trials_.layout().shape());
  none.add(counted::refused(none.layout()));
  std::swap(trials_, none);
  EXPECT_EQ(estimate(point(), 1, Measure::accuracy).why_nan, "no trial with a solution");
}

/// A gap rests on no more rows than the smaller of its groups' denominators.
TEST_F(Point, GapsAreFlaggedByTheSmallerDenominator) {
  trials_.add(rows_of(1, 30, 10, 20, 20) +
              rows_of(2, 20, 9, 5, 26));  // positives 40 and 29, negatives 40 and 31
  const auto found = point();
  EXPECT_TRUE(gap(found, "equal_opportunity").difference.few_rows);
  EXPECT_TRUE(gap(found, "equal_opportunity").ratio.few_rows);
  EXPECT_FALSE(gap(found, "predictive_equality").difference.few_rows);
  EXPECT_FALSE(gap(found, "predictive_equality").ratio.few_rows);
  EXPECT_FALSE(gap(found, "demographic_parity").difference.few_rows);
}

TEST_F(Point, GapsNameThePairAndCountThePairs) {
  // TPR .8, .5, .2; FPR .2, .5, .8.
  trials_.add(rows_of(1, 8, 2, 2, 8) + rows_of(2, 5, 5, 5, 5) + rows_of(3, 2, 8, 8, 2));
  const auto found = point();
  const auto& tpr = gap(found, "equal_opportunity");
  EXPECT_EQ(tpr.best, 1);
  EXPECT_EQ(tpr.worst, 3);
  EXPECT_EQ(tpr.pairs, 3);
  EXPECT_NEAR(tpr.difference.value, 0.6, 1e-15);
  EXPECT_NEAR(tpr.ratio.value, 0.25, 1e-15);
  const double confidence = 1 - 0.05 / 3;
  const auto wanted = difference({0.8, wilson(0.8, 10, confidence)}, {0.2, wilson(0.2, 10, confidence)});
  EXPECT_NEAR(tpr.difference.interval.lower, wanted.lower, 1e-12);
  EXPECT_NEAR(tpr.difference.interval.upper, wanted.upper, 1e-12);
  // Fewer false positives are better.
  EXPECT_EQ(gap(found, "predictive_equality").best, 1);
  EXPECT_NEAR(gap(found, "predictive_equality").difference.value, 0.6, 1e-15);
  EXPECT_EQ(gap(found, "equalized_odds").pairs, 6);
  EXPECT_NEAR(gap(found, "equalized_odds").difference.value, 0.6, 1e-15);
  EXPECT_EQ(gap(found, "equalized_odds").ratio.why_nan, "");
  EXPECT_EQ(gap(found, "equalized_odds").ratio.trials, 0);
  EXPECT_NEAR(gap(found, "equalized_odds_sum").difference.value, 1.2, 1e-15);
  // (.2 + .2) / (.8 + .8)
  EXPECT_NEAR(gap(found, "generalised_equal_opportunity").ratio.value, 0.25, 1e-15);
  // All have a positive rate of 1/2: a gap of 0 between two groups.
  EXPECT_EQ(gap(found, "demographic_parity").difference.value, 0);
  EXPECT_EQ(gap(found, "demographic_parity").ratio.value, 1);
  EXPECT_NE(gap(found, "demographic_parity").best, gap(found, "demographic_parity").worst);
}

TEST_F(Point, EqualizedOddsCountThePairsOfBothRates) {
  // No positives in the third group: one pair of TPR, three of FPR.
  trials_.add(rows_of(1, 6, 4, 5, 5) + rows_of(2, 5, 5, 5, 5) + rows_of(3, 0, 0, 9, 1));
  const auto found = point();
  const auto& odds = gap(found, "equalized_odds");
  EXPECT_EQ(analysis_.columns[odds.column].name, "fpr");
  EXPECT_EQ(odds.pairs, 4);
  EXPECT_EQ(gap(found, "equalized_odds_ratio").pairs, 4);
  EXPECT_EQ(gap(found, "equal_opportunity").pairs, 1);
  // Both rates of one pair.
  EXPECT_EQ(gap(found, "equalized_odds_sum").pairs, 2);
  const double confidence = 1 - 0.05 / 4;
  const auto wanted = difference({0.9, wilson(0.9, 10, confidence)}, {0.5, wilson(0.5, 10, confidence)});
  EXPECT_NEAR(odds.difference.interval.lower, wanted.lower, 1e-12);
  EXPECT_NEAR(odds.difference.interval.upper, wanted.upper, 1e-12);
}

TEST_F(Point, BestCalibratedIsNextToZero) {
  // Mean score minus share of positives: .25 in a, -.05 in b.
  trials_.add(rows_of(1, 0, 0, 10, 10) + rows_of(2, 8, 2, 0, 0));
  trials_.add(rows_of(1, 0, 0, 10, 10) + rows_of(2, 8, 2, 0, 0));
  const auto found = point();
  const auto& a = estimate(found, 1, Measure::calibration);
  const auto& b = estimate(found, 2, Measure::calibration);
  EXPECT_GT(a.value, 0);
  EXPECT_LT(b.value, 0);
  EXPECT_LT(std::abs(b.value), a.value);
  EXPECT_EQ(gap(found, "calibration").best, 2);
  EXPECT_EQ(gap(found, "calibration").worst, 1);
  EXPECT_NEAR(gap(found, "calibration").difference.value, a.value - b.value, 1e-15);
}

TEST_F(Point, EqualScoresDifferByNothing) {
  // The mean of three times .1 is not .1 in doubles.
  std::vector<Row> rows;
  for (int i = 0; i < 3; ++i) rows.push_back({1, 0.1, {1}});
  for (int i = 0; i < 47; ++i) rows.push_back({1, 0.1, {2}});
  trials_.add(rows);
  const auto found = point(Rule::soft);
  EXPECT_NE(estimate(found, 1, Measure::tpr).value, estimate(found, 2, Measure::tpr).value);
  EXPECT_EQ(estimate(found, 1, Measure::tpr).sampling_se, 0);
  EXPECT_EQ(estimate(found, 2, Measure::tpr).sampling_se, 0);
  EXPECT_EQ(gap(found, "equal_opportunity").difference.value, 0);
  EXPECT_EQ(contrast(found, 1, Measure::tpr).test.p, 1);
}

TEST_F(Point, TrialWithoutASoftPrecisionLeavesTheOthersTheirInterval) {
  trials_.add({{1, 0.9, {1}}, {0, 0.4, {1}}, {0, 0.7, {2}}});
  trials_.add({{0, 0.0, {1}}, {0, 0.0, {1}}, {0, 0.7, {2}}});
  const auto found = point(Rule::soft);
  const auto& precision = estimate(found, 1, Measure::precision);
  EXPECT_EQ(precision.trials, 1);
  EXPECT_LT(precision.interval.lower, precision.value);
  EXPECT_GT(precision.interval.upper, precision.value);
}

TEST_F(Point, RoundingIsNoRest) {
  // The group is the whole, but its scores were summed in another order.
  auto record = counted::record(trials_.layout(), rows_of(1, 3, 1, 2, 4));
  for (const auto field : {Field::soft_sums, Field::soft_squares})
    for (std::size_t i = 4; i < 8; ++i) record.doubles(field)[i] += 1e-13;
  trials_.add(record);
  for (const auto rule : {Rule::soft, Rule::hard}) {
    const auto found = point(rule);
    for (const auto measure : {Measure::tpr, Measure::precision, Measure::f1, Measure::calibration})
      EXPECT_TRUE(std::isnan(contrast(found, 1, measure).test.p)) << name_of(measure);
  }
}

TEST_F(Point, FewTrialsGiveATestFewDegreesOfFreedom) {
  // Group a moves from trial to trial, b does not: B of the difference is (.2^2 + .2^2) / 1 = .08.
  for (const int tp : {20, 36}) trials_.add(rows_of(1, tp, 40 - tp, 0, 0) + rows_of(2, 20, 20, 0, 0));
  const auto found = point();
  const auto& test = contrast(found, 1, Measure::tpr).test;
  const double pooled = 0.6, within = pooled * (1 - pooled) * (1 / 40.0 + 1 / 40.0), between = 0.08 / 2;
  EXPECT_NEAR(test.statistic, 0.2 / std::sqrt(within + between), 1e-12);
  EXPECT_NEAR(test.degrees_of_freedom, std::pow(within + between, 2) / (between * between), 1e-9);
}

TEST_F(Point, LeavesOutWhatIsNotAskedFor) {
  trials_.add(rows_of(1, 3, 1, 2, 4) + rows_of(2, 3, 1, 2, 4));
  point();
  SubgroupOptions options;
  options.gaps = options.contrasts = false;
  const auto found = point_of(plan_, accumulate(trials_.block(), plan_), analysis_, Rule::hard, options);
  EXPECT_TRUE(found.gaps.empty());
  EXPECT_TRUE(found.contrasts.empty());
  EXPECT_FALSE(found.estimates.empty());
}

TEST_F(Point, UnknownCovarianceTakesItsBound) {
  // Precision 1/2, 1, none in a; 1/4, 3/4, 1/2 in b.
  trials_.add(rows_of(1, 1, 0, 1, 0) + rows_of(2, 1, 0, 3, 0));
  trials_.add(rows_of(1, 1, 1, 0, 0) + rows_of(2, 3, 0, 1, 0));
  trials_.add(rows_of(1, 0, 1, 0, 1) + rows_of(2, 2, 0, 2, 0));
  const auto found = point();
  EXPECT_NEAR(gap(found, "precision").difference.between_sd, std::sqrt(0.125) + 0.25, 1e-12);
}

TEST_F(Point, TrialsThatMoveTogetherHaveAGapWithoutVariance) {
  // The accuracy of both groups is .5, then 1: their difference never changes.
  trials_.add(rows_of(1, 2, 2, 0, 0) + rows_of(2, 1, 1, 0, 0));
  trials_.add(rows_of(1, 4, 0, 0, 0) + rows_of(2, 2, 0, 0, 0));
  const auto found = point();
  EXPECT_NEAR(estimate(found, 1, Measure::accuracy).between_sd, std::sqrt(0.125), 1e-15);
  EXPECT_NEAR(gap(found, "accuracy").difference.between_sd, 0, 1e-12);
  const auto& all = estimate(found, 0, Measure::accuracy);
  EXPECT_EQ(all.interval, over_trials(0.75, wilson(0.75, 6), 0.125, 2, 0.95, {0, 1}));
}

TEST_F(Point, ComparesWithTheWholeAndTheRest) {
  trials_.add(rows_of(1, 30, 10, 0, 0) + rows_of(2, 20, 40, 0, 0));
  const auto found = point();
  const auto column = column_of(analysis_.columns, Measure::tpr).value();
  const auto& a = *std::ranges::find_if(found.contrasts,
                                        [&](const auto& c) { return c.subgroup == 1 && c.column == column; });
  EXPECT_NEAR(a.difference.value, 0.75 - 0.5, 1e-15);
  EXPECT_NEAR(a.ratio.value, 1.5, 1e-15);
  // Pooled rate 1/2: z = (3/4 - 1/3) / sqrt(1/4 (1/40 + 1/60)).
  EXPECT_NEAR(a.test.statistic, (0.75 - 1.0 / 3) / std::sqrt(0.25 * (1.0 / 40 + 1.0 / 60)), 1e-12);
  const double within_a = 0.75 * 0.25 / 40, within_b = (1.0 / 3) * (2.0 / 3) / 60;
  EXPECT_NEAR(a.difference.sampling_se, 0.6 * std::sqrt(within_a + within_b), 1e-12);
  // The derivative of r / (.4 r + .6) at r = 2.25 is .6 / 1.5^2.
  EXPECT_NEAR(a.ratio.sampling_se, 0.6 / 2.25 * 3 * std::sqrt(within_a + 2.25 * 2.25 * within_b), 1e-12);
  EXPECT_EQ(a.tests, 2);  // no rows in the third group
  EXPECT_NEAR(a.holm, 2 * a.test.p, 1e-15);
  const auto& c = *std::ranges::find_if(found.contrasts,
                                        [&](const auto& x) { return x.subgroup == 3 && x.column == column; });
  EXPECT_TRUE(std::isnan(c.holm));
  EXPECT_EQ(c.difference.why_nan, "no rows");
}

TEST_F(Point, GroupThatIsTheWholeHasNoRest) {
  trials_.add(rows_of(1, 3, 1, 2, 4));
  const auto found = point();
  EXPECT_EQ(found.contrasts.front().difference.why_nan, "no rows outside of the group");
  EXPECT_TRUE(std::isnan(found.contrasts.front().test.p));
}

TEST_F(Point, VarianceBetweenTrialsWeakensATest) {
  const auto p_after = [&](int tp_a, int tp_b) {
    counted::Trials trials(trials_.layout().shape());
    for (const int tp : {tp_a, tp_b}) trials.add(rows_of(1, tp, 40 - tp, 0, 0) + rows_of(2, 20, 20, 0, 0));
    std::swap(trials_, trials);
    return point().contrasts.front().test.p;
  };
  EXPECT_LT(p_after(30, 30), p_after(25, 35));
}

}  // namespace
}  // namespace seldon::analysis

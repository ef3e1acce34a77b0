#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "analysis/subgroups/accumulate.h"
#include "analysis/subgroups/kernels.h"
#include "counted.h"

namespace seldon::analysis {
namespace {

using counted::Row;

/// Subgroups: 1 is g=a, 2 is g=b.
class Accumulate : public testing::Test {
 protected:
  std::size_t stream(Measure measure, Rule rule, std::uint32_t of_class) const {
    const auto found = std::ranges::find(plan_.streams, Stream{measure, of_class, rule});
    EXPECT_NE(found, plan_.streams.end());
    return static_cast<std::size_t>(found - plan_.streams.begin());
  }
  double at(const std::vector<double>& values, std::size_t stream, std::size_t slot) const {
    return values[stream * plan_.slots.slots() + slot];
  }

  counted::Trials trials_{counted::shape({"all", "g=a", "g=b"})};
  AccumulationPlan plan_ = counted::plan(trials_.layout().shape());
};

TEST_F(Accumulate, MomentsWorkedByHand) {
  // Right in a: 1 of 2, then 2 of 2. Right in b: 1 of 1, then 0 of 1.
  trials_.add({{1, 0.9, {1}}, {0, 0.8, {1}}, {0, 0.25, {2}}});
  trials_.add({{1, 0.6, {1}}, {0, 0.4, {1}}, {0, 0.75, {2}}});
  const auto moments = accumulate(trials_.block(), plan_);
  EXPECT_EQ(moments.solutions, 2);
  const auto hard = stream(Measure::accuracy, Rule::hard, 0), soft = stream(Measure::accuracy, Rule::soft, 0);
  EXPECT_DOUBLE_EQ(at(moments.mean, hard, 1), 0.75);
  EXPECT_DOUBLE_EQ(at(moments.squares, hard, 1), 0.125);         // 2 * .25^2
  EXPECT_DOUBLE_EQ(at(moments.within, hard, 1), 0.5 * 0.5 / 2);  // and 0 in the second trial
  EXPECT_DOUBLE_EQ(at(moments.mean, hard, 2), 0.5);
  EXPECT_DOUBLE_EQ(at(moments.mean, hard, 0), 2.0 / 3);
  // (.25)(-.5) twice.
  EXPECT_DOUBLE_EQ(moments.cross[hard * plan_.slots.crosses() + plan_.slots.cross(0, 1, 2)], -0.25);
  // The rest of a is b.
  EXPECT_DOUBLE_EQ(at(moments.mean, hard, plan_.slots.rest_of(1)), 0.5);
  EXPECT_DOUBLE_EQ(moments.cross[hard * plan_.slots.crosses() + plan_.slots.cross_with_rest(1)], -0.25);
  // Soft: (.9 + .2) / 2, then (.6 + .6) / 2.
  EXPECT_DOUBLE_EQ(at(moments.mean, soft, 1), 0.575);
  // s^2 / n: (.35^2 + .35^2) / 2, then 0.
  EXPECT_NEAR(at(moments.within, soft, 1), 0.1225, 1e-15);
  EXPECT_TRUE(std::isnan(at(moments.within, soft, 2)));  // one row has no variance
  const auto loss = stream(Measure::log_loss, Rule::value, 0);
  EXPECT_DOUBLE_EQ(at(moments.mean, loss, 2), (-std::log(0.75) - std::log(0.25)) / 2);
  const auto calibration = stream(Measure::calibration, Rule::value, 1);
  EXPECT_DOUBLE_EQ(at(moments.mean, calibration, 1), (0.35 + 0.0) / 2);
  const auto area = stream(Measure::auroc, Rule::value, 1);
  EXPECT_DOUBLE_EQ(at(moments.mean, area, 1), 1);
  EXPECT_EQ(at(moments.count, area, 2), 0);  // no positives
}

TEST_F(Accumulate, DoesNotDependOnTheCut) {
  for (int t = 0; t < 20; ++t) {
    std::vector<Row> rows;
    for (int i = 0; i < 30; ++i)
      rows.push_back({static_cast<std::size_t>(i % 2),
                      std::fmod(0.37 * i + 0.11 * t * t, 1.0) * 0.98 + 0.01,
                      {static_cast<std::size_t>(1 + i % 3 / 2)}});
    trials_.add(rows);
  }
  const auto whole = accumulate(trials_.block(), plan_);
  for (const std::size_t cut : {1, 7, 19}) {
    Moments merged;
    merged.merge(accumulate(trials_.block(0, cut), plan_), plan_.slots);
    merged.merge(accumulate(trials_.block(cut, 20), plan_), plan_.slots);
    EXPECT_EQ(merged.solutions, 20);
    for (const auto part : {&Moments::mean, &Moments::squares, &Moments::within, &Moments::cross,
                            &Moments::rows, &Moments::effective, &Moments::count}) {
      const auto &got = merged.*part, &wanted = whole.*part;
      for (std::size_t i = 0; i < wanted.size(); ++i)
        EXPECT_NEAR(got[i], wanted[i], 1e-12 * std::max(1.0, std::abs(wanted[i])));
    }
  }
}

TEST_F(Accumulate, LeavesOutWhatHasNoSolution) {
  trials_.add({{1, 0.9, {1}}});
  trials_.add(counted::refused(trials_.layout()));
  trials_.add(counted::record(trials_.layout(), {{1, 0.1, {1}}}), CellState::lost);
  const auto moments = accumulate(trials_.block(), plan_);
  EXPECT_EQ(moments.recorded, 2);
  EXPECT_EQ(moments.solutions, 1);
  EXPECT_EQ(at(moments.mean, stream(Measure::accuracy, Rule::hard, 0), 0), 1);
}

TEST_F(Accumulate, TellsRecordsWithoutCounts) {
  CellRecord imported(trials_.layout());
  imported.set_outcome(Outcome::solution, NsfReason::none);
  trials_.add(imported);
  const auto moments = accumulate(trials_.block(), plan_);
  EXPECT_EQ(moments.without_counts, 1);
  EXPECT_EQ(moments.solutions, 0);
}

TEST_F(Accumulate, TrialWithoutAValueLeavesTheOthers) {
  trials_.add({{1, 0.9, {1}}, {0, 0.8, {1}}, {0, 0.7, {2}}});
  trials_.add({{1, 0.1, {1}}, {0, 0.2, {1}}, {0, 0.7, {2}}});  // nothing in a is decided positive
  const auto moments = accumulate(trials_.block(), plan_);
  const auto precision = stream(Measure::precision, Rule::hard, 1);
  EXPECT_EQ(at(moments.count, precision, 1), 1);
  EXPECT_EQ(at(moments.mean, precision, 1), 0.5);
  EXPECT_EQ(at(moments.count, precision, 2), 2);
  EXPECT_TRUE(std::isnan(moments.cross[precision * plan_.slots.crosses() + plan_.slots.cross(0, 1, 2)]));
}

TEST(Kernels, RatiosOfSumsAreThoseOfTheStatistics) {
  // Scores .9, .4 of the class, .6, .2, .5 of the others.
  const double n = 5, positives = 2, tp = 1.3, tp2 = 0.81 + 0.16, fp = 1.3, fp2 = 0.36 + 0.04 + 0.25;
  double inverse = 0, of_mean = 0;
  kernels::prepare(1, &n, &inverse, &of_mean);
  const kernels::SoftSums sums{{&n, &inverse, &of_mean}, &positives, &tp, &fp, &tp2, &fp2};
  double value = 0, variance = 0, effective = 0;
  kernels::soft_precision(1, sums, &value, &variance, &effective);
  auto wanted = ratio_of_sums({5, tp, tp + fp, tp2, tp2, tp2 + fp2});
  EXPECT_DOUBLE_EQ(value, 0.5);
  EXPECT_DOUBLE_EQ(variance, wanted.variance);
  EXPECT_DOUBLE_EQ(effective, wanted.effective);
  kernels::soft_f1(1, sums, &value, &variance, &effective);
  // x = 2 s l, y = s + l.
  wanted = ratio_of_sums({5, 2.6, 4.6, 4 * tp2, 2 * (tp2 + tp), tp2 + fp2 + 2 * tp + positives});
  EXPECT_DOUBLE_EQ(value, 2.6 / 4.6);
  EXPECT_DOUBLE_EQ(variance, wanted.variance);
  EXPECT_DOUBLE_EQ(effective, wanted.effective);
}

}  // namespace
}  // namespace seldon::analysis

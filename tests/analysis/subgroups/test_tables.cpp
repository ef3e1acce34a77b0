#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/subgroups/point.h"
#include "analysis/subgroups/tables.h"
#include "counted.h"

namespace seldon::analysis {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

/// An analysis by hand: two models, twelve data fractions, groups a and b. Accuracy of group a at fraction f
/// (0 ... 11) is (f + 1) / 20 for the first model and NaN for the second; group b has twice that.
class SubgroupTables : public testing::Test {
 protected:
  SubgroupTables() {
    std::vector<double> fractions;
    for (int f = 0; f < 12; ++f) fractions.push_back((f + 1) / 12.0);
    const auto shape = counted::shape({"all", "gender=F", "gender=M"});
    header_ = counted::header(shape, {"one", "two"}, fractions, 4, 120);
    analysis_.subgroups = subgroups_of(header_);
    analysis_.families = families_of(header_, analysis_.subgroups);
    analysis_.columns = {{Measure::accuracy, 1, "accuracy", "accuracy"}, {Measure::fpr, 1, "fpr", "FPR"}};
    analysis_.truth = "original";
    for (std::uint32_t model = 0; model < 2; ++model)
      for (std::uint32_t f = 0; f < 12; ++f) analysis_.points.push_back(point(model, f));
    options_ = {all_columns(analysis_), all_subgroups(analysis_), 3};
  }

  static SubgroupPoint point(std::uint32_t model, std::uint32_t fraction) {
    SubgroupPoint point;
    point.model = model;
    point.fraction = fraction;
    point.solutions = 3;
    point.recorded = 4;
    point.rows = point.positives = {50, 10, 40};
    for (std::size_t group = 0; group < 3; ++group) {
      Estimate estimate;
      estimate.value = (fraction + 1) / 20.0 * static_cast<double>(std::max<std::size_t>(group, 1));
      estimate.interval = {estimate.value - 0.25, estimate.value + 0.125};
      estimate.between_sd = 0.5;
      estimate.sampling_se = 0.0625;
      estimate.trials = 3;
      estimate.rows = point.rows[group];
      estimate.few_rows = group == 1;
      if (model == 1) {
        estimate.value = std::nan("");
        estimate.why_nan = "no positives";
      }
      point.estimates.push_back({estimate, estimate});
    }
    return point;
  }

  store::Header header_;
  SubgroupAnalysis analysis_;
  SubgroupTableOptions options_;
};

TEST_F(SubgroupTables, RowsAreModelsAndSubgroups) {
  const auto table = subgroup_table(analysis_, header_, {11, Rule::soft}, options_);
  EXPECT_EQ(table.name, "subgroups_n120_soft");
  EXPECT_THAT(table.title, HasSubstr("n = 120 (data fraction 1), soft decisions"));
  ASSERT_EQ(table.rows.size(), 6);
  EXPECT_EQ(table.rows[1][1].text, "gender=F");
  EXPECT_EQ(table.rows[1][2].text, "yes");
  EXPECT_EQ(table.rows[0][2].kind, TableCell::Kind::empty);
  EXPECT_TRUE(table.rows[1][6].flagged);
  EXPECT_FALSE(table.rows[2][6].flagged);
  EXPECT_EQ(table.rows[1][6].value, 0.6);
  EXPECT_EQ(table.rows[1][6].lower, 0.35);
  EXPECT_EQ(table.rows[4][6].text, "no positives");
  EXPECT_THAT(table.notes, Contains(HasSubstr("Ground truth: original")));
  EXPECT_THAT(table.notes, Contains(HasSubstr("fewer than 30 rows")));
}

TEST_F(SubgroupTables, BaselinesAreHeldToNoConstraint) {
  header_.models[1].kind = "baseline";
  const auto table = subgroup_table(analysis_, header_, {11, Rule::soft}, options_);
  EXPECT_EQ(table.rows[1][2].text, "yes");
  EXPECT_EQ(table.rows[4][2].text, "no");
}

TEST_F(SubgroupTables, ShortFormsKeepRowsAndColumnsTogether) {
  Gap gap;
  gap.best = 1;
  gap.worst = 2;
  gap.difference.trials = gap.ratio.trials = 3;
  gap.difference.value = 0.1;
  gap.ratio.value = 0.9;
  for (const auto* name : {"accuracy", "equalized_odds_sum"}) {
    gap.criterion = name;
    analysis_.points[11].gaps.push_back(gap);
  }
  options_.brief = true;
  const auto names = [](const Table& table) {
    std::vector<std::string> found;
    for (const auto& column : table.columns) found.push_back(column.name);
    return found;
  };
  auto table = gap_table(analysis_, header_, {11, Rule::soft}, options_);
  EXPECT_THAT(names(table), ElementsAre("model", "family", "in_training", "criterion", "measure",
                                        "best_group", "worst_group", "difference", "ratio"));
  ASSERT_EQ(table.rows.size(), 1);
  ASSERT_EQ(table.rows[0].size(), 9);
  EXPECT_EQ(table.rows[0][7].value, 0.1);
  EXPECT_EQ(table.rows[0][8].value, 0.9);
  table = subgroup_table(analysis_, header_, {11, Rule::soft}, options_);
  EXPECT_THAT(names(table),
              ElementsAre("model", "subgroup", "solutions", "rows", "positives", "accuracy", "fpr"));
  EXPECT_EQ(table.rows[1].size(), 7);
  EXPECT_EQ(table.rows[1][5].value, 0.6);
}

TEST_F(SubgroupTables, ShortFormsShowTheGroupsOfSingleAttributes) {
  analysis_.subgroups =
      subgroups_of(counted::header(counted::shape({"all", "g=a", "h=x", "g=a x h=x"}), {"m"}, {1.0}, 1, 1));
  EXPECT_THAT(brief_subgroups(analysis_), ElementsAre(0, 1, 2));
  analysis_.subgroups =
      subgroups_of(counted::header(counted::shape({"all", "g=a x h=x"}), {"m"}, {1.0}, 1, 1));
  EXPECT_THAT(brief_subgroups(analysis_), ElementsAre(0, 1));
}

TEST_F(SubgroupTables, BestCalibratedIsNextToZero) {
  analysis_.columns[0] = {Measure::calibration, 1, "calibration", "calibration"};
  for (auto& point : analysis_.points)
    for (auto& row : point.estimates) row[0].value -= 0.4;  // -.35 ... .8
  const auto table = extremes_table(analysis_, header_, Rule::soft, options_);
  EXPECT_NEAR(table.rows[0][6].value, 0, 1e-12);
  EXPECT_NEAR(table.rows[3][6].value, 0.8, 1e-12);
}

TEST_F(SubgroupTables, PartialStoresSaySo) {
  analysis_.points[11].recorded = 2;
  const auto table = subgroup_table(analysis_, header_, {11, Rule::soft}, options_);
  EXPECT_THAT(table.notes, Contains("PARTIAL: 6 of 8 trials are recorded so far."));
  // Over all points: 23 with 4 of 4 trials, one with 2.
  EXPECT_THAT(extremes_table(analysis_, header_, Rule::soft, options_).notes,
              Contains("PARTIAL: 94 of 96 trials are recorded so far."));
  EXPECT_THAT(means_of_ten_table(analysis_, header_, Rule::soft, options_).notes,
              Contains("PARTIAL: 94 of 96 trials are recorded so far."));
}

TEST_F(SubgroupTables, EstimatesShowBothVariances) {
  const auto table = estimate_table(analysis_, header_, {0, Rule::soft}, options_);
  ASSERT_EQ(table.rows.size(), 12);
  EXPECT_EQ(table.rows[0][4].value, 0.5);
  EXPECT_EQ(table.rows[0][5].value, 0.0625);
  EXPECT_EQ(table.rows[0][6].value, 3);
}

TEST_F(SubgroupTables, ExtremesAreSortedOverAllPoints) {
  auto table = extremes_table(analysis_, header_, Rule::soft, options_);
  ASSERT_EQ(table.rows.size(), 6);
  // The best: group M at the largest fractions; the worst: group F at the smallest.
  EXPECT_EQ(table.rows[0][5].text, "gender=M");
  EXPECT_EQ(table.rows[0][6].value, 1.2);
  EXPECT_EQ(table.rows[3][0].text, "worst");
  EXPECT_EQ(table.rows[3][1].value, 1);
  EXPECT_EQ(table.rows[3][6].value, 0.05);
  EXPECT_THAT(table.title, HasSubstr("of 24"));
  EXPECT_THAT(table.notes, Contains("24 more have no value, and so no rank."));
  options_.columns = {1};  // of false positives less is better
  table = extremes_table(analysis_, header_, Rule::soft, options_);
  EXPECT_EQ(table.rows[0][6].value, 0.05);
}

TEST_F(SubgroupTables, MeansOfTenBestAndWorst) {
  const auto table = means_of_ten_table(analysis_, header_, Rule::soft, options_);
  ASSERT_EQ(table.rows.size(), 3);
  EXPECT_EQ(table.rows[0][2].value, 12);
  EXPECT_NEAR(table.rows[0][3].value, 7.5 / 20, 1e-15);  // mean of 3 ... 12, over 20
  EXPECT_NEAR(table.rows[0][4].value, 5.5 / 20, 1e-15);  // of 1 ... 10
  EXPECT_EQ(table.rows[2][1].text, "largest difference");
  EXPECT_NEAR(table.rows[2][3].value, 7.5 / 20, 1e-15);
}

TEST_F(SubgroupTables, GapsAreThoseOfTheColumnsAndSubgroupsShown) {
  Gap gap;
  gap.criterion = "accuracy";
  gap.best = 1;
  gap.worst = 2;
  gap.difference.trials = 3;
  gap.difference.value = 0.1;
  analysis_.points[11].gaps = {gap, gap};
  analysis_.points[11].gaps[1].column = 1;
  auto table = gap_table(analysis_, header_, {11, Rule::soft}, options_);
  ASSERT_EQ(table.rows.size(), 2);
  EXPECT_EQ(table.rows[0][5].text, "gender=F");
  EXPECT_EQ(table.rows[0][8].value, 0.1);
  EXPECT_EQ(table.rows[0][11].kind, TableCell::Kind::empty);  // a criterion without a ratio
  options_.columns = {1};
  EXPECT_EQ(gap_table(analysis_, header_, {11, Rule::soft}, options_).rows.size(), 1);
  options_.subgroups = {0};
  EXPECT_EQ(gap_table(analysis_, header_, {11, Rule::soft}, options_).rows.size(), 0);
}

TEST_F(SubgroupTables, FractionsOfEqualRowsHaveNamesOfTheirOwn) {
  header_.rows[0] = header_.rows[1];
  EXPECT_EQ(subgroup_table(analysis_, header_, {0, Rule::soft}, options_).name, "subgroups_n20_0_soft");
  EXPECT_EQ(subgroup_table(analysis_, header_, {1, Rule::soft}, options_).name, "subgroups_n20_1_soft");
}

TEST_F(SubgroupTables, UsualColumnsFitTheRegime) {
  analysis_.columns = columns_of(counted::shape({"all"}), true);
  std::vector<std::string> names;
  for (const auto index : usual_columns(analysis_)) names.push_back(analysis_.columns[index].name);
  EXPECT_THAT(names, ElementsAre("accuracy", "positive_rate", "tpr", "fpr", "balanced_accuracy", "auroc",
                                 "calibration"));
  auto three = counted::shape({"all"});
  three.classes = 3;
  analysis_.columns = columns_of(three, true);
  names.clear();
  for (const auto index : usual_columns(analysis_)) names.push_back(analysis_.columns[index].name);
  EXPECT_THAT(names, ElementsAre("accuracy", "balanced_accuracy", "log_loss"));
}

}  // namespace
}  // namespace seldon::analysis

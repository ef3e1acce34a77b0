#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/compare/compare.h"
#include "core/error.h"
#include "example.h"

namespace seldon::analysis {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string rows_of_seed_1 =
    R"({"experiment.seed":1,"data.kind":"csv","data.hash":"ab","data.rows":null,"resample.method":"bootstrap"})";

/// One model at fractions .5 and 1 of 100 rows, five trials: three solutions at 1, none at .5.
Results five_trials(double shift, double failing_g = -0.1) {
  auto results = example::empty(1, {0.5, 1.0}, 5, 100);
  results.header.identity = rows_of_seed_1;
  const double values[] = {0.50, 0.54, 0.61};
  for (std::size_t trial = 0; trial < 5; ++trial) {
    example::refuse(results, 0, 0, trial, NsfReason::safety_test);
    if (trial < 3)
      example::solve(results, 0, 1, trial, values[trial] + shift * static_cast<double>(trial + 1),
                     trial == 0 ? failing_g : -0.1);
    else
      example::refuse(results, 0, 1, trial, NsfReason::safety_test);
  }
  return results;
}

Comparison compared(const Results& a, const Results& b, const CompareOptions& options = {}) {
  return compare({&a, "a.h5"}, {&b, "b.h5"}, options);
}

std::string complaint(const Results& a, const Results& b, const CompareOptions& options = {}) {
  try {
    compared(a, b, options);
  } catch (const InputError& error) {
    return error.what();
  }
  return {};
}

const ComparedPoint& at(const Comparison& comparison, const std::string& quantity, std::uint64_t rows) {
  for (const auto& point : comparison.points)
    if (point.quantity == quantity && point.rows_a == rows) return point;
  throw std::runtime_error("no such point");
}

/// scipy.stats.ttest_rel(a, b).confidence_interval(), a and b being the three values of each side.
TEST(Compare, PairedWhereBothDrewTheSameRows) {
  const auto comparison = compared(five_trials(0), five_trials(0.01));
  const auto& point = at(comparison, "performance, log_loss", 100);
  EXPECT_EQ(point.pairs, 3u);
  EXPECT_NEAR(point.a.value, 0.55, 1e-12);
  EXPECT_NEAR(point.b.value, 0.57, 1e-12);
  EXPECT_NEAR(point.difference.value, -0.02, 1e-12);
  EXPECT_NEAR(point.difference.interval.lower, -0.04484137711750334, 1e-9);
  EXPECT_NEAR(point.difference.interval.upper, 0.004841377117503307, 1e-9);
  EXPECT_EQ(at(comparison, "solution rate", 100).pairs, 5u);
  EXPECT_THAT(comparison.notes, Contains(HasSubstr("Paired: a trial drew the same rows in both")));
}

/// scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval(); rates:
/// statsmodels.stats.proportion.confint_proportions_2indep(1, 5, 0, 5, method="newcomb").
TEST(Compare, IndependentWhereTheyDidNot) {
  auto b = five_trials(0.01);
  b.header.identity =
      R"({"experiment.seed":2,"data.kind":"csv","data.hash":"ab","resample.method":"bootstrap"})";
  const auto comparison = compared(five_trials(0, 0.2), b);
  const auto& point = at(comparison, "performance, log_loss", 100);
  EXPECT_FALSE(point.pairs);
  EXPECT_NEAR(point.difference.interval.lower, -0.15933558179717203, 1e-9);
  EXPECT_NEAR(point.difference.interval.upper, 0.11933558179717199, 1e-9);
  const auto& failures = at(comparison, "failure rate, parity", 100);
  EXPECT_NEAR(failures.a.value, 0.2, 1e-12);
  EXPECT_NEAR(failures.b.value, 0, 1e-12);
  EXPECT_NEAR(failures.difference.interval.lower, -0.26432483758388886, 1e-9);
  EXPECT_NEAR(failures.difference.interval.upper, 0.6244653702374748, 1e-9);
  EXPECT_THAT(comparison.notes, Contains(HasSubstr("Not paired: trials of the two drew different rows, since "
                                                   "experiment.seed differs")));
}

TEST(Compare, PairingIsKnownFromTheIdentityOrVouchedFor) {
  auto a = example::empty(1, {1.0}, 2), b = a;
  EXPECT_FALSE(pairing_of(a.header, b.header).paired);
  EXPECT_THAT(pairing_of(a.header, b.header).why, HasSubstr("nothing says which rows the trials of A drew"));
  EXPECT_TRUE(compared(a, b, {.same_rows = true}).points[0].pairs.has_value());
  a.header.identity = b.header.identity = rows_of_seed_1;
  EXPECT_TRUE(pairing_of(a.header, b.header).paired);
  for (
      const std::string other :
      {R"({"experiment.seed":1,"data.kind":"csv","data.hash":"cd","data.rows":null,"resample.method":"bootstrap"})",
       R"({"experiment.seed":1,"data.kind":"csv","data.hash":"ab","data.rows":7,"resample.method":"bootstrap"})",
       R"({"experiment.seed":1,"data.kind":"csv","data.hash":"ab","resample.method":"bootstrap","resample.indices.hash":"ef"})"}) {
    b.header.identity = other;
    EXPECT_FALSE(pairing_of(a.header, b.header).paired) << other;
  }
  b = a;
  b.header.total_rows = 7;
  EXPECT_FALSE(pairing_of(a.header, b.header).paired);
  // Which features are used does not change which rows are drawn; for drawn data every key does.
  b = a;
  b.header.identity.insert(1, R"("data.numeric":["x"],)");
  EXPECT_TRUE(pairing_of(a.header, b.header).paired);
}

TEST(Compare, TrialsOfDifferentSizesAreNotPaired) {
  auto b = five_trials(0);
  b.header.rows = {51, 100};
  const auto comparison = compared(five_trials(0), b);
  EXPECT_FALSE(at(comparison, "solution rate", 50).pairs);
  EXPECT_TRUE(at(comparison, "solution rate", 100).pairs);
}

TEST(Compare, FractionsGoTogetherByValueThenByRows) {
  const auto a = example::empty(1, {0.1, 0.5, 1.0}, 2, 100);
  const auto b = example::empty(1, {0.05, 0.1, 0.25}, 2, 200);  // 10, 20 and 50 rows
  const auto comparison = compared(a, b);
  std::vector<std::pair<double, double>> couples;
  for (const auto& point : comparison.points)
    if (point.quantity == "solution rate") couples.emplace_back(point.fraction_a, point.fraction_b);
  EXPECT_THAT(couples, ElementsAre(std::pair(0.1, 0.1), std::pair(0.5, 0.25)));
}

TEST(Compare, ModelsGoTogetherByNameOrAsSaid) {
  auto a = example::empty(2, {1.0}, 2), b = a;
  b.models[1].header.name = b.header.models[1].name = "other";
  EXPECT_EQ(compared(a, b).points.size(), 3u);
  const auto comparison = compared(a, b, {.models = {{"baseline_1", "other"}, {"qsa", "other"}}});
  EXPECT_EQ(comparison.points.size(), 6u);
  EXPECT_EQ(comparison.points[0].model_b, "other");
  EXPECT_THAT(complaint(a, b, {.models = {{"qsa", "qsb"}}}),
              HasSubstr("'b.h5' has no model 'qsb'; it has 'qsa'"));
  EXPECT_THAT(complaint(a, b, {.models = {{"qsa", "qsa"}, {"qsa", "qsa"}}}), HasSubstr("comes twice"));
  b.models.erase(b.models.begin());
  b.header.models.erase(b.header.models.begin());
  EXPECT_THAT(complaint(a, b),
              HasSubstr("no model is in both stores: 'a.h5' has 'qsa', 'baseline_1', 'b.h5' has "
                        "'other'; say with --models"));
}

TEST(Compare, WhatTheyDoNotShareIsLeftOutAndNamed) {
  auto a = five_trials(0), b = a;
  b.models[0].header.shape.performance = {"mse", "accuracy"};
  b.header.constraints[0].name = b.models[0].header.shape.constraints[0] = "odds";
  const auto comparison = compared(a, b);
  EXPECT_EQ(comparison.points[0].quantity, "performance, accuracy");
  EXPECT_THAT(comparison.notes, Contains(HasSubstr("Failure rates are left out")));
  EXPECT_THAT(complaint(a, b, {.performance = "log_loss"}), HasSubstr("'log_loss' is not measured in both"));
  b.models[0].header.shape.performance = {"mse", "r2"};
  EXPECT_THAT(compared(a, b).notes, Contains(HasSubstr("Performance is left out: A measures 'log_loss'")));
  EXPECT_THAT(complaint(a, example::empty(1, {0.25}, 1, 17)),
              HasSubstr("no data fraction is in both stores"));
}

TEST(Compare, ConstraintsOfOneNameThatAreNotTheSameAreNamed) {
  const auto a = five_trials(0);
  auto b = a;
  EXPECT_THAT(compared(a, b).notes, Not(Contains(HasSubstr("not the same in both"))));
  b.header.constraints[0].delta = 0.1;
  EXPECT_THAT(compared(a, b).notes, Contains(HasSubstr("The constraint parity is not the same in both")));
}

TEST(Compare, OneSideMayKnowFailuresOnly) {
  auto b = example::empty(1, {0.5, 1.0}, 5, 100);
  b.header.models[0].shape.rules = {"recorded", std::string(failures_only)};
  b.models[0] = ModelResults::empty(b.header.models[0], 10);
  b.models[0].runs.resize(10);
  b.models[0].states[5] = b.models[0].states[6] = CellState::done;
  b.models[0].outcomes[5] = b.models[0].outcomes[6] = Outcome::solution;
  b.models[0].g[5 * 4 + 2] = 1;  // [cell][constraint][rule][truth]
  b.models[0].g[6 * 4 + 2] = 0;
  CompareOptions hard;
  hard.selection.rule = "hard";
  const auto comparison = compared(five_trials(0), b, hard);
  EXPECT_EQ(at(comparison, "failure rate, parity", 100).b.value, 0.5);
  EXPECT_THAT(comparison.notes, Contains(HasSubstr("Rule of parity: hard in A, failed in B")));
  EXPECT_THAT(comparison.notes, Contains(HasSubstr("PARTIAL: of B 2 of 10 cells are recorded")));
}

TEST(Compare, IdentityIsComparedKeyByKey) {
  auto a = five_trials(0), b = a;
  EXPECT_THAT(compared(a, b).identity, IsEmpty());
  b.header.identity = R"({"experiment.seed":2,"data.kind":"csv","new":[1,"x"]})";
  a.header.identity = R"({"experiment.seed":1,"data.kind":"csv"})";
  const auto differences = compared(a, b).identity;
  ASSERT_EQ(differences.size(), 2u);
  EXPECT_EQ(differences[0].key, "experiment.seed");
  EXPECT_EQ(differences[0].a, "1");
  EXPECT_EQ(differences[0].b, "2");
  EXPECT_EQ(differences[1].a, "");
  EXPECT_EQ(differences[1].b, R"([1,"x"])");
  b.header.identity = R"({"import.layout":"toolkit","experiment.seed":2})";  // most of it is unknown
  EXPECT_EQ(compared(a, b).identity.size(), 1u);
}

TEST(Compare, OneFigureOfBoth) {
  const auto a = five_trials(0, 0.2);
  auto b = five_trials(0.01);
  b.header.name = "other";
  b.header.models[0].shape.rules = {"recorded"};
  b.models[0].header.shape = b.header.models[0].shape;
  b.models[0].g.resize(10 * 2);
  CompareOptions hard;
  hard.selection.rule = "hard";
  const auto summary = side_by_side({&a, "a.h5"}, {&b, "b.h5"}, hard);
  EXPECT_EQ(summary.experiment, "example (A) and other (B)");
  ASSERT_EQ(summary.models.size(), 2u);
  EXPECT_EQ(summary.models[0].name, "qsa (A)");
  EXPECT_EQ(summary.models[1].name, "qsa (B)");
  EXPECT_NEAR(summary.models[1].points[1].performance.value, 0.57, 1e-12);
  EXPECT_EQ(summary.constraints[0].rule, "hard (A) and recorded (B)");
  // Nothing in common but the model: no panel for a constraint.
  b.header.constraints[0].name = "odds";
  EXPECT_TRUE(side_by_side({&a, "a.h5"}, {&b, "b.h5"}, hard).constraints.empty());
  b.models[0].header.shape.performance = {"mse", "r2"};
  EXPECT_THROW(side_by_side({&a, "a.h5"}, {&b, "b.h5"}), InputError);
}

TEST(Compare, FigureNamesTheDeltasWhereTheyDiffer) {
  const auto a = five_trials(0);
  auto b = five_trials(0.01);
  EXPECT_EQ(side_by_side({&a, "a.h5"}, {&b, "b.h5"}, {}).constraints[0].header.delta, 0.05);
  b.header.constraints[0].delta = 0.1;
  const auto header = side_by_side({&a, "a.h5"}, {&b, "b.h5"}, {}).constraints[0].header;
  EXPECT_TRUE(std::isnan(header.delta));  // no line is drawn
  EXPECT_THAT(header.expression, HasSubstr("with delta 0.05 (A)"));
  EXPECT_THAT(header.expression, HasSubstr("with delta 0.1 (B)"));
}

TEST(Compare, TableHasTheColumnsThatItNeeds) {
  const auto tables = comparison_tables(compared(five_trials(0), five_trials(0.01)));
  ASSERT_EQ(tables.size(), 2u);
  const auto csv = to_csv(tables[0]);
  EXPECT_THAT(csv,
              testing::StartsWith("quantity,model,data_frac,n,a,a_lower,a_upper,b,b_lower,b_upper,difference,"
                                  "difference_lower,difference_upper,trials_a,trials_b,pairs"));
  EXPECT_THAT(csv, HasSubstr("solution rate,qsa,1,100,0.6,"));
  EXPECT_THAT(csv, Not(HasSubstr("model_b")));
  for (const auto& row : tables[0].rows) EXPECT_EQ(row.size(), tables[0].columns.size());
}

}  // namespace
}  // namespace seldon::analysis

#include <cmath>

#include <gtest/gtest.h>

#include "engine/safety_test.h"
#include "toy.h"

namespace seldon::engine {
namespace {

using toy::constraint;
using toy::Fixed;
using toy::Table;

bool passes(const char* expression, const Table& table, std::vector<double> scores, const Rows& rows,
            bool hard = false, Variant variant = Variant::default_) {
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint(expression, 0.05, hard, Regime::classification, variant));
  Fixed model(std::move(scores));
  return safety_test(problem, model, rows).passed;
}

std::vector<double> spread(std::size_t n) {
  std::vector<double> scores(n);
  for (std::size_t i = 0; i < n; ++i) scores[i] = 0.2 + 0.1 * static_cast<double>(i % 3);
  return scores;
}

TEST(SafetyTest, BoundIsStudentsT) {
  const Table table(30, 1, 0.0);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("PR - 0.5 <= 0"));
  Fixed model(spread(30));
  const SafetyResult result = safety_test(problem, model, table.every_row());
  // scipy: z = tile([.2, .3, .4], 10); mean(z) + std(z, ddof=1) / sqrt(30) * t.ppf(.95, 29) - .5
  EXPECT_NEAR(result.upper[0], -0.17423790250785826, 1e-12);
  EXPECT_TRUE(result.passed);
  EXPECT_EQ(result.nodes[0].n, 30);
  EXPECT_NEAR(result.nodes[0].mean, 0.3, 1e-15);
}

TEST(SafetyTest, NanNeverPasses) {
  const Table table(30, 1, 0.0);
  for (const char* expression : {"PR <= 0.9", "FPR", "max(FPR, FNR)", "FPR <= 0.9"}) {
    std::vector<double> scores(30, std::nan(""));
    EXPECT_FALSE(passes(expression, table, scores, table.every_row())) << expression;
    EXPECT_FALSE(passes(expression, table, scores, table.every_row(), false, Variant::toolkit)) << expression;
  }
}

TEST(SafetyTest, AConstantModelIsNotCertifiedByStudentsT) {
  const Table table(30, 1, 0.0);
  EXPECT_FALSE(passes("PR <= 0.5", table, std::vector<double>(30, 0.1), table.every_row()));
  EXPECT_TRUE(passes("PR <= 0.5", table, std::vector<double>(30, 0.1), table.every_row(), true))
      << "Clopper and Pearson's bound of 0 of 30 is .095";
  EXPECT_TRUE(
      passes("PR <= 0.5", table, std::vector<double>(30, 0.1), table.every_row(), false, Variant::toolkit))
      << "the toolkit's rule";
}

TEST(SafetyTest, FewerThanFiveRowsNeverPass) {
  const Table table(30, 1, 0.0);
  EXPECT_FALSE(passes("PR <= 0.99", table, spread(30), {0, 1, 2, 3}));
  EXPECT_TRUE(passes("PR <= 0.99", table, spread(30), {0, 1, 2, 3, 4, 5, 6, 7, 8}));
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("PR <= 0.99"));
  Fixed model(spread(30));
  EXPECT_TRUE(safety_test(problem, model, Rows{0, 1, 2, 3}).group_too_small);
}

TEST(SafetyTest, HoeffdingTakesTheUnitIntervalForRates) {
  const Table table(60, 1, 0.0);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("PR <= 0.35"));
  problem.constraints[0].bound = BoundKind::hoeffding;
  problem.constraints[0].range = {0, 1e-6};  // would make the bound the mean itself, .3
  Fixed model(spread(60));
  // .3 + sqrt(log(20) / 120)
  EXPECT_NEAR(safety_test(problem, model, table.every_row()).upper[0],
              0.3 + std::sqrt(std::log(20.0) / 120) - 0.35, 1e-12);
}

TEST(SafetyTest, HoeffdingCertifiesNothingBeyondItsRange) {
  const Table table(60, 1, 0.0, Regime::regression);
  Problem problem = toy::problem(table, "mean_squared_error");
  problem.constraints.push_back(constraint("Mean_Squared_Error <= 100", 0.05, false, Regime::regression));
  problem.constraints[0].bound = BoundKind::hoeffding;
  Fixed model(std::vector<double>(60, 0.0));
  problem.constraints[0].range = {0, 0.01};
  EXPECT_FALSE(safety_test(problem, model, table.every_row()).passed);
  problem.constraints[0].range = {0, 100};
  EXPECT_TRUE(safety_test(problem, model, table.every_row()).passed);
}

TEST(SafetyTest, AllConstraintsMustHold) {
  const Table table(60, 1, 0.0);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("PR <= 0.5"));
  problem.constraints.push_back(constraint("PR >= 0.5"));
  Fixed model(spread(60));
  const SafetyResult result = safety_test(problem, model, table.every_row());
  EXPECT_LE(result.upper[0], 0);
  EXPECT_GT(result.upper[1], 0);
  EXPECT_FALSE(result.passed);
}

}  // namespace
}  // namespace seldon::engine

#include <cmath>

#include <gtest/gtest.h>

#include "engine/lagrangian.h"
#include "toy.h"

namespace seldon::engine {
namespace {

using toy::constraint;
using toy::Table;

/// L at predictors, by the class under test itself: what its gradient must be the derivative of.
double lagrangian_at(Lagrangian& lagrangian, const std::vector<double>& eta,
                     const std::vector<double>& multipliers) {
  const std::span<const double> view = eta;
  const auto& value = lagrangian.evaluate({&view, 1}, 1);
  double sum = value.loss;
  for (std::size_t i = 0; i < multipliers.size(); ++i) sum += multipliers[i] * value.upper[i];
  return sum;
}

void expect_gradient(Problem problem, const Table& table) {
  const Rows rows = table.every_row();
  Lagrangian lagrangian(problem, rows, 200);
  lagrangian.choose(rows);
  std::vector<double> eta(rows.size());
  for (std::size_t i = 0; i < eta.size(); ++i) eta[i] = Stream(Purpose::synthetic_data, 5).normal(i);
  const std::vector<double> multipliers(problem.constraints.size(), 0.7);
  lagrangian_at(lagrangian, eta, multipliers);
  const std::vector<double> gradient = lagrangian.gradient(multipliers)[0];
  for (std::size_t i = 0; i < eta.size(); i += 7) {
    constexpr double h = 1e-6;
    const double at = eta[i];
    eta[i] = at + h;
    const double above = lagrangian_at(lagrangian, eta, multipliers);
    eta[i] = at - h;
    const double below = lagrangian_at(lagrangian, eta, multipliers);
    eta[i] = at;
    EXPECT_NEAR(gradient[i], (above - below) / (2 * h), 1e-8) << "row " << i;
  }
}

TEST(Lagrangian, GradientIsThatOfFiniteDifferences) {
  const Table table(120, 2, 0.5);
  for (const char* expression :
       {toy::disparate_impact, "abs((PR | [M]) - (PR | [F])) <= 0.2", "ACC >= 0.6",
        "abs((FNR | [M]) - (FNR | [F])) + abs((FPR | [M]) - (FPR | [F])) <= 0.35",
        "(TPR | [M]) * exp(FPR) - 1", "(PR | [M]) ** 2 - 0.5", "log(TNR) + 2 * NR <= 0.3"}) {
    SCOPED_TRACE(expression);
    Problem problem = toy::problem(table);
    problem.constraints.push_back(constraint(expression));
    expect_gradient(std::move(problem), table);
  }
}

TEST(Lagrangian, GradientHoldsForRegressionAndSeveralConstraints) {
  const Table table(90, 2, 0.5, Regime::regression);
  Problem problem = toy::problem(table, "mean_squared_error");
  problem.constraints.push_back(constraint("Mean_Squared_Error <= 2.0", 0.05, false, Regime::regression));
  problem.constraints.push_back(
      constraint("abs((Mean_Error | [M]) - (Mean_Error | [F])) <= 0.1", 0.05, false, Regime::regression));
  expect_gradient(std::move(problem), table);
}

TEST(Lagrangian, ATinyGroupLeavesItsConstraintOut) {
  const Table table(60, 2, 0.0);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint(toy::disparate_impact));
  problem.constraints.push_back(constraint("PR <= 0.9"));
  const Rows rows = table.every_row();
  std::vector<std::uint32_t> batch;
  std::uint32_t women = 0;
  for (std::uint32_t i = 0; i < rows.size(); ++i)
    if (table.men[i] || ++women == 1) batch.push_back(i);  // one woman only
  Lagrangian lagrangian(problem, rows, 60);
  lagrangian.choose(batch);
  const std::vector<double> eta(batch.size(), 0.1);
  const std::span<const double> view = eta;
  const auto& value = lagrangian.evaluate({&view, 1}, 1);
  EXPECT_FALSE(value.usable[0]);
  EXPECT_TRUE(value.usable[1]);
  EXPECT_FALSE(value.feasible());
  const std::vector<double> multipliers = {0.5, 0.5};
  for (double d : lagrangian.gradient(multipliers)[0]) EXPECT_TRUE(std::isfinite(d));
}

TEST(Lagrangian, AnInfiniteBoundStillHasADirection) {
  // Four rows a group: Student's t gives no bound under five, but g on the means says where to go.
  const Table table(8, 1, 0.0);
  std::vector<std::uint8_t> men = {1, 1, 1, 1, 0, 0, 0, 0}, women = {0, 0, 0, 0, 1, 1, 1, 1};
  Dataset data = table.data;
  data.groups = {{"M", men}, {"F", women}};
  Problem problem = toy::problem(table);
  problem.data = &data;
  problem.constraints.push_back(constraint("(PR | [M]) - (PR | [F]) <= 0"));
  const Rows rows = table.every_row();
  Lagrangian lagrangian(problem, rows, 8);
  lagrangian.choose(rows);
  const std::vector<double> eta(8, 0.0);
  const std::span<const double> view = eta;
  EXPECT_EQ(lagrangian.evaluate({&view, 1}, 1).upper[0], std::numeric_limits<double>::infinity());
  const std::vector<double> none = {0.0}, one = {1.0};
  const std::vector<double> base = lagrangian.gradient(none)[0];
  lagrangian.evaluate({&view, 1}, 1);
  const std::vector<double> with = lagrangian.gradient(one)[0];
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(with[i] - base[i], (i < 4 ? 1 : -1) * 0.25 / 4, 1e-15);
}

}  // namespace
}  // namespace seldon::engine

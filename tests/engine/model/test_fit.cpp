#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "engine/model/fit.h"

namespace seldon::engine {
namespace {

const std::vector<std::vector<double>> rows = {{0.5, -1.2, 3.0}, {1.5, 0.3, -0.7},  {-0.8, 2.2, 0.1},
                                               {2.1, -0.4, 1.3}, {-1.1, 0.9, -2.0}, {0.2, 0.2, 0.5},
                                               {1.0, -2.0, 0.4}, {-0.5, 1.1, 1.9}};
const std::vector<double> labels = {1, 0, 0, 1, 0, 1, 1, 0};

PanelMatrix matrix(bool with_sum) {
  PanelMatrix x(rows.size(), with_sum ? 4 : 3);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < 3; ++j) x.at(i, j) = rows[i][j];
    if (with_sum) x.at(i, 3) = rows[i][0] + rows[i][1];
  }
  return x;
}

void expect_near(const std::vector<double>& got, const std::vector<double>& wanted, double tolerance) {
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t j = 0; j < got.size(); ++j)
    EXPECT_NEAR(got[j], wanted[j], tolerance) << "coefficient " << j;
}

// scikit-learn 1.x: LogisticRegression(C=C, tol=1e-14, solver="newton-cholesky").fit(X, y)
TEST(FitLogistic, IsScikitLearns) {
  expect_near(fit_logistic(matrix(false), labels),
              {-0.28626362490896556, 0.3457984008581171, -0.9744996610399118, 0.5012352535696195}, 1e-8);
  expect_near(fit_logistic(matrix(false), labels, 0.1),
              {-0.12001181108853945, 0.14684945891443724, -0.26952561462955754, 0.18010053957098462}, 1e-8);
}

TEST(FitLogistic, ConvergesOnDataThatAreFarAway) {
  PanelMatrix x = matrix(false);
  for (std::size_t i = 0; i < rows.size(); ++i) x.at(i, 0) = 1e4 * x.at(i, 0);
  for (double coefficient : fit_logistic(x, labels)) EXPECT_TRUE(std::isfinite(coefficient));
}

// scikit-learn 1.x: LinearRegression().fit(X, t), X with a fourth column that is the sum of the first two: of
// all minimisers the one of least norm.
TEST(FitLeastSquares, TakesTheLeastNormWhereColumnsDepend) {
  const std::vector<double> t = {1.0, 2.5, -0.3, 0.8, 1.9, -2.2, 0.4, 3.1};
  expect_near(fit_least_squares(matrix(true), t),
              {0.8347490431817447, 0.02129056577813731, 0.07926895599628388, -0.006481983312034142,
               0.10055952177442126},
              1e-12);
}

TEST(FitLeastSquares, OfOneRowIsItsLabel) {
  PanelMatrix x(1, 2);
  x.at(0, 0) = 3;
  x.at(0, 1) = -1;
  const std::vector<double> one = {7.0};
  expect_near(fit_least_squares(x, one), {7, 0, 0}, 1e-15);
}

}  // namespace
}  // namespace seldon::engine

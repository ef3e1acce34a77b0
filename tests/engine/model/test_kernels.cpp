#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.h"
#include "engine/model/kernels.h"

namespace seldon::engine {
namespace {

TEST(Logistic, IsWithinTwoUlpOfLongDouble) {
  for (double eta = -700; eta < 700; eta += 0.0137) {
    double p = 0;
    logistic({&eta, 1}, {&p, 1});
    const long double x = eta;
    const long double exact = x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
    ASSERT_LE(std::fabs(static_cast<long double>(p) - exact),
              2 * std::numeric_limits<double>::epsilon() * exact)
        << "at " << eta;
  }
}

TEST(Logistic, HasTheRightEnds) {
  const std::vector<double> eta = {-std::numeric_limits<double>::infinity(), -1e308,      0.0, 1e308,
                                   std::numeric_limits<double>::infinity(),  std::nan("")};
  std::vector<double> p(eta.size());
  logistic(eta, p);
  EXPECT_LT(p[0], 1e-300);
  EXPECT_LT(p[1], 1e-300);
  EXPECT_EQ(p[2], 0.5);
  EXPECT_EQ(p[3], 1.0);
  EXPECT_EQ(p[4], 1.0);
  EXPECT_TRUE(std::isnan(p[5]));
}

TEST(PanelMatrix, MultipliesAsPlainLoopsDo) {
  for (const auto& [rows, columns] :
       {std::pair<std::size_t, std::size_t>{1, 1}, {7, 3}, {8, 5}, {33, 2}, {100, 57}}) {
    PanelMatrix x(rows, columns);
    const Stream draws(Purpose::synthetic_data, rows, {columns});
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns; ++j) x.at(i, j) = draws.normal(i * columns + j);
    std::vector<double> weights(columns), eta(x.padded_rows()), residuals(rows, 0.0), product(columns, 0.0);
    for (std::size_t j = 0; j < columns; ++j) weights[j] = draws.normal(100000 + j);
    for (std::size_t i = 0; i < rows; ++i) residuals[i] = draws.normal(200000 + i);

    x.multiply(weights, 0.25, eta);
    const double sum = x.multiply_transposed(residuals, product);
    EXPECT_NEAR(sum, std::accumulate(residuals.begin(), residuals.end(), 0.0), 1e-12);
    for (std::size_t i = 0; i < rows; ++i) {
      double expected = 0.25;
      for (std::size_t j = 0; j < columns; ++j) expected += x.at(i, j) * weights[j];
      EXPECT_NEAR(eta[i], expected, 1e-12);
    }
    for (std::size_t j = 0; j < columns; ++j) {
      double expected = 0;
      for (std::size_t i = 0; i < rows; ++i) expected += x.at(i, j) * residuals[i];
      EXPECT_NEAR(product[j], expected, 1e-11);
    }
  }
}

TEST(LogLossSum, StaysFiniteAndExactWhereProbabilitiesSaturate) {
  // numpy.logaddexp(0, -z) at z = 40, -40, 800 (as class 1) and class 0 at -800.
  const std::vector<double> eta = {40, -40, 800, -800}, labels = {1, 1, 0, 0};
  std::vector<double> p(4);
  logistic(eta, p);
  EXPECT_NEAR(log_loss_sum(eta, p, labels), 4.248354255291589e-18 + 40.0 + 800.0 + 0.0, 1e-12);
}

TEST(LogLossSum, AgreesWithTheDefinitionOnManyRows) {
  const std::size_t n = 5000;
  const Stream draws(Purpose::synthetic_data, 3);
  std::vector<double> eta(n), p(n), labels(n);
  double expected = 0;
  for (std::size_t i = 0; i < n; ++i) {
    eta[i] = 3 * draws.normal(i);
    labels[i] = draws.uniform(2 * n + i) < 0.5;
    expected += std::log1p(std::exp(labels[i] > 0.5 ? -eta[i] : eta[i]));
  }
  logistic(eta, p);
  EXPECT_NEAR(log_loss_sum(eta, p, labels), expected, 1e-9 * expected);
}

}  // namespace
}  // namespace seldon::engine

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "engine/constraint/bound.h"

namespace seldon::engine {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

const std::vector<double> sample = {0.1, 0.4, 0.35, 0.8, 0.15, 0.6, 0.55};

NodeStatistics constant_sample(double n, double value) {
  return {n, value, 0, value, value};
}

/// 0/1 values with k ones.
NodeStatistics counts(double k, double m) {
  return {m, k / m, std::sqrt(k * (m - k) / m / (m - 1)), k < m ? 0.0 : 1.0, k > 0 ? 1.0 : 0.0};
}

TEST(Statistics, MeanAndDeviation) {
  const NodeStatistics got = statistics(sample);
  EXPECT_EQ(got.n, 7);
  EXPECT_DOUBLE_EQ(got.mean, 0.42142857142857143);
  EXPECT_DOUBLE_EQ(got.sd, 0.24976179127511153);  // numpy: x.std(ddof=1)
  EXPECT_EQ(got.min, 0.1);
  EXPECT_EQ(got.max, 0.8);
}

TEST(Statistics, LongSampleOfEveryLengthModuloTheLanes) {
  for (std::size_t n = 2; n < 40; ++n) {
    std::vector<double> z(n);
    for (std::size_t i = 0; i < n; ++i) z[i] = static_cast<double>(i);
    const auto count = static_cast<double>(n);
    const NodeStatistics got = statistics(z);
    EXPECT_DOUBLE_EQ(got.mean, (count - 1) / 2);
    EXPECT_DOUBLE_EQ(got.sd, std::sqrt(count * (count + 1) / 12));
  }
}

TEST(Statistics, EmptySingleAndNan) {
  EXPECT_TRUE(std::isnan(statistics({}).mean));
  const double one[] = {0.5}, holed[] = {0.5, not_a_number, 0.1};
  EXPECT_EQ(statistics(one).mean, 0.5);
  EXPECT_TRUE(std::isnan(statistics(one).sd));
  EXPECT_TRUE(std::isnan(statistics(holed).mean));
  EXPECT_TRUE(std::isnan(statistics(holed).max));
}

// scipy.stats.t.ppf(p, nu)
TEST(StudentT, QuantilesAgreeWithSciPy) {
  EXPECT_NEAR(student_t_quantile(0.975, 4), 2.7764451051977934, 1e-12);
  EXPECT_NEAR(student_t_quantile(0.95, 1), 6.313751514675037, 1e-12);
  EXPECT_NEAR(student_t_quantile(0.9875, 599), 2.2470515972448672, 1e-12);
  EXPECT_NEAR(student_t_quantile(0.99, 2), 6.9645567342832715, 1e-12);
  EXPECT_NEAR(student_t_quantile(0.1, 1000), -1.2823987214609245, 1e-12);
  EXPECT_NEAR(student_t_quantile(0.3, 3.5), -0.5753387017722312, 1e-12);
  EXPECT_TRUE(std::isnan(student_t_quantile(0.95, 0)));
  EXPECT_TRUE(std::isnan(student_t_quantile(not_a_number, 3)));
}

TEST(StudentT, CacheNeverMixesKeys) {
  std::vector<double> first;
  for (int pass = 0; pass < 2; ++pass)
    for (int i = 0; i < 2000; ++i) {
      const double quantile = student_t_quantile(0.5 + 0.0002 * i, 3 + i % 7);
      if (pass == 0)
        first.push_back(quantile);
      else
        EXPECT_EQ(quantile, first[static_cast<std::size_t>(i)]);
    }
}

// m, s = x.mean(), x.std(ddof=1); m - s/sqrt(7)*scipy.stats.t.ppf(.975, 6), m +
// s/sqrt(7)*scipy.stats.t.ppf(.95, 6)
TEST(StudentT, BoundAgreesWithSciPy) {
  const NodeStatistics z = statistics(sample);
  EXPECT_NEAR(bound(BoundKind::student_t, z, {.side = Side::lower, .delta = 0.025, .m = 7}).value,
              0.19043744067548568, 1e-14);
  EXPECT_NEAR(bound(BoundKind::student_t, z, {.side = Side::upper, .delta = 0.05, .m = 7}).value,
              0.6048668959613066, 1e-14);
  // m + 2*s/sqrt(12)*scipy.stats.t.ppf(.95, 11)
  EXPECT_NEAR(
      bound(BoundKind::student_t, z, {.side = Side::upper, .delta = 0.05, .m = 12, .inflation = 2}).value,
      0.6803952294984236, 1e-14);
}

TEST(StudentT, DerivativesAgreeWithDifferences) {
  for (Side side : {Side::lower, Side::upper}) {
    const BoundRequest request{.side = side, .delta = 0.05, .m = 12, .inflation = 2, .rate = true};
    NodeStatistics z = statistics(sample);
    const BoundValue at = bound(BoundKind::student_t, z, request);
    z.mean += 1e-6;
    EXPECT_NEAR((bound(BoundKind::student_t, z, request).value - at.value) / 1e-6, at.d_mean, 1e-6);
    z.mean -= 1e-6;
    z.sd += 1e-6;
    EXPECT_NEAR((bound(BoundKind::student_t, z, request).value - at.value) / 1e-6, at.d_sd, 1e-6);
  }
}

TEST(StudentT, SmallOrConstantSamplesCertifyNothing) {
  const auto upper = [](const NodeStatistics& z, double m, bool safety_test) {
    return bound(BoundKind::student_t, z, {.m = m, .rate = true, .safety_test = safety_test}).value;
  };
  NodeStatistics four = statistics(std::span(sample).first(4)), five = statistics(std::span(sample).first(5));
  EXPECT_EQ(upper(four, 4, true), infinity);
  EXPECT_EQ(upper(four, 400, false), infinity);
  EXPECT_LT(upper(five, 5, true), infinity);
  EXPECT_EQ(upper(five, 1, false), infinity);
  EXPECT_EQ(upper(constant_sample(1000, 0.1), 1000, true), infinity);
  EXPECT_EQ(upper(constant_sample(1000, 0.1), 1000, false), 0.1);
  EXPECT_EQ(bound(BoundKind::student_t, four, {.side = Side::lower, .m = 4}).value, -infinity);
}

// lower: scipy.stats.beta.ppf(delta, k, m-k+1); upper: scipy.stats.beta.ppf(1-delta, k+1, m-k)
TEST(ClopperPearson, AgreesWithSciPy) {
  const auto both = [](double k, double m, double delta) {
    const NodeStatistics z = counts(k, m);
    return std::pair(
        bound(BoundKind::clopper_pearson, z, {.side = Side::lower, .delta = delta, .m = m}).value,
        bound(BoundKind::clopper_pearson, z, {.side = Side::upper, .delta = delta, .m = m}).value);
  };
  EXPECT_NEAR(both(3, 20, 0.05).first, 0.04216940788577861, 1e-14);
  EXPECT_NEAR(both(3, 20, 0.05).second, 0.3436638043142818, 1e-14);
  EXPECT_EQ(both(0, 20, 0.05).first, 0);
  EXPECT_NEAR(both(0, 20, 0.05).second, 0.13910834066826516, 1e-14);
  EXPECT_NEAR(both(20, 20, 0.025).first, 0.8315665290169146, 1e-14);
  EXPECT_EQ(both(20, 20, 0.025).second, 1);
  EXPECT_NEAR(both(7.5, 31.25, 0.0125).first, 0.09319313491791867, 1e-14);
  EXPECT_NEAR(both(7.5, 31.25, 0.0125).second, 0.4511737812187316, 1e-14);
}

TEST(ClopperPearson, CountsAreScaledToTheSafetyRows) {
  const BoundValue got = bound(BoundKind::clopper_pearson, counts(6, 40), {.delta = 0.05, .m = 20});
  EXPECT_NEAR(got.value, 0.3436638043142818, 1e-14);  // 3 of 20
  EXPECT_EQ(got.d_mean, 0);
  EXPECT_EQ(bound(BoundKind::clopper_pearson, statistics({}), {.delta = 0.05, .m = 20}).value, infinity);
}

TEST(ClopperPearson, InflationMultipliesTheDistanceFromTheMean) {
  const auto at = [](Side side, double k, double inflation) {
    const BoundRequest request{.side = side, .delta = 0.05, .m = 20, .inflation = inflation};
    return bound(BoundKind::clopper_pearson, counts(k, 20), request).value;
  };
  EXPECT_NEAR(at(Side::upper, 3, 2), 0.15 + 2 * (0.3436638043142818 - 0.15), 1e-14);
  EXPECT_NEAR(at(Side::lower, 3, 1.2), 0.15 + 1.2 * (0.04216940788577861 - 0.15), 1e-14);
  EXPECT_EQ(at(Side::lower, 3, 2), 0);
  EXPECT_EQ(at(Side::upper, 18, 5), 1);
}

TEST(Hoeffding, AgreesWithTheFormula) {
  // sqrt(ln(1/.05) / (2*50)) by numpy
  const BoundValue got = bound(BoundKind::hoeffding, counts(10, 50), {.delta = 0.05, .m = 50});
  EXPECT_NEAR(got.value, 0.2 + 0.17308183826022852, 1e-14);
  EXPECT_EQ(got.d_mean, 1);
  const BoundRequest wide{.side = Side::lower, .delta = 0.05, .m = 50, .inflation = 2, .range = {-1, 4}};
  EXPECT_NEAR(bound(BoundKind::hoeffding, counts(10, 50), wide).value, 0.2 - 10 * 0.17308183826022852, 1e-14);
}

TEST(Bound, RatesStayInTheUnitInterval) {
  const BoundRequest request{.delta = 0.05, .m = 5, .rate = true};
  const BoundValue got = bound(BoundKind::hoeffding, counts(4, 5), request);
  EXPECT_EQ(got.value, 1);
  EXPECT_EQ(got.d_mean, 0);
  EXPECT_EQ(bound(BoundKind::hoeffding, counts(1, 5), {.side = Side::lower, .m = 5, .rate = true}).value, 0);
}

TEST(Bound, NanMeanGivesNan) {
  for (BoundKind kind : {BoundKind::student_t, BoundKind::clopper_pearson, BoundKind::hoeffding})
    EXPECT_TRUE(
        std::isnan(bound(kind, {10, not_a_number, not_a_number, 0, 1}, {.m = 10, .rate = true}).value));
}

TEST(Bound, UnknownNameListsTheKnown) {
  EXPECT_EQ(bound_kind("hoeffding"), BoundKind::hoeffding);
  try {
    bound_kind("bernstein");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("student_t, clopper_pearson and hoeffding"));
  }
}

}  // namespace
}  // namespace seldon::engine

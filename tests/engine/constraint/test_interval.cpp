#include <cmath>

#include <gtest/gtest.h>

#include "engine/constraint/interval.h"

namespace seldon::engine {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr Interval everything = {-infinity, infinity};

void expect_near(Interval got, Interval wanted) {
  if (std::isinf(wanted.lower))
    EXPECT_EQ(got.lower, wanted.lower);
  else
    EXPECT_NEAR(got.lower, wanted.lower, 1e-12);
  if (std::isinf(wanted.upper))
    EXPECT_EQ(got.upper, wanted.upper);
  else
    EXPECT_NEAR(got.upper, wanted.upper, 1e-12);
}

TEST(Interval, SumsAndDifferences) {
  expect_near(add({-2, 1}, {2, 3}), {0, 4});
  expect_near(subtract({0.5, 0.75}, {2, 4}), {-3.5, -1.25});
  expect_near(subtract({infinity, infinity}, {infinity, infinity}), everything);
}

TEST(Interval, ProductTakesTheExtremeCorners) {
  expect_near(multiply({-3.2, -2}, {-4.5, 5}), {-16, 14.4});
  expect_near(multiply({-infinity, infinity}, {5, 10}), everything);
}

TEST(Interval, ZeroTimesUnboundedIsZero) {
  expect_near(multiply({0, 0.5}, {1, infinity}), {0, infinity});
  expect_near(multiply({0, 0}, everything), {0, 0});
}

TEST(Interval, QuotientByAnIntervalThatTouchesZero) {
  expect_near(divide({-6.1, -6}, {0, 0.5}), {-infinity, -12});
  expect_near(divide({1, 2}, {-0.5, 0}), {-infinity, -2});
  expect_near(divide({-3.2, -2}, {-4.5, 5}), everything);
  expect_near(divide({-3.2, -2}, {-4.5, -4}), {2 / 4.5, 0.8});
  expect_near(divide({infinity, infinity}, {infinity, infinity}), everything);
  EXPECT_THROW(divide({1, 2}, {0, 0}), IntervalError);
}

TEST(Interval, PowerOfNonNegativeBase) {
  expect_near(power({0.5, 1.1}, {0, 0.4}), {std::pow(0.5, 0.4), std::pow(1.1, 0.4)});
  expect_near(power({0, 0.5}, {1, 9}), {0, 0.5});
  EXPECT_THROW(power({-2, 1}, {2, 3}), IntervalError);
  EXPECT_THROW(power({0, 0.5}, {-6.8, -5}), IntervalError);
  EXPECT_THROW(power({0, 0.5}, {0.5, 0.5}), IntervalError);
}

TEST(Interval, EvenPowerTakesNegativeBases) {
  expect_near(power({-2, 1}, {2, 2}), {0, 4});
  expect_near(power({-3, -2}, {-2, -2}), {1.0 / 9, 0.25});
  EXPECT_THROW(power({-2, 1}, {2, 2}, false), IntervalError);
  EXPECT_THROW(power({-2, 1}, {3, 3}), IntervalError);
  EXPECT_THROW(power({-2, 1}, {-2, -2}), IntervalError);
}

TEST(Interval, FunctionsOfOneArgument) {
  expect_near(absolute({-3.2, 2}), {0, 3.2});
  expect_near(absolute({-3.2, -2}), {2, 3.2});
  expect_near(absolute({-infinity, 0}), {0, infinity});
  expect_near(exponential({0, 1}), {1, std::exp(1.0)});
  expect_near(logarithm({-3.2, -2}), everything);
  expect_near(logarithm({-infinity, 0}), {-infinity, -infinity});
}

/// Moore's inclusion property: the value at any points of the arguments lies in the result.
TEST(Interval, ResultsHoldEveryValueInside) {
  const double ends[] = {-2, -1, -0.5, 0, 0.3, 1, 2.5};
  const auto inside = [](Interval wanted, double x) {
    return wanted.lower <= x + 1e-12 && x <= wanted.upper + 1e-12;
  };
  for (double a0 : ends)
    for (double a1 : ends)
      for (double b0 : ends)
        for (double b1 : ends) {
          if (a0 > a1 || b0 > b1) continue;
          const Interval a = {a0, a1}, b = {b0, b1};
          for (int i = 0; i <= 4; ++i)
            for (int j = 0; j <= 4; ++j) {
              const double x = a0 + (a1 - a0) * i / 4, y = b0 + (b1 - b0) * j / 4;
              EXPECT_TRUE(inside(add(a, b), x + y));
              EXPECT_TRUE(inside(subtract(a, b), x - y));
              EXPECT_TRUE(inside(multiply(a, b), x * y));
              EXPECT_TRUE(inside(minimum(a, b), std::min(x, y)));
              EXPECT_TRUE(inside(maximum(a, b), std::max(x, y)));
              EXPECT_TRUE(inside(absolute(a), std::abs(x)));
              EXPECT_TRUE(inside(exponential(a), std::exp(x)));
              if (has_quotient(b) && y != 0) {
                EXPECT_TRUE(inside(divide(a, b), x / y)) << x << "/" << y;
              }
              if (has_power(a, b)) {
                EXPECT_TRUE(inside(power(a, b), std::pow(x, y))) << x << "**" << y;
              }
              if (has_power(a, {2, 2})) {
                EXPECT_TRUE(inside(power(a, {2, 2}), x * x));
              }
            }
        }
}

}  // namespace
}  // namespace seldon::engine

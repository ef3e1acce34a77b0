#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "core/random.h"
#include "engine/constraint/constraint.h"

// The sanitizers bring allocation functions of their own; there the test that counts is left out.
#if !defined(__SANITIZE_ADDRESS__)
#define COUNTS_ALLOCATIONS
namespace {
/// Counts allocations of this thread, so that a test can see that the hot path makes none.
thread_local std::size_t allocations = 0;
}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
#endif

namespace seldon::engine {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

const char* const disparate_impact = "min((PR | [M])/(PR | [F]),(PR | [F])/(PR | [M])) >= 0.8";

Constraint parse(const std::string& expression, Variant variant = Variant::default_) {
  ConstraintOptions options;
  options.groups = {"M", "F"};
  options.variant = variant;
  return Constraint::parse(expression, options);
}

TEST(Propagate, DisparateImpactByHand) {
  const Constraint constraint = parse(disparate_impact);
  const Interval bounds[] = {{0.4, 0.5}, {0.45, 0.6}};
  // Lower ends of the ratios: 0.4 / 0.6 and 0.45 / 0.5; upper ends: 0.5 / 0.45 and 0.6 / 0.4.
  const Interval got = constraint.propagate(bounds);
  EXPECT_DOUBLE_EQ(got.upper, 0.8 - 0.4 / 0.6);
  EXPECT_DOUBLE_EQ(got.lower, 0.8 - 0.5 / 0.45);
  const double means[] = {0.45, 0.5};
  EXPECT_DOUBLE_EQ(constraint.value(means), 0.8 - 0.9);
}

TEST(Propagate, OperationsWithoutAValueGiveNoBoundAndNoException) {
  const Interval zero[] = {{0, 0}}, negative[] = {{-2, -1}}, touching[] = {{0, 0.5}};
  EXPECT_EQ(parse("1/PR").propagate(zero), Interval{});
  EXPECT_EQ(parse("PR**0.5").propagate(touching), Interval{});
  EXPECT_EQ(parse("PR**3").propagate(negative), Interval{});
  EXPECT_EQ(parse("PR**2").propagate(negative), (Interval{1, 4}));
  EXPECT_EQ(parse("PR**2", Variant::toolkit).propagate(negative), Interval{});
  EXPECT_EQ(parse("log(PR)").propagate(negative), Interval{});
  Interval d[1];
  EXPECT_EQ(parse("1/PR").upper(zero, d), infinity);
  EXPECT_EQ(d[0], (Interval{0, 0}));
}

TEST(Propagate, NanNeverTurnsIntoANumber) {
  const Interval bounds[] = {{0.1, not_a_number}};
  for (const char* expression : {"PR", "min(PR, -1)", "max(PR, 0.1) - 1", "0*PR - 1", "PR**0 - 2"}) {
    SCOPED_TRACE(expression);
    const Constraint constraint = parse(expression);
    Interval d[1];
    EXPECT_TRUE(std::isnan(constraint.upper(bounds, d)));
    EXPECT_TRUE(std::isnan(constraint.propagate(bounds).upper));
    const double means[] = {not_a_number};
    EXPECT_TRUE(std::isnan(constraint.value(means)));
  }
  const double zeros[] = {0, 0};
  EXPECT_TRUE(std::isnan(parse(disparate_impact).value(zeros)));
}

TEST(Propagate, TiesTakeTheFirstArgument) {
  const Interval bounds[] = {{0.1, 0.5}, {0.1, 0.5}};
  const double means[] = {0.5, 0.5};
  for (const char* expression : {"min(PR, FPR)", "max(PR, FPR)"}) {
    Interval d[2];
    double d_means[2];
    parse(expression).upper(bounds, d);
    parse(expression).value(means, d_means);
    EXPECT_EQ(d[0].upper, 1);
    EXPECT_EQ(d[1].upper, 0);
    EXPECT_EQ(d_means[0], 1);
    EXPECT_EQ(d_means[1], 0);
  }
  const Interval symmetric[] = {{-0.5, 0.5}};
  const double zero[] = {0};
  Interval d[1];
  double d_mean[1];
  parse("abs(PR)").upper(symmetric, d);
  parse("abs(PR)").value(zero, d_mean);
  EXPECT_EQ(d[0], (Interval{-1, 0}));
  EXPECT_EQ(d_mean[0], 1);
}

/// Central differences at points drawn at random, for every operation.
TEST(Propagate, DerivativesAgreeWithDifferences) {
  const char* expressions[] = {
      disparate_impact,
      "abs((PR | [M]) - (PR | [F])) - 0.15",
      "PR*FPR - TPR/FNR",
      "(PR - 0.5)*(FPR - 0.5) + 2*PR",
      "(PR - 0.3)/(FPR + 0.2) - 1/(0 - 1 - TPR)",
      "(PR + 0.1)**(FPR - 0.5) - TPR**3",
      "(PR - 0.5)**2 + (FPR - 2)**-2",
      "exp(PR - 0.5) + log(FPR + 0.1) - abs(TPR - 0.5)",
      "max(min(PR, FPR), TPR - FNR) + PR",
      "-PR + 3 - max(abs(FPR - TPR), abs(TPR - FNR))",
  };
  const Stream stream(Purpose::synthetic_data, 20);
  std::uint64_t draw = 0;
  int compared = 0;
  for (const char* expression : expressions) {
    SCOPED_TRACE(expression);
    const Constraint constraint = parse(expression);
    const std::size_t n = constraint.base_nodes().size();
    for (int repetition = 0; repetition < 50; ++repetition) {
      std::vector<Interval> bounds(n), d(n);
      std::vector<double> means(n), d_means(n);
      for (std::size_t i = 0; i < n; ++i) {
        const double a = stream.uniform(draw++), b = stream.uniform(draw++);
        bounds[i] = {std::min(a, b), std::max(a, b)};
        means[i] = stream.uniform(draw++);
      }
      constexpr double h = 1e-6;
      const double upper = constraint.upper(bounds, d);
      ASSERT_EQ(upper, constraint.propagate(bounds).upper);
      ASSERT_EQ(constraint.value(means, d_means), constraint.value(means));
      for (std::size_t i = 0; i < n; ++i) {
        for (const bool lower : {true, false}) {
          double& end = lower ? bounds[i].lower : bounds[i].upper;
          const double middle = end;
          end = middle + h;
          const double above = constraint.propagate(bounds).upper;
          end = middle - h;
          const double below = constraint.propagate(bounds).upper;
          end = middle;
          if (std::isfinite(above) && std::isfinite(below)) {
            const double slope = (above - below) / (2 * h);
            EXPECT_NEAR(lower ? d[i].lower : d[i].upper, slope, 1e-4 * std::max(1.0, std::abs(slope)));
            ++compared;
          }
        }
        const double middle = means[i];
        means[i] = middle + h;
        const double above = constraint.value(means);
        means[i] = middle - h;
        const double below = constraint.value(means);
        means[i] = middle;
        const double slope = (above - below) / (2 * h);
        EXPECT_NEAR(d_means[i], slope, 1e-4 * std::max(1.0, std::abs(slope)));
      }
    }
  }
  EXPECT_GT(compared, 1500);
}

#ifdef COUNTS_ALLOCATIONS
TEST(Propagate, HotPathAllocatesNothing) {
  const Constraint constraint = parse(disparate_impact);
  const Interval bounds[] = {{0.4, 0.5}, {0.45, 0.6}};
  const double means[] = {0.45, 0.5};
  Interval d[2];
  double d_means[2];
  const std::size_t before = allocations;
  constraint.propagate(bounds);
  constraint.upper(bounds, d);
  constraint.value(means, d_means);
  EXPECT_EQ(allocations, before);
}
#endif

}  // namespace
}  // namespace seldon::engine

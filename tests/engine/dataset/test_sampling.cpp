#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "../toy.h"
#include "engine/dataset/sampling.h"

namespace seldon::engine {
namespace {

Rows range(std::uint32_t n) {
  Rows rows(n);
  std::iota(rows.begin(), rows.end(), 0U);
  return rows;
}

TEST(RoundHalfEven, IsPythons) {
  // python3: [round(x) for x in (0.5, 1.5, 2.5, 2.4999, 138.94954)]
  EXPECT_EQ(round_half_even(0.5), 0U);
  EXPECT_EQ(round_half_even(1.5), 2U);
  EXPECT_EQ(round_half_even(2.5), 2U);
  EXPECT_EQ(round_half_even(2.4999), 2U);
  EXPECT_EQ(round_half_even(138.94954), 139U);
}

TEST(Split, PutsTheFirstRowsIntoCandidateData) {
  // The Seldonian Toolkit: 43303 rows, fraction .6 in safety -> 17321 and 25982.
  const Split big = split(range(43303), 0.6);
  EXPECT_EQ(big.candidate.size(), 17321U);
  EXPECT_EQ(big.safety.size(), 25982U);
  EXPECT_EQ(big.candidate.back(), 17320U);
  EXPECT_EQ(big.safety.front(), 17321U);
}

TEST(Resample, FractionsNestAndTrialsDiffer) {
  const Rows pool = range(500);
  const Rows large = resample(pool, 7, 3, 400), small = resample(pool, 7, 3, 40);
  EXPECT_TRUE(std::equal(small.begin(), small.end(), large.begin()));
  EXPECT_NE(large, resample(pool, 7, 4, 400));
  EXPECT_NE(large, resample(pool, 8, 3, 400));
}

TEST(Resample, DrawsUniformlyWithReplacement) {
  const Rows pool = range(50);
  std::vector<int> counts(50, 0);
  for (std::uint32_t trial = 0; trial < 200; ++trial)
    for (std::uint32_t row : resample(pool, 1, trial, 50)) ++counts[row];
  // Each count is about Poisson(200): chi-square with 49 degrees of freedom, 99.9 % quantile 85.4
  // (scipy.stats.chi2).
  double chi = 0;
  for (int count : counts) chi += (count - 200.0) * (count - 200.0) / 200.0;
  EXPECT_LT(chi, 85.4);
  EXPECT_GT(chi, 23.0) << "too even for chance";
}

TEST(HoldOut, KeepsEqualRowsOnOneSide) {
  toy::Table table(300, 2, 0.0);
  for (std::size_t i = 100; i < 200; ++i)  // rows 100..199 copy rows 0..99
    for (std::size_t j = 0; j < 2; ++j) table.features[i * 2 + j] = table.features[(i - 100) * 2 + j];
  const HeldOut sides = hold_out(table.data, 5);
  EXPECT_EQ(sides.training.size() + sides.held_out.size(), 300U);
  EXPECT_NEAR(static_cast<double>(sides.held_out.size()), 100.0, 30.0);
  const std::set<std::uint32_t> held(sides.held_out.begin(), sides.held_out.end());
  for (std::uint32_t i = 0; i < 100; ++i) EXPECT_EQ(held.contains(i), held.contains(i + 100)) << "row " << i;
}

}  // namespace
}  // namespace seldon::engine

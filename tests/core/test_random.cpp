#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "core/random.h"

namespace seldon {
namespace {

std::vector<std::uint64_t> bits_at(const Stream& stream, std::initializer_list<std::uint64_t> indices) {
  std::vector<std::uint64_t> bits;
  for (std::uint64_t index : indices) bits.push_back(stream.bits(index));
  return bits;
}

// The expected numbers come from NumPy's own Philox4x64-10 (numpy.random.Philox with key and
// counter, 1.24.2), which gave Random123's known answer for zero key and counter first; keys are chained as
// Stream's source says.
TEST(Stream, AgreesWithNumPysPhilox) {
  using List = std::vector<std::uint64_t>;
  EXPECT_EQ(bits_at(Stream(Purpose::resample, 0), {0, 1, 2, 3, 4, 1000003, (std::uint64_t{1} << 40) + 5}),
            (List{0xdd66ad5a7ff36bbc, 0xd7f5d1b724aeb57, 0xe664f1489e4885fa, 0x8590b81afabe859a,
                  0xc25f95293e681d7e, 0xd7a2be3877a00fac, 0x17ae9db7096aa8dc}));
  EXPECT_EQ(bits_at(Stream(Purpose::resample, 42, {7}), {0, 1, 2, 3, 4}),
            (List{0x2d6c7922b1fafa07, 0xbd5dc7c6136c4623, 0x29d9911dd6202c90, 0x81f7bca5548e79c8,
                  0x3ff21693f6e73ba0}));
  EXPECT_EQ(bits_at(Stream(Purpose::batch_order, 42, {3, std::bit_cast<std::uint64_t>(0.25), 11}, "qsa"),
                    {0, 1, 2, 3, 4}),
            (List{0xbd288249686ddbd4, 0x869d6438adcf3d99, 0x42f0575e7604bfb, 0x496f742832aa4253,
                  0xe37c1e5f17e7f1ee}));
  EXPECT_EQ(bits_at(Stream(Purpose::initial_weights, ~std::uint64_t{0}, {std::uint64_t{1} << 63}, "Größe"),
                    {0, 1, 2, 3, 4}),
            (List{0x9990617ceadb379e, 0x5f2447756a34304f, 0x9f95846d2a4727f2, 0xb6bf56bd35a2d5ec,
                  0x440f7519dc94018c}));
}

// From the same NumPy draws, in Python's integers of any size.
TEST(Stream, TurnsBitsIntoNumbers) {
  const Stream stream(Purpose::resample, 42, {7});
  EXPECT_EQ(stream.uniform(0), 0.1774364194588819);
  EXPECT_EQ(stream.uniform(1), 0.7397122248252552);
  EXPECT_EQ(stream.uniform(2), 0.1634760568468897);
  std::vector<std::uint64_t> thousands, wide;
  for (std::uint64_t i = 0; i < 10; ++i) thousands.push_back(stream.below(i, 1000));
  for (std::uint64_t i = 0; i < 3; ++i) wide.push_back(stream.below(i, (std::uint64_t{1} << 63) + 12345));
  EXPECT_EQ(thousands, (std::vector<std::uint64_t>{177, 739, 163, 507, 249, 90, 731, 518, 116, 296}));
  EXPECT_EQ(wide,
            (std::vector<std::uint64_t>{1636562109556688273, 6822641049772902077, 1507800491416886826}));
  EXPECT_EQ(stream.permutation(10), (std::vector<std::uint32_t>{8, 4, 5, 2, 0, 7, 3, 9, 6, 1}));
  EXPECT_DOUBLE_EQ(stream.normal(0), -0.0403736271465331);
  EXPECT_DOUBLE_EQ(stream.normal(1), -0.5967983271331321);
  EXPECT_DOUBLE_EQ(stream.normal(2), 0.6379150400375637);
  EXPECT_DOUBLE_EQ(stream.normal(3), -1.611423489138767);
}

TEST(Stream, EveryPartOfTheKeyCounts) {
  const std::vector<Stream> streams = {
      Stream(Purpose::resample, 1, {2, 3}, "a"),    Stream(Purpose::held_out, 1, {2, 3}, "a"),
      Stream(Purpose::resample, 2, {2, 3}, "a"),    Stream(Purpose::resample, 1, {3, 2}, "a"),
      Stream(Purpose::resample, 1, {2, 3, 0}, "a"), Stream(Purpose::resample, 1, {2}, "a"),
      Stream(Purpose::resample, 1, {2, 3}, "b"),    Stream(Purpose::resample, 1, {2, 3}, "aa"),
      Stream(Purpose::resample, 1, {2, 3})};
  std::set<std::uint64_t> first;
  for (const Stream& stream : streams) first.insert(stream.bits(0));
  EXPECT_EQ(first.size(), streams.size());
}

/// Pearson's statistic against equal counts.
double chi_squared(const std::vector<double>& counts) {
  double total = 0, sum = 0;
  for (double count : counts) total += count;
  const double expected = total / static_cast<double>(counts.size());
  for (double count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

TEST(Stream, BelowIsUniform) {
  const Stream stream(Purpose::resample, 5, {1});
  std::vector<double> counts(7);
  for (std::uint64_t i = 0; i < 70'000; ++i) {
    const std::uint64_t draw = stream.below(i, 7);
    ASSERT_LT(draw, 7U);
    ++counts[draw];
  }
  EXPECT_LT(chi_squared(counts), 22.458);  // quantile .999 with 6 degrees of freedom (SciPy)
  EXPECT_EQ(stream.below(0, 1), 0U);
}

TEST(Stream, EveryPermutationIsEquallyLikely) {
  std::map<std::vector<std::uint32_t>, double> found;
  for (std::uint64_t trial = 0; trial < 24'000; ++trial)
    ++found[Stream(Purpose::batch_order, 11, {trial}).permutation(5)];
  ASSERT_EQ(found.size(), 120U);
  std::vector<double> counts;
  for (const auto& [order, count] : found) counts.push_back(count);
  EXPECT_LT(chi_squared(counts), 172.418);  // quantile .999 with 119 degrees of freedom (SciPy)
}

TEST(Stream, PermutationsHoldEveryPosition) {
  for (std::size_t n : {0, 1, 2, 1000}) {
    auto order = Stream(Purpose::held_out, 3).permutation(n);
    std::ranges::sort(order);
    std::vector<std::uint32_t> expected(n);
    std::iota(expected.begin(), expected.end(), 0U);
    EXPECT_EQ(order, expected);
  }
}

TEST(Stream, NormalsHaveMeanZeroAndVarianceOne) {
  const Stream stream(Purpose::initial_weights, 1);
  constexpr std::uint64_t n = 100'000;
  double sum = 0, squares = 0, beyond = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    const double z = stream.normal(i);
    sum += z;
    squares += z * z;
    beyond += std::abs(z) > 1.959964;
  }
  EXPECT_NEAR(sum / n, 0, 4 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 4 * std::sqrt(2.0 / n));
  EXPECT_NEAR(beyond / n, 0.05, 4 * std::sqrt(0.05 * 0.95 / n));
}

}  // namespace
}  // namespace seldon

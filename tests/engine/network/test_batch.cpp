#include <algorithm>

#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include "engine/network/batch.h"
#include "toy.h"

namespace seldon::engine::network {
namespace {

using testing::Toy;

TEST(Gather, PutsEachTrialsPicturesIntoItsChannels) {
  const Toy toy = Toy::pictures(5, {2, 3, 4});
  const Rows first{4, 0, 2}, second{1, 1, 3};
  const std::vector<std::span<const std::uint32_t>> rows{first, second};
  const at::Tensor batch = gather(toy.data, rows);
  ASSERT_EQ(batch.sizes(), (std::vector<std::int64_t>{3, 4, 3, 4}));
  EXPECT_TRUE(batch.is_contiguous(at::MemoryFormat::ChannelsLast));
  for (std::int64_t b = 0; b < 3; ++b)
    for (std::int64_t c = 0; c < 4; ++c)
      for (std::int64_t y = 0; y < 3; ++y)
        for (std::int64_t x = 0; x < 4; ++x) {
          const std::size_t row = (c < 2 ? first : second)[static_cast<std::size_t>(b)];
          const auto at = static_cast<std::size_t>(((c % 2) * 3 + y) * 4 + x);
          const float wanted = static_cast<float>(toy.pixels[row * 24 + at]) / 255.0F;
          EXPECT_EQ(batch[b][c][y][x].item<float>(), wanted);
        }
}

TEST(Gather, TakesFeaturesAsChannels) {
  const Toy toy = Toy::table(4, 3);
  const Rows first{3, 1}, second{0, 2};
  const std::vector<std::span<const std::uint32_t>> rows{first, second};
  const at::Tensor batch = gather(toy.data, rows);
  ASSERT_EQ(batch.sizes(), (std::vector<std::int64_t>{2, 6, 1, 1}));
  EXPECT_EQ(batch[1][2][0][0].item<float>(), static_cast<float>(toy.features[1 * 3 + 2]));
  EXPECT_EQ(batch[0][3][0][0].item<float>(), static_cast<float>(toy.features[0]));
}

/// The same from a table on a device, in both orders in memory.
void expect_same_from_table(const Toy& toy, const std::vector<Rows>& rows) {
  const std::vector<std::span<const std::uint32_t>> views(rows.begin(), rows.end());
  const at::Tensor wanted = gather(toy.data, views);
  const at::Tensor numbers = at::empty(
      {static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(rows[0].size())}, at::kLong);
  std::int64_t* out = numbers.data_ptr<std::int64_t>();
  for (const Rows& of_trial : rows) out = std::ranges::copy(of_trial, out).out;
  const auto table = tensor::table_on(toy.data, at::kCPU);
  for (const auto order : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const at::Tensor batch = gather(*table, input_shape(toy.data), numbers, order);
    EXPECT_TRUE(batch.is_contiguous(order));
    EXPECT_TRUE(batch.equal(wanted));
  }
}

TEST(Gather, GivesTheSameBitsFromATableOnADevice) {
  // Every byte occurs, so that every quotient by 255 is compared.
  Toy toy = Toy::pictures(8, {2, 5, 7});
  for (std::size_t i = 0; i < 256; ++i) toy.pixels[i] = static_cast<std::uint8_t>(i);
  expect_same_from_table(toy, {{0, 1, 2, 3, 7}, {3, 4, 0, 1, 2}, {6, 6, 6, 5, 4}});
  expect_same_from_table(toy, {{0, 1, 2, 3}});
}

TEST(Gather, GivesTheSameFeaturesFromATableOnADevice) {
  expect_same_from_table(Toy::table(6, 5), {{0, 1, 2, 5}, {3, 3, 4, 0}});
}

}  // namespace
}  // namespace seldon::engine::network

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

}  // namespace
}  // namespace seldon::engine::network

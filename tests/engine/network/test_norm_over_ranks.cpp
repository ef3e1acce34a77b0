#include <mutex>

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "engine/network/norm_over_ranks.h"
#include "thread_ranks.h"

namespace seldon::engine::network {
namespace {

constexpr std::int64_t channels = 5, height = 3, width = 4;

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST(Ranks, CutRowsEvenly) {
  testing::ThreadGroup group(4);
  std::mutex mutex;
  std::vector<Ranks::Slice> slices(4), few(4);
  group.run([&](Collective& collective) {
    const Ranks ranks(&collective);
    const std::scoped_lock lock(mutex);
    slices[static_cast<std::size_t>(collective.rank())] = ranks.slice(10);
    few[static_cast<std::size_t>(collective.rank())] = ranks.slice(3);
  });
  const std::int64_t firsts[] = {0, 3, 6, 8}, counts[] = {3, 3, 2, 2};
  for (std::size_t r = 0; r < 4; ++r) {
    EXPECT_EQ(slices[r].first, firsts[r]);
    EXPECT_EQ(slices[r].count, counts[r]);
    EXPECT_EQ(few[r].count, r < 3 ? 1 : 0);
  }
  const Ranks alone(nullptr);
  EXPECT_TRUE(alone.alone());
  EXPECT_EQ(alone.slice(10).count, 10);
}

TEST(Ranks, GatherUnevenSlicesInOrder) {
  at::manual_seed(1);
  for (const std::int64_t total : {1, 4, 7, 8}) {
    const at::Tensor whole = at::rand({total, 2, 3}, at::kDouble);
    testing::ThreadGroup group(4);
    std::mutex mutex;
    std::vector<at::Tensor> results;
    group.run([&](Collective& collective) {
      const Ranks ranks(&collective);
      const Ranks::Slice slice = ranks.slice(total);
      const at::Tensor all = ranks.gather(whole.narrow(0, slice.first, slice.count), total);
      const std::scoped_lock lock(mutex);
      results.push_back(all);
    });
    for (const at::Tensor& all : results) EXPECT_TRUE(at::equal(all, whole)) << total;
  }
}

/// Values, gradients by input, and summed gradients by scale and shift, of all ranks together.
struct Result {
  at::Tensor values, d_x, d_scale, d_shift;
};

Result over_ranks(int size, const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                  const at::Tensor& direction) {
  testing::ThreadGroup group(size);
  const auto ranks_in_all = static_cast<std::size_t>(size);
  std::vector<at::Tensor> values(ranks_in_all), d_x(ranks_in_all);
  Result result{{}, {}, at::zeros_like(scale), at::zeros_like(shift)};
  std::mutex mutex;
  group.run([&](Collective& collective) {
    const Ranks ranks(&collective);
    const Ranks::Slice slice = ranks.slice(x.size(0));
    const bool counts = slice.count > 0;
    const auto own = [&](const at::Tensor& whole) {
      return counts ? whole.narrow(0, slice.first, slice.count) : whole.narrow(0, 0, 1);
    };
    const NormOverRanks norm(own(x), scale, shift, 1e-5, ranks, x.size(0), counts);
    const NormOverRanks::Gradient gradient = norm.backward(own(direction));
    const std::scoped_lock lock(mutex);
    const auto r = static_cast<std::size_t>(collective.rank());
    values[r] = norm.value().narrow(0, 0, slice.count);
    d_x[r] = gradient.x.narrow(0, 0, slice.count);
    if (counts) {
      result.d_scale += gradient.scale;
      result.d_shift += gradient.shift;
    } else {
      EXPECT_EQ(gradient.x.abs().max().item<double>(), 0);
    }
  });
  result.values = at::cat(values);
  result.d_x = at::cat(d_x);
  return result;
}

// LibTorch's BatchNorm of the whole batch in float64 is the reference. A mean of five standard deviations
// shows a variance that is taken with cancellation.
TEST(NormOverRanks, EqualsLibTorchOnTheWholeBatch) {
  for (const std::int64_t rows : {3, 10, 17}) {
    at::manual_seed(1);
    const at::Tensor
        x = at::randn({rows, channels, height, width}).add(5).contiguous(at::MemoryFormat::ChannelsLast),
        scale = at::rand({channels}) + 0.5, shift = at::randn({channels}), direction = at::randn(x.sizes());
    const auto exact = [](const at::Tensor& values) {
      return values.to(at::kDouble).set_requires_grad(true);
    };
    const at::Tensor ex = exact(x), ew = exact(scale), eb = exact(shift);
    const at::Tensor wanted = at::batch_norm(ex, ew, eb, {}, {}, true, 0, 1e-5, false);
    const auto gradients = torch::autograd::grad({wanted}, {ex, ew, eb}, {direction.to(at::kDouble)});
    for (const int size : {2, 4}) {
      const Result got = over_ranks(size, x, scale, shift, direction);
      EXPECT_LT(largest_difference(got.values, wanted), 1e-5) << size;
      EXPECT_LT(largest_difference(got.d_x, gradients[0]), 1e-5) << size;
      EXPECT_LT(largest_difference(got.d_scale, gradients[1]), 1e-4) << size;
      EXPECT_LT(largest_difference(got.d_shift, gradients[2]), 1e-4) << size;
    }
  }
}

}  // namespace
}  // namespace seldon::engine::network

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "engine/network/unfolded_convolution.h"

namespace seldon::engine::network {
namespace {

struct Case {
  std::int64_t trials, batch, channels, height, width, outputs, kernel, padding;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.trials << " trials, " << c.channels << " to " << c.outputs << " channels, kernel " << c.kernel;
}

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

class UnfoldedConvolution : public ::testing::TestWithParam<Case> {};

// LibTorch's grouped convolution in float64 is the reference; in float32 sums of up to 300 products differ by
// some units of 6e-8.
TEST_P(UnfoldedConvolution, EqualsLibTorch) {
  at::manual_seed(1);
  const Case& c = GetParam();
  for (const auto order : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const at::Tensor x = at::randn({c.batch, c.trials * c.channels, c.height, c.width})
                             .contiguous(order)
                             .set_requires_grad(true);
    const at::Tensor weight =
        at::randn({c.trials, c.outputs * c.channels * c.kernel * c.kernel}).set_requires_grad(true);
    const at::Tensor ours = unfolded_convolution(x, weight, c.kernel, c.padding);

    const at::Tensor exact_x = x.detach().to(at::kDouble).set_requires_grad(true);
    const at::Tensor exact_weight = weight.detach().to(at::kDouble).set_requires_grad(true);
    const at::Tensor theirs =
        at::conv2d(exact_x, exact_weight.reshape({c.trials * c.outputs, c.channels, c.kernel, c.kernel}), {},
                   1, c.padding, 1, c.trials);
    ASSERT_EQ(ours.sizes(), theirs.sizes());
    EXPECT_TRUE(ours.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_LT(relative_difference(ours.to(at::kDouble), theirs), 2e-6);

    const at::Tensor direction = at::randn(ours.sizes());
    const auto a = torch::autograd::grad({ours}, {x, weight}, {direction});
    const auto b = torch::autograd::grad({theirs}, {exact_x, exact_weight}, {direction.to(at::kDouble)});
    for (std::size_t i = 0; i < 2; ++i)
      EXPECT_LT(relative_difference(a[i].to(at::kDouble), b[i]), 2e-6) << (i == 0 ? "input" : "weight");
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, UnfoldedConvolution,
                         ::testing::Values(Case{1, 3, 1, 8, 8, 4, 3, 1}, Case{3, 4, 1, 9, 7, 5, 3, 1},
                                           Case{3, 5, 2, 6, 8, 4, 3, 0}, Case{16, 2, 4, 5, 5, 6, 3, 0},
                                           Case{2, 3, 3, 4, 4, 2, 1, 0}, Case{2, 3, 32, 6, 6, 64, 3, 0},
                                           Case{3, 2, 2, 7, 7, 3, 5, 2}));

// Patches of 2000 rows take 265 MiB per trial, so that each trial goes by itself.
TEST(UnfoldedConvolution, TakesTrialsInPartsWherePatchesAreMany) {
  at::manual_seed(1);
  const std::int64_t batch = 2000;
  ASSERT_GT(static_cast<double>(batch) * patch_bytes(22 * 22, 8, 3), static_cast<double>(most_patch_bytes));
  const at::Tensor x = at::randn({batch, 16, 24, 24}), weight = at::randn({2, 1 * 8 * 9});
  const at::Tensor ours = unfolded_convolution(x, weight, 3, 0);
  const std::int64_t padding = 0, groups = 2;
  const at::Tensor theirs =
      at::conv2d(x, weight.reshape({2, 8, 3, 3}), {}, /*stride=*/1, padding, /*dilation=*/1, groups);
  EXPECT_LT(relative_difference(ours, theirs), 2e-6);
}

TEST(UnfoldedConvolution, GivesTheSameBitsAgain) {
  at::manual_seed(1);
  const at::Tensor x = at::randn({4, 6, 8, 8}).set_requires_grad(true),
                   weight = at::randn({3, 4 * 2 * 9}).set_requires_grad(true);
  std::vector<at::Tensor> results;
  for (int run = 0; run < 2; ++run) {
    const at::Tensor out = unfolded_convolution(x, weight, 3, 0);
    const auto gradients = torch::autograd::grad({out}, {x, weight}, {out.detach()});
    results.insert(results.end(), {out, gradients[0], gradients[1]});
  }
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(results[i].equal(results[i + 3])) << i;
}

}  // namespace
}  // namespace seldon::engine::network

#include <limits>

#include <ATen/Context.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "engine/network/pool_relu.h"

namespace seldon::engine::network {
namespace {

using Function = at::Tensor (*)(const at::Tensor&, std::size_t);

/// Value and gradient, bit by bit, against LibTorch's own two operations.
void expect_same(Function f, const at::Tensor& values, std::size_t size) {
  at::Tensor ours = values.clone().set_requires_grad(true), theirs = values.clone().set_requires_grad(true);
  const auto window = static_cast<std::int64_t>(size);
  const at::Tensor a = f(ours, size), b = at::max_pool2d(theirs, window).relu();
  ASSERT_EQ(a.sizes(), b.sizes());
  EXPECT_TRUE(at::equal(a.nan_to_num(-7), b.nan_to_num(-7)));
  const at::Tensor direction = at::randn_like(b);
  const auto da = torch::autograd::grad({a}, {ours}, {direction});
  const auto db = torch::autograd::grad({b}, {theirs}, {direction});
  EXPECT_TRUE(at::equal(da[0].nan_to_num(-7), db[0].nan_to_num(-7)));
}

void expect_same(const at::Tensor& values, std::size_t size) {
  expect_same(max_pool_relu, values, size);
  expect_same(max_pool_relu_by_operations, values, size);
}

TEST(MaxPoolRelu, EqualsLibTorch) {
  at::manual_seed(1);
  expect_same(at::randn({3, 16, 8, 8}), 2);
  expect_same(at::randn({2, 5, 9, 6}), 3);
  expect_same(at::randn({1, 1, 2, 2}), 2);
}

TEST(MaxPoolRelu, LeavesOutIncompleteSquares) {
  at::manual_seed(1);
  expect_same(at::randn({2, 7, 11, 5}), 2);
}

TEST(MaxPoolRelu, TakesTheFirstOfEqualValues) {
  at::manual_seed(1);
  expect_same(at::randint(-1, 3, {4, 6, 8, 8}, at::kLong).to(at::kFloat), 2);
}

TEST(MaxPoolRelu, KeepsNaN) {
  at::manual_seed(1);
  at::Tensor values = at::randn({2, 3, 4, 4});
  values[0][1][2][3] = std::numeric_limits<float>::quiet_NaN();
  values[1][2][0][0] = std::numeric_limits<float>::quiet_NaN();
  expect_same(values, 2);
  EXPECT_TRUE(max_pool_relu(values, 2)[0][1][1][1].isnan().item<bool>());
}

TEST(MaxPoolRelu, WorksOnAnyMemoryOrder) {
  at::manual_seed(1);
  const at::Tensor values = at::randn({2, 4, 6, 6});
  EXPECT_TRUE(at::equal(max_pool_relu(values, 2),
                        max_pool_relu(values.contiguous(at::MemoryFormat::ChannelsLast), 2)));
}

}  // namespace
}  // namespace seldon::engine::network

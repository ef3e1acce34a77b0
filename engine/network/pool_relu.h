#pragma once
// Max-pooling and rectifier in one pass. LibTorch's max_pool2d in channels-last order took nearly half of a
// training step of the face CNN (docs/performance.md).

#include <cstddef>

#include <ATen/core/Tensor.h>

namespace seldon::engine::network {

/// max(0, maximum over disjoint size x size squares) of [B, C, H, W] in float32; differentiable. Ties and NaN
/// as in LibTorch: the first of the largest, NaN above all numbers. The result is in channels-last order.
at::Tensor max_pool_relu(const at::Tensor& input, std::size_t size);

/// The same by LibTorch's operations, as it is done on devices other than the CPU; the same bits in every
/// run.
at::Tensor max_pool_relu_by_operations(const at::Tensor& input, std::size_t size);

}  // namespace seldon::engine::network

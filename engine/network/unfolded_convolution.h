#pragma once
// Convolutions of T trials as batched matrix products over patches: for devices on which one grouped
// convolution of so many groups is slow.

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace seldon::engine::network {

/// 2-D convolution with stride 1 of each trial's channels with its own kernels: x [B, T * C, H, W] in any
/// memory order, weight [T, O * C * k * k]; [B, T * O, H', W'] in channels-last order, H' = H + 2 padding -
/// k + 1. Without bias; differentiable. Patches are laid out again for the backward pass, for a few trials at
/// a time, so that they take little memory; sums are taken in a fixed order. Both tensors have one type,
/// float32 or bfloat16.
at::Tensor unfolded_convolution(const at::Tensor& x, const at::Tensor& weight, std::int64_t kernel,
                                std::int64_t padding);

/// Bytes that patches of one row of one trial take, and at most in all.
double patch_bytes(std::size_t places, std::size_t channels, std::size_t kernel);
constexpr std::int64_t most_patch_bytes = std::int64_t{256} << 20;

}  // namespace seldon::engine::network

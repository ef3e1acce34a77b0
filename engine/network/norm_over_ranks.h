#pragma once
// BatchNorm in training mode whose batch lies on several ranks.

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "engine/network/ranks.h"

namespace seldon::engine::network {

/// (x - mean) / sqrt(variance + epsilon) * scale + shift per channel, mean and biased variance over the
/// `rows` rows of all ranks (Ioffe and Szegedy 2015, algorithm 1, with the sums over the mini-batch taken
/// over ranks); differentiable, and the derivative by x carries what x adds to the statistics of other ranks.
/// Derivatives by scale and shift are those of this rank's rows: the caller sums them with all others. x
/// [n, C, H, W], scale and shift [C]. `counts` false: this rank has no rows, x is a stand-in that adds
/// nothing to any sum and gets a derivative of zero. Every rank calls it, forward and backward.
at::Tensor norm_over_ranks(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                           double epsilon, const Ranks& ranks, std::int64_t rows, bool counts);

}  // namespace seldon::engine::network

#pragma once
// BatchNorm in training mode whose batch lies on several ranks.

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "engine/network/ranks.h"

namespace seldon::engine::network {

/// (x - mean) / sqrt(variance + epsilon) * scale + shift per channel, mean and biased variance over the
/// `rows` rows of all ranks (Ioffe and Szegedy 2015, algorithm 1, with the sums over the mini-batch taken
/// over ranks). x [n, C, H, W], scale and shift [C]. `counts` false: this rank has no rows, x is a stand-in
/// that adds nothing to any sum and gets a derivative of zero. Every rank makes one and calls `backward` if
/// any does; both exchange sums on the thread that calls them, and autograd has no part in it: on a GPU its
/// backward pass runs on a thread of its own, which must not ask the ranks anything.
class NormOverRanks {
 public:
  NormOverRanks(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift, double epsilon,
                const Ranks& ranks, std::int64_t rows, bool counts);
  const at::Tensor& value() const { return value_; }

  /// That by x carries what x adds to the statistics of other ranks. Those by scale and shift are of this
  /// rank's rows: the caller sums them with all others.
  struct Gradient {
    at::Tensor x, scale, shift;
  };
  Gradient backward(const at::Tensor& d_value) const;

 private:
  void take_statistics(double epsilon);

  const Ranks* ranks_;
  double places_;  ///< per channel, on all ranks
  bool counts_;
  at::Tensor x_, scale_, value_;
  at::Tensor mean_, inverse_deviation_;  ///< [C] in double
};

}  // namespace seldon::engine::network

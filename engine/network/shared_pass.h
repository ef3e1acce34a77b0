#pragma once
// A training-mode pass through a network whose batch lies on several ranks.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/network/forward.h"
#include "engine/network/norm_over_ranks.h"

namespace seldon::engine::network {

/// Autograd runs between BatchNorm stages; at these the ranks meet.
class SharedPass {
 public:
  /// Forward. `input` holds this rank's share of the batch's `rows`, or, where that is none (`counts` false),
  /// a stand-in; `parameters` are leaves of autograd, or, with autograd off, any.
  SharedPass(const Network& network, const at::Tensor& input, std::span<const at::Tensor> parameters,
             const Method& method, const Ranks& ranks, std::int64_t rows, bool counts);
  /// The last activation; with autograd on it has a graph back to the last BatchNorm stage.
  const at::Tensor& output() const { return parts_.back().output; }
  /// Derivatives by each parameter, this rank's part, from those by `result`, a function of `output`.
  std::vector<at::Tensor> backward(const at::Tensor& result, const at::Tensor& d_result) const;

 private:
  /// Layers `first` to `last` (exclusive), and the BatchNorm stage after them.
  struct Part {
    std::size_t first = 0, last = 0;
    at::Tensor input, output;
    std::optional<NormOverRanks> norm;
  };

  const Network& network_;
  std::vector<at::Tensor> parameters_;
  std::vector<Part> parts_;
};

}  // namespace seldon::engine::network

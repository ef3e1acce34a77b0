#pragma once
// Confidence bounds (engine/constraint/bound.h) of base nodes for all trials, for as many rows as the safety
// test is predicted to have.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/problem.h"
#include "engine/tensor/moments.h"

namespace seldon::engine::tensor {

/// A base node with the bound that is taken of it.
struct BoundedNode {
  const BaseNode* base = nullptr;
  const ConstraintSpec* constraint = nullptr;
  BoundKind kind = BoundKind::student_t;

  /// Its bounds are cut to [0, 1], and equal values certify nothing: the corrected safety test is predicted.
  bool corrected() const { return constraint->tree.variant() == Variant::default_; }
};

/// Half-widths depend on counts alone and are looked up in a table over the predicted rows m = 0, 1 ...,
/// made once on the host: there are no quantiles on a device.
class Bounds {
 public:
  /// Why a bound has no tensor form, in words.
  static std::optional<std::string> unsupported(const BoundedNode& node);

  Bounds(std::span<const BoundedNode> nodes, double safety_rows, const at::Device& device);

  /// Whether `evaluate` needs the moments' min and max.
  bool needs_extremes() const { return any_constant_ || any_outside_; }

  struct Result {
    at::Tensor base;    ///< [3, K, T]: lower and upper bounds and means
    at::Tensor factor;  ///< [2, K, T]: of the spread
    at::Tensor active;  ///< [2, K, T] bool: neither infinite nor cut to [0, 1]
  };
  /// `rows`: of the batch. A side that is not needed is infinite; a needed one of a NaN mean is NaN, unless
  /// it is infinite for lack of rows (Forest::evaluate looks at the means, too).
  Result evaluate(const Moments& moments, std::int64_t rows) const;

  /// Derivatives by mean and standard deviation [2, K', T] of a function of the last K' nodes' bounds, given
  /// its derivatives d_bounds [2, K', T] by these.
  at::Tensor derivative(const Result& result, const at::Tensor& d_bounds) const;

 private:
  std::int64_t nodes_;
  double safety_rows_;
  bool any_constant_ = false, all_constant_ = true, any_outside_ = false, any_hoeffding_ = false;
  at::Tensor table_, first_;              ///< factors, flat; [2, K, 1] where each bound's begin
  at::Tensor unneeded_;                   ///< [2, K, 1] bool
  at::Tensor least_rows_, most_missing_;  ///< [K, 1]: fewest rows; a bound is infinite for m up to this
  at::Tensor student_t_, constant_;       ///< [K, 1] bool
  at::Tensor range_;                      ///< [2, K, 1]
  at::Tensor cut_;                        ///< [2, K, 1]: 0 and 1, or infinite
  at::Tensor outward_, one_, zero_;
};

}  // namespace seldon::engine::tensor

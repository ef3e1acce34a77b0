#pragma once
// The Lagrangian of candidate selection (engine/lagrangian.h) of all trials of a pack at once, as tensor
// operations on a device. The same numbers up to rounding; tests compare the two.
//
// It can be recorded in a CUDA graph: what depends on the problem (masks over the table, quantiles, indices
// of tree nodes) is put on the device by the constructor; `evaluate` and `gradient` copy nothing from or to
// the host and take no decision by a number, but compute every case and select (torch.where), so that the
// operations and their shapes follow from the shapes of the arguments alone. Selection also keeps NaN where
// it belongs: it is never multiplied away. Sums run along rows in a fixed order, without atomic additions, so
// that equal inputs give equal bits.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "engine/problem.h"
#include "engine/tensor/table.h"

namespace seldon::engine::tensor {

class TensorLagrangian {
 public:
  /// What of the problem exists on the host only, in words; none: all of it can be done here. On the host
  /// only: measures and objectives that were registered from outside, the bound clopper_pearson, bounds with
  /// a delta over a half (their intervals are turned around), decisions of a regression.
  static std::optional<std::string> unsupported(const Problem& problem);

  /// `safety_rows`: how many the safety test will have, the same for all trials of a pack. `table` must lie
  /// on the device of all later arguments; problem and table must outlive this.
  TensorLagrangian(const Problem& problem, const DeviceTable& table, double safety_rows);
  ~TensorLagrangian();

  struct Value {
    at::Tensor loss;         ///< [T] in double, without the learner's penalty
    at::Tensor upper;        ///< [T, C] in double: +inf infeasible, NaN where not usable
    at::Tensor usable;       ///< [T, C] bool: every node has at least two rows in this batch
    at::Tensor small_group;  ///< [T] bool: a node has under five rows

    // As Lagrangian::Value says, [T] each.
    at::Tensor feasible() const;
    at::Tensor not_a_number() const;
    at::Tensor infinite() const;
    at::Tensor violation(bool toolkit) const;
  };
  /// rows [T, B] (int64, of the table), predictors [T, B, columns] (double). A class beyond the columns is an
  /// InputError. A trial's numbers depend on its own rows and predictors alone.
  Value evaluate(const at::Tensor& rows, const at::Tensor& predictors);
  /// After `evaluate`: the derivative [T, B, columns] of f + sum_i multipliers[t, i] U_i by each predictor,
  /// in closed form. multipliers [T, C] in double; constraints that are not usable, or whose multiplier is 0,
  /// add nothing. Where an upper bound is infinite the constraint's value on means stands in for it; a hard
  /// constraint counts by its mean probabilities and their t bound (decisions have no useful derivative).
  at::Tensor gradient(const at::Tensor& multipliers);

 private:
  class Program;
  std::unique_ptr<Program> program_;
};

}  // namespace seldon::engine::tensor

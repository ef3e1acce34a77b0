#pragma once
// Statistics of base nodes over masked rows (engine/constraint/bound.h, NodeStatistics) for all trials.

#include <ATen/core/Tensor.h>

namespace seldon::engine::tensor {

struct Moments {
  at::Tensor n, mean, sd;  ///< [K, T]; ddof 1; NaN where there are too few rows
  at::Tensor min, max;     ///< [K, T]; undefined unless asked for
  at::Tensor centred;      ///< [K, T, B]: z - mean where the row is a member, else 0
};

/// In two passes, as on the host. Rows that are no members are left out by selection: whatever stands there,
/// NaN too, changes nothing.
class MomentProgram {
 public:
  MomentProgram(bool extremes, const at::Device& device);
  /// z [K or 1, T, B] in double; member [K, T, B] bool.
  Moments operator()(const at::Tensor& z, const at::Tensor& member) const;

 private:
  bool extremes_;
  at::Tensor zero_, infinity_, minus_infinity_;
};

}  // namespace seldon::engine::tensor

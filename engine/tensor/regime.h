#pragma once
// What depends on the regime of a problem (engine/objective, engine/measure), for all trials: the link from
// predictors to scores and decisions, the objective, the values of base nodes, and the way back.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <ATen/core/Tensor.h>

#include "engine/problem.h"
#include "engine/tensor/table.h"

namespace seldon::engine::tensor {

/// A base node, on decisions (hard) or on probabilities. Hard ones come first in every list.
struct RegimeNode {
  const BaseNode* base = nullptr;
  bool hard = false;
};

class RegimeProgram {
 public:
  virtual ~RegimeProgram() = default;
  /// Takes a batch: rows [T * B] of the table, predictors [T, B, columns]. Returns the objective [T].
  virtual at::Tensor loss(const at::Tensor& rows, const at::Tensor& predictors) = 0;
  /// z of all nodes, for all rows of the batch, whether they belong to the node or not: [K, T, B], or
  /// [1, T, B] where all nodes average the same.
  virtual at::Tensor values() = 0;
  /// The derivative [T, B, columns] of the objective, plus that of a function of the soft nodes' values given
  /// its derivatives d_values [soft nodes, T, B] by these; undefined: none.
  virtual at::Tensor gradient(const at::Tensor& d_values) = 0;
};

/// What of the regime, the objective or the measures is not provided here, in words.
std::optional<std::string> unsupported_in_regime(const Problem& problem);

std::unique_ptr<RegimeProgram> make_regime_program(const Problem& problem, const DeviceTable& table,
                                                   std::span<const RegimeNode> nodes);

/// [K, N] bool: the rows of the table that a base node averages over, by its groups and its measure's choice
/// of labels.
at::Tensor membership(const Dataset& data, const DeviceTable& table, std::span<const RegimeNode> nodes);

}  // namespace seldon::engine::tensor

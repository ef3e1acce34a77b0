#pragma once
// The safety test: on rows that candidate selection has not seen, is every constraint's upper bound at most
// zero?

#include <span>
#include <vector>

#include "engine/predictor.h"
#include "engine/problem.h"
#include "engine/result.h"

namespace seldon::engine {

struct SafetyResult {
  bool passed = false;
  /// A constraint failed for want of rows: a bound that it needs is infinite, with under five rows behind it.
  bool group_too_small = false;
  std::vector<double> upper;        ///< [constraint]
  std::vector<NodeEstimate> nodes;  ///< [base node], all constraints
};

/// Passes only if every upper bound is a number and <= 0; NaN never passes.
SafetyResult safety_test(const Problem& problem, Predictor& predictor,
                         std::span<const std::uint32_t> safety_rows);

}  // namespace seldon::engine

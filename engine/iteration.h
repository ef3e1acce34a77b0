#pragma once
// What candidate selection asks of a learner that runs the whole loop itself (Learner::iterate), and what the
// loop leaves behind, wherever it ran.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/candidate_selection.h"
#include "engine/problem.h"

namespace seldon::engine {

/// The loop of candidate selection over all trials of a pack. What it points to outlives the call.
struct IterationRequest {
  const Problem* problem = nullptr;
  std::span<const CandidateData> data;  ///< [trial], in the learner's order
  const SelectionOptions* options = nullptr;
  /// How many of the best feasible iterates of a trial are kept in slots. 0: none, nor that of least
  /// violation, for training that returns its last iterate.
  std::size_t keep = 1;
};

/// A feasible iterate whose parameters lie in a slot of its trial's learner.
struct KeptIterate {
  double loss = 0;
  std::int64_t iteration = -1;
  std::size_t slot = 0;
};

/// One trial after the loop; its learner holds the parameters after the last step.
struct IterationResult {
  Selection selection;            ///< stop, small_group and trace are set
  std::vector<KeptIterate> kept;  ///< by loss, the best first; of equals the earlier
  /// The iterate that violated the constraints least, of those seen while none was kept; -1: none was seen.
  std::int64_t least_violation_iteration = -1;
  std::size_t least_violation_slot = 0;
};

/// Slots that a loop fills: 0 .. keep - 1 for the kept iterates, then these.
constexpr std::size_t least_violation_slot(std::size_t keep) {
  return keep;
}
/// Free while the loop runs; afterwards the iterate after the last step.
constexpr std::size_t last_slot(std::size_t keep) {
  return keep + 1;
}

}  // namespace seldon::engine

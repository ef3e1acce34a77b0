#pragma once
// The loop of candidate selection (engine/candidate_selection.h) on a device: batches, Lagrangian, the look
// at each iterate, multipliers and steps as tensor operations over the trials of a pack. The host only feeds
// the device's queue and never asks for a number in between. Same results as the host's loop up to rounding.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/progress.h"
#include "engine/execution.h"
#include "engine/iteration.h"
#include "engine/tensor/graph.h"
#include "engine/tensor/learner.h"

namespace seldon::engine::tensor {

/// Why the loop must run on the host, in words; none: it can run on the device. It cannot where a part of
/// the problem exists on the host only (TensorLagrangian::unsupported), or where the trials of the pack
/// differ in their number of rows.
std::optional<std::string> unsupported(const TensorLearner& learner, const IterationRequest& request);

/// For Learner::iterate. False, with the reason in the log (once per process and reason): the loop must run
/// on the host, nothing was touched. Otherwise one result per trial; the learner holds the parameters after
/// the last step, a stopped trial those with which it stopped.
///
/// On a GPU the iteration is recorded as a CUDA graph, one per size of batch, once a few iterations have run
/// as they are, unless `execution.graph` is off or several ranks run the trial (execution.collective).
///
/// `recorder`, for tests, in place of the device's own. Throws Stopped within a fraction of a second after
/// `progress` or the collective says so.
bool iterate(TensorLearner& learner, const IterationRequest& request, const Execution& execution,
             std::vector<IterationResult>& results, Progress& progress,
             std::unique_ptr<Recorder> recorder = nullptr);

}  // namespace seldon::engine::tensor

#pragma once
// The evaluation (engine/evaluation.h) of all trials of a pack on a device: scores, and the sums over
// subgroups, which would otherwise be most of its cost. A subgroup's sums are products of its mask with what
// is summed, in double, in a fixed order: the same bits in each run. What is left, a few means per trial,
// comes from the scores on the host.

#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/evaluation.h"
#include "engine/tensor/learner.h"
#include "engine/tensor/table.h"

namespace seldon::engine::tensor {

/// From predictors [..., columns] in double to scores of the same shape, as apply_link does on the host.
at::Tensor link(Regime regime, const at::Tensor& predictors);

/// The sums of each trial's subgroups: [trial][subgroup]. rows [n] (int64, of the table), scores
/// [T, n, columns] (double), both on the table's device: probabilities or predictions, of which any may be
/// NaN, predictions also infinite. Takes about 128 MiB of the device's memory besides, or what a thousand
/// rows need.
std::vector<std::vector<SubgroupSums>> subgroup_sums(Regime regime, const DeviceTable& table,
                                                     const at::Tensor& rows, const at::Tensor& scores,
                                                     const EvaluationOptions& options);

/// What Learner::evaluate gives: one entry per trial. The device is asked for numbers only at the end, and
/// whether any is not finite.
std::vector<TrialScores> evaluate(TensorLearner& learner, Regime regime, const Truth& truth,
                                  const EvaluationOptions& options);

}  // namespace seldon::engine::tensor

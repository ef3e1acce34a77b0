#pragma once
// What this program adds to seldon; one file each.

#include "engine/baseline/baseline.h"
#include "engine/learner.h"
#include "engine/measure/measure.h"
#include "engine/objective/objective.h"

namespace my {

void register_brier(seldon::engine::MeasureRegistry& registry);
void register_hinge_loss(seldon::engine::ObjectiveRegistry& registry);
void register_balanced_accuracy(seldon::engine::PerformanceRegistry& registry);
void register_majority_class(seldon::engine::BaselineRegistry& registry);
void register_small_network(seldon::engine::ArchitectureRegistry& registry);

}  // namespace my

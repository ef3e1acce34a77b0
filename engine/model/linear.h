#pragma once
// Linear models: a predictor that is linear in the features, for regression as it is, for classification as
// log-odds.

#include "engine/learner.h"

namespace seldon::engine {

/// Registers "linear" (regression) and "logistic" (classification). Parameters in double: (intercept,
/// weights).
void register_linear(ArchitectureRegistry& registry);

}  // namespace seldon::engine

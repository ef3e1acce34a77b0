#pragma once
// The families of measures that come with the engine; each registers itself from a file of its own.

#include "engine/measure/measure.h"

namespace seldon::engine {

void register_binary_rates(MeasureRegistry& registry);
void register_regression_errors(MeasureRegistry& registry);
void register_multiclass_rates(MeasureRegistry& registry);
void register_returns(MeasureRegistry& registry);

}  // namespace seldon::engine

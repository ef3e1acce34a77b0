#pragma once
// What keys must not say together. Internal to this room.

#include "experiment/description.h"

namespace seldon::experiment {

/// Fills in what follows from other keys (objective, performance, columns of synthetic faces), then throws
/// InputError where keys contradict each other or something is missing.
void complete(Description& description);

}  // namespace seldon::experiment

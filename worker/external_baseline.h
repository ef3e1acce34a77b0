#pragma once
// A user's own program as a baseline: rows in, probabilities out (docs/extending.md). The program is started
// directly, never by way of a shell, in the config's folder; it gets three file names after its own
// arguments: TRAIN.csv (features, label, one 0/1 column per group), PREDICT.csv (the same without label, all
// rows of the table) and OUT.csv, to which it writes one probability of class 1 per line.

#include "engine/baseline/baseline.h"

namespace seldon::worker {

/// Adds the baseline "external". Its fit throws std::runtime_error, with the end of what the program said,
/// where the program cannot be started, fails, is not done within its time limit, or writes anything but one
/// probability per row.
void register_external(engine::BaselineRegistry& registry);

}  // namespace seldon::worker

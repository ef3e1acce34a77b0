#pragma once
// A sweep's file (experiment/sweep.h) for `seldon check`, `run`, `submit` and `simulate`.

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>

#include "programs/run.h"

namespace seldon::programs {

/// For a config that is no sweep: InputError where `store` is a folder.
void require_single(const std::string& store);

/// What a run needs of a sweep; nothing where the file is the config of one experiment. Reads the configs'
/// data once for all entries, when the first one that needs them is prepared. InputError for what is wrong
/// with the sweep itself, IncompleteError where `store` was begun and the file cannot be read here.
std::optional<SweepPlan> plan_sweep(const std::string& config, const std::string& store,
                                    std::span<const std::string> overrides);

/// Prints a line for each experiment, and what all cost together. InputError that tells of each one that
/// cannot run. Returns the threads of one worker.
std::uint32_t check_sweep(const std::string& config, std::span<const std::string> overrides,
                          std::ostream& out);

}  // namespace seldon::programs

#pragma once
// Each worker on a core of its own, where no launcher has seen to that: a thread that the system moves finds
// its data in another core's cache, and on machines with several memories in another one's memory.

#include <cstdint>
#include <functional>
#include <vector>

#include "worker/accelerator.h"

namespace seldon::worker {

/// CPUs as the kernel numbers them, those of one physical core together.
using Cores = std::vector<std::vector<int>>;

/// Of this machine, in the order of their first CPUs: neighbours share caches and memory. Empty where the
/// system does not tell.
Cores cores_of_machine();

/// The CPUs of the worker at this place, for `threads` cores each: one after the other. Empty where each
/// cannot have cores of its own, or where the process is alone. One process more than fit is all right: it is
/// rank 0, which needs no core.
std::vector<int> cpus_for(const Cores& cores, const LocalRank& place, std::uint32_t threads);

/// Pins the calling thread, and with it those that it will start; returns the CPUs, empty if it is left as it
/// was: where anybody has bound it before (it may not run on all CPUs of the machine), where `cpus_for` finds
/// none, or where the environment says SELDON_PINNING=off.
std::vector<int> pin(const LocalRank& place, std::uint32_t threads, const Lookup& lookup);

}  // namespace seldon::worker

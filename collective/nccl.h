#pragma once
// The collective over NCCL, on GPUs. Compiled only where LibTorch brings NCCL.

#include <chrono>
#include <memory>
#include <string>

#include "collective/orders.h"
#include "core/collective.h"

namespace seldon::collective {

/// Chooses, for what this process does with NCCL later, ring algorithms: they add in an order that only the
/// count and the machine decide, while sums in switches (NVLS) need not have the same bits in every run.
/// Leaves a choice of the user's (NCCL_ALGO) alone. To be called before other threads start.
void prefer_repeatable_sums();

/// The version of the library that is loaded, for example "2.28.9".
std::string loaded_nccl();

/// Joins the members of `hosts` on their GPUs, `memory` naming this one's; the first member makes the id by
/// which NCCL brings them together. Makes that GPU the current one of this thread. `hosts` is not used later,
/// `progress` is.
///
/// No wait inside is NCCL's own: all of them ask `progress`, also those that set connections up at the first
/// call of a kind. A call is enqueued on the stream that is current then and returns; whoever waits for the
/// device calls check() meanwhile. An order to stop or an error aborts what is enqueued, so that nothing
/// waits for a member that has died, and no later call does anything but throw. An exception elsewhere makes
/// the destructor abort; without one it waits until the others are done too, unless told to stop.
///
/// CUDA graphs in which calls were recorded must be destroyed before it: NCCL waits for their end.
///
/// Throws InputError for what the user can mend (two members on one GPU), Stopped, or, where NCCL reports an
/// error and no order to stop follows within `patience`, IncompleteError with NCCL's reason.
std::unique_ptr<Collective> join_nccl(Collective& hosts, const Memory& memory, Progress& progress,
                                      std::chrono::milliseconds patience = patience_with_rank_0);

}  // namespace seldon::collective

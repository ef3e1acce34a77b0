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
/// No wait inside is NCCL's own: all of them ask `progress`, also for those that set connections up at the
/// first call of a kind. A call is enqueued on the stream that is current then and returns; whoever waits for
/// the device calls check() meanwhile. After an order to stop, an error, or in the course of another
/// exception, the destructor aborts what is enqueued, for ever: memory that it uses must not be freed before,
/// but on the same stream. Else it waits until the others are done too, unless told to stop.
///
/// Throws InputError for what the user can mend (two members on one GPU), Stopped, or, where NCCL reports an
/// error and no order to stop follows within `patience`, IncompleteError with NCCL's reason.
std::unique_ptr<Collective> join_nccl(Collective& hosts, const Memory& memory, Progress& progress,
                                      std::chrono::milliseconds patience = patience_with_rank_0);

}  // namespace seldon::collective

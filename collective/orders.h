#pragma once
// What both implementations do when they are told to stop, and when they see a death first.

#include <chrono>
#include <string>

#include "core/progress.h"

namespace seldon::collective {

/// How long a member that sees another's death waits for rank 0 to say so too.
constexpr std::chrono::seconds patience_with_rank_0{20};

/// Throws Stopped if the order is to stop.
void obey(Progress& progress);

/// For a member that has seen the death of another, or an error that such a death brings about: the pack is
/// not to blame, so that it is stopped, not failed. Throws Stopped once told to stop, and IncompleteError
/// with the reason if that does not happen.
[[noreturn]] void await_stop(Progress& progress, const std::string& reason,
                             std::chrono::milliseconds patience = patience_with_rank_0);

}  // namespace seldon::collective

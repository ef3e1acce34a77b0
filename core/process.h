#pragma once
// A process of this node, named so that a later one with the same number is never taken for it.

#include <cstdint>
#include <optional>

namespace seldon {

struct Process {
  std::int64_t pid = 0;
  std::uint64_t started = 0;  ///< clock ticks after boot, as in /proc/PID/stat; 0: unknown
  bool operator==(const Process&) const = default;
};

Process this_process();

/// The process that has this number now; nothing if there is none, or it is dead and only not yet reaped.
std::optional<Process> find_process(std::int64_t pid);

/// Ends exactly this process at once (SIGKILL, which reaches stopped ones too). False if it is gone, is not
/// ours to end, or is the caller itself.
bool kill_process(const Process& process);

}  // namespace seldon

#pragma once
// A process of this node, named so that a later one with the same number is never taken for it.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace seldon {

struct Process {
  std::int64_t pid = 0;
  std::uint64_t started = 0;  ///< clock ticks after boot, as in /proc/PID/stat; 0: unknown
  bool operator==(const Process&) const = default;
};

Process this_process();

/// The process that has this number now; nothing if there is none, or it is dead and only not yet reaped.
std::optional<Process> find_process(std::int64_t pid);

/// The nearest of those that have started this process, and them, whose command has one of these names (at
/// most 15 bytes of it, as in /proc/PID/comm).
std::optional<Process> find_ancestor(std::span<const std::string_view> names);

/// Sends a signal to exactly this process. False if it is gone, is not ours to signal, or is the caller
/// itself.
bool signal_process(const Process& process, int signal);

/// Ends it at once (SIGKILL, which reaches stopped ones too).
bool kill_process(const Process& process);

}  // namespace seldon

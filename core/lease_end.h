#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace seldon {

/// How the lease of a pack ended, for the statistics.
enum class LeaseEnd : std::uint8_t {
  finished,   ///< the worker said that it is through
  preempted,  ///< taken back, or given back by a worker that was told to end
  lost,       ///< the worker died or left
  silent,     ///< no heartbeat for a lease's time
  timed_out,  ///< took longer than its cells may
};

inline constexpr std::array<std::string_view, 5> lease_end_names = {"finished", "preempted", "lost", "silent",
                                                                    "timed_out"};
constexpr std::string_view name_of(LeaseEnd end) {
  return lease_end_names.at(static_cast<std::size_t>(end));
}

}  // namespace seldon

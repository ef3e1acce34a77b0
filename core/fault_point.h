#pragma once
// Named moments at which a test may kill or stop this process (tests/faults). In the programs nothing is ever
// registered, and passing one costs the load of a pointer.

#include <atomic>
#include <string_view>

namespace seldon {

using FaultHook = void (*)(std::string_view point);

/// Null outside of tests.
inline std::atomic<FaultHook> fault_hook = nullptr;

/// The process is at `point`, for example "store.between-record-and-state".
inline void pass(std::string_view point) {
  if (const FaultHook hook = fault_hook.load(std::memory_order_relaxed)) hook(point);
}

}  // namespace seldon

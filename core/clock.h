#pragma once

#include <chrono>

namespace seldon {

/// Seconds since some fixed moment, never going back.
inline double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace seldon

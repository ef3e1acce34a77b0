#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

namespace seldon {

/// How to wait for a message: look twenty times in a row, then pause from 1 us doubling to 1 ms. (Sleeping at
/// the first empty look costs most of the dispatch rate, never sleeping costs a core.)
class Backoff {
 public:
  /// Something was there: the next pause is short again.
  void reset() { looks_ = 0; }
  /// Nothing was there.
  void pause() {
    if (++looks_ <= 20) {
      pause_ = std::chrono::microseconds(1);
      return;
    }
    std::this_thread::sleep_for(pause_);
    pause_ = std::min(2 * pause_, std::chrono::microseconds(1000));
  }

 private:
  int looks_ = 0;
  std::chrono::microseconds pause_{1};
};

}  // namespace seldon

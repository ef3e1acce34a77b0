#pragma once
// The end of a process that would otherwise hang for ever, in MPI or anywhere else.

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "core/error.h"

namespace seldon {

/// How a last resort ends the process. An MPI that survives deaths tells the other ranks of one that dies by
/// a signal, and never of one that leaves with a status: where others must notice, it is `signal` (SIGKILL).
enum class Ending { status, signal };

/// Ends the process, with "seldon: error: WHAT; ..." on stderr, unless it is disarmed, destroyed or rearmed
/// within so many seconds. It works while the process is stuck inside a library: a thread of its own waits,
/// which takes no signal and calls nothing but write, raise and _exit. Time in which the whole process is
/// stopped (SIGSTOP, a suspended job) does not count.
class LastResort {
 public:
  /// `what` hangs, for example "the start hangs: a rank may have died before MPI was up". Infinite seconds:
  /// never.
  LastResort(double seconds, ExitCode code, const std::string& what, Ending ending = Ending::status);
  ~LastResort() { disarm(); }
  LastResort(const LastResort&) = delete;
  LastResort& operator=(const LastResort&) = delete;

  /// There is a sign of life: the time begins anew, at most an eighth of it later. Costs a store to memory.
  void rearm() { alive_.store(true, std::memory_order_relaxed); }

  /// May be called more than once.
  void disarm();

 private:
  void wait(double seconds, ExitCode code, Ending ending);

  std::string message_;
  std::atomic<bool> alive_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool disarmed_ = false;
  std::thread thread_;
};

}  // namespace seldon

#pragma once
// The end of a process that would otherwise hang for ever, in MPI or anywhere else.

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "core/error.h"

namespace seldon::programs {

/// How a last resort ends the process. An MPI that survives deaths tells the other ranks of one that dies by
/// a signal, and never of one that leaves with a status: where others must notice, it is `signal` (SIGKILL).
enum class Ending { status, signal };

/// Ends the process, with "seldon: error: WHAT; ..." on stderr, unless it is disarmed or destroyed within so
/// many seconds. It works while the process is stuck inside a library: a thread of its own waits, which takes
/// no signal and calls nothing but write, raise and _exit.
class LastResort {
 public:
  /// `what` hangs, for example "the start hangs: a rank may have died before MPI was up".
  LastResort(double seconds, ExitCode code, const std::string& what, Ending ending = Ending::status);
  ~LastResort() { disarm(); }
  LastResort(const LastResort&) = delete;
  LastResort& operator=(const LastResort&) = delete;

  /// May be called more than once.
  void disarm();

 private:
  void wait(double seconds, ExitCode code, Ending ending);

  std::string message_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool disarmed_ = false;
  std::thread thread_;
};

}  // namespace seldon::programs

#include "core/last_resort.h"

#include <chrono>
#include <cmath>
#include <csignal>
#include <unistd.h>

namespace seldon {
namespace {

// The time is cut into slices, and only those that the thread was there to see count: after a stop of the
// whole process just one of them is over, however long it was.
constexpr int slices = 8;

}  // namespace

LastResort::LastResort(double seconds, ExitCode code, const std::string& what, Ending ending) {
  if (std::isinf(seconds)) return;
  message_ = "seldon: error: ";
  message_ += what;
  message_ += "; this process ends now\n";
  // The thread inherits the mask: signals stay with the thread that has set up their handlers.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([=, this] { wait(seconds, code, ending); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void LastResort::wait(double seconds, ExitCode code, Ending ending) {
  const std::chrono::duration<double> slice(seconds / slices);
  std::unique_lock lock(mutex_);
  for (int silent = 0; silent < slices;) {
    if (changed_.wait_for(lock, slice, [this] { return disarmed_; })) return;
    silent = alive_.exchange(false, std::memory_order_relaxed) ? 0 : silent + 1;
  }
  [[maybe_unused]] const auto written = write(STDERR_FILENO, message_.data(), message_.size());
  if (ending == Ending::signal) raise(SIGKILL);
  _exit(static_cast<int>(code));
}

void LastResort::disarm() {
  {
    const std::lock_guard lock(mutex_);
    disarmed_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace seldon

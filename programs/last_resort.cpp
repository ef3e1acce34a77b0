#include "programs/last_resort.h"

#include <chrono>
#include <csignal>
#include <unistd.h>

namespace seldon::programs {

LastResort::LastResort(double seconds, ExitCode code, const std::string& what, Ending ending) {
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
  std::unique_lock lock(mutex_);
  if (changed_.wait_for(lock, std::chrono::duration<double>(seconds), [this] { return disarmed_; })) return;
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

}  // namespace seldon::programs

#include "programs/last_resort.h"

#include <array>
#include <csignal>
#include <optional>
#include <poll.h>
#include <string_view>
#include <unistd.h>

extern "C" {  // which the header forgets up to glibc 2.36
#include <sys/pidfd.h>
}

#include "core/process.h"

namespace seldon::programs {
namespace {

/// Of the versions 5 and 4: the command that was given, and the daemon that starts the ranks of other nodes.
std::optional<Process> find_launcher() {
  constexpr std::array<std::string_view, 6> launchers = {"mpirun", "mpiexec", "prterun",
                                                         "prted",  "orterun", "orted"};
  return find_ancestor(launchers);
}

/// What the process that is left behind does: nothing that is forbidden after the fork of one thread of many.
[[noreturn]] void watch(int launcher, int milliseconds) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  setsid();
  dup2(launcher, 0);
  close_range(1, ~0U, 0);  // or whoever reads the job's output would wait for this process
  pollfd ended{0, POLLIN, 0};
  if (poll(&ended, 1, milliseconds) == 0) pidfd_send_signal(0, SIGTERM, nullptr, 0);
  // One that hangs does not heed it.
  if (poll(&ended, 1, 2000) == 0) pidfd_send_signal(0, SIGKILL, nullptr, 0);
  _exit(0);
}

}  // namespace

void end_launcher_after(double seconds) {
  const auto launcher = find_launcher();
  if (!launcher) return;
  const int watched = pidfd_open(static_cast<pid_t>(launcher->pid), 0);
  if (watched < 0) return;  // it has ended just now
  if (fork() == 0) watch(watched, static_cast<int>(1000 * seconds));
  close(watched);
}

bool end_launcher() {
  const auto launcher = find_launcher();
  return launcher && signal_process(*launcher, SIGTERM);
}

}  // namespace seldon::programs

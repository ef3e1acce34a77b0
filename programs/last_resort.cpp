#include "programs/last_resort.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <optional>
#include <poll.h>
#include <string_view>
#include <unistd.h>
#include <vector>

extern "C" {  // which the header forgets up to glibc 2.36
#include <sys/pidfd.h>
}

namespace seldon::programs {
namespace {

/// Of the versions 5 and 4: the command that was given, and the daemon that starts the ranks of other nodes.
std::optional<Process> find_launcher() {
  constexpr std::array<std::string_view, 6> launchers = {"mpirun", "mpiexec", "prterun",
                                                         "prted",  "orterun", "orted"};
  return find_ancestor(launchers);
}

/// Descriptors of exactly those processes that are still there, ascending.
std::vector<int> hold(const std::vector<Process>& processes) {
  std::vector<int> held;
  for (const Process& process : processes) {
    const int descriptor = pidfd_open(static_cast<pid_t>(process.pid), 0);
    if (descriptor < 0) continue;
    if (find_process(process.pid) == process)
      held.push_back(descriptor);
    else
      close(descriptor);  // of a later one with its number
  }
  std::ranges::sort(held);
  return held;
}

/// What the process that is left behind does: nothing that is forbidden after the fork of one thread of many.
[[noreturn]] void watch(int launcher, int milliseconds, const std::vector<int>& ranks) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  setsid();
  dup2(launcher, 0);
  // The others are closed, or whoever reads the job's output would wait for this process.
  unsigned int others = 1;
  for (const int rank : ranks) {
    const auto kept = static_cast<unsigned int>(rank);
    if (kept > others) close_range(others, kept - 1, 0);
    others = kept + 1;
  }
  close_range(others, ~0U, 0);
  pollfd ended{0, POLLIN, 0};
  if (poll(&ended, 1, milliseconds) == 0) pidfd_send_signal(0, SIGTERM, nullptr, 0);
  // One that hangs does not heed it.
  if (poll(&ended, 1, 2000) == 0) pidfd_send_signal(0, SIGKILL, nullptr, 0);
  for (const int rank : ranks) pidfd_send_signal(rank, SIGKILL, nullptr, 0);
  _exit(0);
}

}  // namespace

void end_launcher_after(double seconds, const std::vector<Process>& ranks) {
  const auto launcher = find_launcher();
  if (!launcher) return;
  const int watched = pidfd_open(static_cast<pid_t>(launcher->pid), 0);
  if (watched < 0) return;  // it has ended just now
  const std::vector<int> held = hold(ranks);
  if (fork() == 0) watch(watched, static_cast<int>(1000 * seconds), held);
  for (const int rank : held) close(rank);
  close(watched);
}

bool end_launcher() {
  const auto launcher = find_launcher();
  return launcher && signal_process(*launcher, SIGTERM);
}

}  // namespace seldon::programs

#include "core/process.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>
#include <signal.h>
#include <sstream>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

namespace seldon {
namespace {

struct Look {
  Process process;
  std::int64_t parent = 0;
  std::string name;  ///< of the command, cut after 15 bytes
};

std::optional<Look> look_at(std::int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string stat;
  if (pid <= 0 || !std::getline(file, stat)) return std::nullopt;
  // "PID (NAME) STATE PARENT ...": the name may hold spaces and brackets. The start is the 22nd field.
  const auto name_begin = stat.find('('), name_end = stat.rfind(')');
  if (name_begin == std::string::npos || name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(name_end + 1));
  Look look{{pid, 0}, 0, stat.substr(name_begin + 1, name_end - name_begin - 1)};
  std::string state, skipped;
  fields >> state >> look.parent;
  for (int field = 5; field < 22; ++field) fields >> skipped;
  if (!(fields >> look.process.started) || state == "Z" || state == "X") return std::nullopt;
  return look;
}

#if defined(SYS_pidfd_open) && defined(SYS_pidfd_send_signal)
/// A descriptor of the process that has this number now and never of a later one; -1, with errno, on error.
int open_process(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}
bool send_signal(int descriptor, int signal) {
  return syscall(SYS_pidfd_send_signal, descriptor, signal, nullptr, 0) == 0;
}
#else
int open_process(pid_t) {
  errno = ENOSYS;
  return -1;
}
bool send_signal(int, int) {
  return false;
}
#endif

}  // namespace

std::optional<Process> find_process(std::int64_t pid) {
  const auto look = look_at(pid);
  return look ? std::optional(look->process) : std::nullopt;
}

Process this_process() {
  return find_process(getpid()).value_or(Process{getpid(), 0});
}

std::optional<Process> find_ancestor(std::span<const std::string_view> names) {
  for (auto look = look_at(getppid()); look; look = look_at(look->parent))
    if (std::ranges::find(names, look->name) != names.end()) return look->process;
  return std::nullopt;
}

bool signal_process(const Process& process, int signal) {
  // Without a known start the number alone would have to do, and it may be a stranger's by now.
  if (process.started == 0 || process.pid == getpid() || process.pid > std::numeric_limits<pid_t>::max())
    return false;
  // Held first, then looked at: in between nobody else can get the number.
  const auto pid = static_cast<pid_t>(process.pid);
  const int held = open_process(pid);
  const bool cannot_hold = held < 0 && (errno == ENOSYS || errno == EPERM);  // an old kernel, or a container
  bool sent = find_process(process.pid) == process;
  if (held >= 0) {
    sent = sent && send_signal(held, signal);
    close(held);
  } else {
    sent = sent && cannot_hold && kill(pid, signal) == 0;
  }
  return sent;
}

bool kill_process(const Process& process) {
  return signal_process(process, SIGKILL);
}

}  // namespace seldon

#include "core/process.h"

#include <fstream>
#include <limits>
#include <signal.h>
#include <sstream>
#include <string>
#include <unistd.h>

namespace seldon {

std::optional<Process> find_process(std::int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string stat;
  if (pid <= 0 || !std::getline(file, stat)) return std::nullopt;
  // "PID (NAME) STATE ...": the name may hold spaces and brackets. The start is the 22nd field.
  const auto name_end = stat.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string state, skipped;
  fields >> state;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  Process process{pid, 0};
  if (!(fields >> process.started) || state == "Z" || state == "X") return std::nullopt;
  return process;
}

Process this_process() {
  return find_process(getpid()).value_or(Process{getpid(), 0});
}

bool kill_process(const Process& process) {
  // Without a known start the number alone would have to do, and it may be a stranger's by now.
  if (process.started == 0 || process.pid == getpid() || process.pid > std::numeric_limits<pid_t>::max())
    return false;
  return find_process(process.pid) == process && kill(static_cast<pid_t>(process.pid), SIGKILL) == 0;
}

}  // namespace seldon

#pragma once
// Runs programs and says how they ended.

#include <string>
#include <sys/types.h>
#include <vector>

namespace seldon {

/// How a command ended and what it wrote on stdout and stderr together.
struct CommandResult {
  int status = -1;  ///< exit code, or 128 + signal
  std::string output;
};

/// A started command in a process group of its own.
class Command {
 public:
  explicit Command(std::vector<std::string> arguments);
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  /// Kills what is still running.
  ~Command();

  void kill(int signal);
  /// Kills, on top, every process that has `mark` among its arguments: ranks are in groups of their own.
  void kill_all(const std::string& mark);
  CommandResult wait();

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  bool waited_ = false;
};

CommandResult run_command(std::vector<std::string> arguments);

/// "mpirun -n RANKS" with what a small machine and root need, before a program's own arguments; nothing for 0
/// ranks.
std::vector<std::string> with_ranks(int ranks, std::vector<std::string> arguments);

}  // namespace seldon

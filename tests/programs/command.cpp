#include "tests/programs/command.h"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <signal.h>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace seldon {

Command::Command(std::vector<std::string> arguments) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ == 0) {
    setpgid(0, 0);
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  setpgid(pid_, pid_);
  close(ends[1]);
  output_ = ends[0];
}

Command::~Command() {
  if (!waited_) {
    ::kill(-pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(output_);
}

void Command::kill(int signal) {
  ::kill(pid_, signal);
}

void Command::kill_all(const std::string& mark) {
  kill(SIGSTOP);  // so that the launcher starts nothing and cleans nothing up meanwhile
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0 || pid == getpid() || pid == pid_) continue;
    std::ifstream file(entry.path() / "cmdline");
    const std::string arguments((std::istreambuf_iterator<char>(file)), {});
    if (arguments.find(mark) != std::string::npos) ::kill(pid, SIGKILL);
  }
  kill(SIGKILL);
}

CommandResult Command::wait() {
  CommandResult result;
  char buffer[4096];
  for (ssize_t count; (count = read(output_, buffer, sizeof buffer)) > 0;)
    result.output.append(buffer, static_cast<std::size_t>(count));
  int status = 0;
  waitpid(pid_, &status, 0);
  waited_ = true;
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

CommandResult run_command(std::vector<std::string> arguments) {
  return Command(std::move(arguments)).wait();
}

std::vector<std::string> with_ranks(int ranks, std::vector<std::string> arguments) {
  if (ranks == 0) return arguments;
  std::vector<std::string> whole{"mpirun", "--oversubscribe", "-n", std::to_string(ranks)};
  if (geteuid() == 0) whole.insert(whole.begin() + 1, "--allow-run-as-root");
  whole.insert(whole.end(), arguments.begin(), arguments.end());
  return whole;
}

}  // namespace seldon

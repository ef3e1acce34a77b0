#include "analysis/plots/gnuplot.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "analysis/text.h"
#include "core/error.h"

namespace seldon::analysis {
namespace {

/// What a child process is to do before it becomes another program.
class FileActions {
 public:
  FileActions() { check(posix_spawn_file_actions_init(&actions_)); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;

  void change_folder(const std::filesystem::path& folder) {
    check(posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str()));
  }
  void replace(int descriptor, int by) { check(posix_spawn_file_actions_adddup2(&actions_, by, descriptor)); }
  void open_null(int descriptor) {
    check(posix_spawn_file_actions_addopen(&actions_, descriptor, "/dev/null", O_RDONLY, 0));
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  static void check(int error) {
    if (error) throw InternalError(std::string("a process cannot be prepared: ") + std::strerror(error));
  }
  posix_spawn_file_actions_t actions_;
};

class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_.data(), O_CLOEXEC) != 0)
      throw InternalError(std::string("no pipe: ") + std::strerror(errno));
  }
  ~Pipe() {
    close(ends_[0]);
    close_writing();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int writing() const { return ends_[1]; }
  void close_writing() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }
  std::string read_all() {
    std::string text;
    std::array<char, 4096> buffer;
    for (;;) {
      const auto count = read(ends_[0], buffer.data(), buffer.size());
      if (count > 0)
        text.append(buffer.data(), static_cast<std::size_t>(count));
      else if (count == 0 || errno != EINTR)
        return text;
    }
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

/// This process's environment, with the date fixed that Cairo writes into a PDF (from version 1.17 on; older
/// ones take the clock).
std::vector<std::string> reproducible_environment() {
  std::vector<std::string> variables{"SOURCE_DATE_EPOCH=0"};
  for (char** variable = environ; *variable; ++variable)
    if (!std::string_view(*variable).starts_with("SOURCE_DATE_EPOCH=")) variables.emplace_back(*variable);
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) throw InternalError(std::string("gnuplot is lost: ") + std::strerror(errno));
  return status;
}

}  // namespace

std::string gnuplot_quoted(std::string_view text) {
  std::string quoted = "\"";
  for (char c : one_line(text)) switch (c) {
      case '"':
        quoted += "\\042";
        break;
      case '$':
        quoted += "\\044";
        break;
      case '\'':
        quoted += "\\047";
        break;
      case '@':
        quoted += "\\100";
        break;
      case '\\':
        quoted += "\\134";
        break;
      case '`':
        quoted += "\\140";
        break;
      default:
        quoted += c;
    }
  quoted += '"';
  return quoted;
}

std::string run_gnuplot(const std::filesystem::path& folder, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"gnuplot", "-d"});
  auto environment = reproducible_environment();
  Pipe pipe;
  FileActions actions;
  actions.open_null(STDIN_FILENO);
  actions.replace(STDOUT_FILENO, pipe.writing());
  actions.replace(STDERR_FILENO, pipe.writing());
  actions.change_folder(folder);

  pid_t child = 0;
  const int error = posix_spawnp(&child, "gnuplot", actions.get(), nullptr, pointers(arguments).data(),
                                 pointers(environment).data());
  if (error == ENOENT)
    throw InputError(
        "plots are drawn by gnuplot, which is not found in PATH; install it (Debian: apt-get install "
        "gnuplot-nox)");
  if (error) throw InternalError(std::string("gnuplot cannot be started: ") + std::strerror(error));
  pipe.close_writing();
  auto said = pipe.read_all();
  const int status = wait_for(child);
  if (said.find("unknown or ambiguous terminal type") != std::string::npos)
    throw InputError(
        "this gnuplot cannot write the format (it lacks one of svg, pdfcairo, pngcairo); install a full "
        "one (Debian: apt-get install gnuplot-nox), or name others with --formats");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw InternalError("gnuplot failed in " + folder.string() + ": " + said);
  return said;
}

}  // namespace seldon::analysis

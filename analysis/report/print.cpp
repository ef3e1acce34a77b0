#include "analysis/report/print.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <spawn.h>
#include <sstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "analysis/output.h"
#include "core/error.h"

namespace seldon::analysis {
namespace {

namespace fs = std::filesystem;

constexpr std::array names = {"chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
                              "chrome"};

bool is_program(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && access(path.c_str(), X_OK) == 0;
}

std::optional<fs::path> in_path(const std::string& name) {
  const char* variable = std::getenv("PATH");
  std::istringstream folders(variable ? variable : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (!folder.empty() && is_program(fs::path(folder) / name)) return fs::path(folder) / name;
  return std::nullopt;
}

/// A folder with a name of its own that is removed with this.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::error_code error;
    auto name = (fs::temp_directory_path(error) / "seldon-report-XXXXXX").string();
    if (error || !mkdtemp(name.data()))
      throw InputError(std::string("no temporary folder can be made for Chromium: ") +
                       (error ? error.message() : std::strerror(errno)) +
                       "; set TMPDIR to a folder with room");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// "file:///a%20b", whatever bytes the path has.
std::string url_of(const fs::path& file) {
  constexpr std::string_view hex = "0123456789ABCDEF";
  std::string url = "file://";
  for (const char c : fs::absolute(file).lexically_normal().string()) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= '0' && byte <= '9') || std::strchr("/-_.~", c);
    if (plain && c != '\0')
      url += c;
    else
      url.append(1, '%').append(1, hex[byte >> 4U]).append(1, hex[byte & 15U]);
  }
  return url;
}

/// Chromium's sandbox refuses to work for root.
std::vector<std::string> arguments_for(const fs::path& chromium, const fs::path& profile,
                                       const fs::path& html, const fs::path& pdf) {
  std::vector<std::string> arguments = {chromium.string(),
                                        "--headless",
                                        "--user-data-dir=" + profile.string(),
                                        "--no-first-run",
                                        "--no-default-browser-check",
                                        "--disable-gpu",
                                        "--disable-dev-shm-usage",
                                        "--disable-extensions",
                                        "--disable-sync",
                                        "--disable-background-networking",
                                        "--disable-component-update",
                                        "--host-resolver-rules=MAP * ~NOTFOUND",
                                        "--no-pdf-header-footer",
                                        "--print-to-pdf=" + pdf.string()};
  if (geteuid() == 0) arguments.emplace_back("--no-sandbox");
  arguments.push_back(url_of(html));
  return arguments;
}

class Child {
 public:
  /// In a group of its own, so that all of its processes can be ended; its words go to `log`.
  Child(std::vector<std::string> arguments, const fs::path& log) {
    std::vector<char*> pointers;
    for (auto& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                     0600);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    const int error = posix_spawn(&pid_, pointers[0], &actions, &attributes, pointers.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error)
      throw InputError("Chromium '" + arguments[0] + "' cannot be started: " + std::strerror(error) +
                       "; name another with SELDON_CHROMIUM, or ask for --formats html");
  }
  ~Child() {
    kill(-pid_, SIGKILL);
    if (!ended_) waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Its status; none if it has not ended by then.
  std::optional<int> wait(double seconds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    int status = 0;
    while (true) {
      const auto pid = waitpid(pid_, &status, WNOHANG);
      if (pid == pid_ || (pid < 0 && errno != EINTR)) {
        ended_ = true;
        return status;
      }
      if (std::chrono::steady_clock::now() > deadline) return std::nullopt;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

 private:
  pid_t pid_ = 0;
  bool ended_ = false;
};

std::string end_of(const fs::path& log) {
  constexpr std::size_t most = 600;
  std::ifstream in(log, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  return text.size() > most ? "... " + text.substr(text.size() - most) : text;
}

bool is_pdf(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::array<char, 5> start{};
  in.read(start.data(), start.size());
  return in && std::string_view(start.data(), start.size()) == "%PDF-";
}

}  // namespace

std::optional<fs::path> find_chromium() {
  const char* named = std::getenv("SELDON_CHROMIUM");
  if (named && *named) {
    const fs::path path(named);
    if (path.has_parent_path() ? is_program(path) : in_path(named).has_value())
      return path.has_parent_path() ? path : *in_path(named);
    throw InputError("SELDON_CHROMIUM is '" + path.string() +
                     "', which is no program; set it to a Chromium, or unset it");
  }
  for (const char* name : names)
    if (auto found = in_path(name)) return found;
  return std::nullopt;
}

void print_pdf(const fs::path& chromium, const fs::path& html, const fs::path& pdf, double seconds) {
  const TemporaryFolder folder;
  const auto printed = folder.path() / "report.pdf", log = folder.path() / "log";
  std::optional<int> status;
  {
    Child child(arguments_for(chromium, folder.path() / "profile", html, printed), log);
    status = child.wait(seconds);
  }
  const auto refuse = [&](const std::string& what) {
    throw InputError("the PDF was not written: " + chromium.string() + " " + what +
                     "; name another Chromium with SELDON_CHROMIUM, or ask for --formats html and print that "
                     "from a browser. It said: " +
                     end_of(log));
  };
  if (!status) refuse("did not end in " + std::to_string(static_cast<int>(seconds)) + " s");
  if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0) refuse("failed");
  if (!is_pdf(printed)) refuse("wrote no PDF");
  // Beside its final name first: the temporary folder may be on another file system.
  const TemporaryFile part(pdf.string() + ".part");
  std::error_code error;
  fs::copy_file(printed, part.path(), fs::copy_options::overwrite_existing, error);
  if (error) throw InputError({pdf.string(), 0}, "cannot be written: " + error.message());
  move_file(part.path(), pdf);
}

}  // namespace seldon::analysis

#include "worker/external_baseline.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "core/error.h"

namespace seldon::worker {
namespace {

namespace fs = std::filesystem;
using engine::BaselineRequest;
using engine::Dataset;
using engine::Group;
using engine::Predictor;
using engine::Rows;

/// A folder of its own for one cell's files, removed at the end.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (fs::temp_directory_path() / "seldon-external-XXXXXX").string();
    if (!mkdtemp(name.data()))
      throw std::runtime_error("cannot make a temporary folder " + name + ": " + std::strerror(errno));
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;  // a leftover in the temporary folder harms nobody
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  fs::path file(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

std::string quoted(const std::string& name) {
  if (name.find_first_of("\",\n\r") == std::string::npos) return name;
  std::string out = "\"";
  for (char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

void put(std::string& line, double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  line.append(text, end);
}

void write_rows(const fs::path& path, const BaselineRequest& request, std::span<const std::uint32_t> rows,
                bool label) {
  const Dataset& data = *request.data;
  std::ofstream out(path, std::ios::binary);
  std::string line;
  for (const std::string& name : request.feature_names) line += quoted(name) + ",";
  if (label) line += "label,";
  for (const Group& group : data.groups) line += quoted("group:" + group.name) + ",";
  for (std::uint32_t row : rows) {
    line.back() = '\n';
    out << line;
    line.clear();
    for (double value : data.features.subspan(row * data.width, data.width)) {
      put(line, value);
      line += ',';
    }
    if (label) {
      put(line, data.labels[row]);
      line += ',';
    }
    for (const Group& group : data.groups) line += group.member[row] ? "1," : "0,";
  }
  line.back() = '\n';
  out << line;
  if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
}

std::string tail_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text.size() <= 400 ? text : "..." + text.substr(text.size() - 400);
}

/// Starts the program in a process group of its own, waits, and kills the group when the time is over.
class Child {
 public:
  Child(const std::vector<std::string>& arguments, const std::string& folder, const fs::path& log) {
    std::vector<char*> argv;
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    if (!folder.empty()) posix_spawn_file_actions_addchdir_np(&files, folder.c_str());
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    const int error = posix_spawnp(&pid_, argv[0], &files, &attributes, argv.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (error != 0)
      throw std::runtime_error("cannot start '" + arguments.front() + "': " + std::strerror(error) +
                               "; is it installed and on the PATH?");
  }
  ~Child() {
    if (pid_ > 0) kill_and_reap();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// The wait status; throws when the time limit is over, and Stopped when told to stop.
  int wait(double seconds, Progress& progress) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    for (auto pause = std::chrono::microseconds(200);;
         pause = std::min(2 * pause, std::chrono::microseconds(20000))) {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        return status;
      }
      if (progress.tick() == Order::stop) throw Stopped{};
      if (std::chrono::steady_clock::now() >= end) {
        kill_and_reap();
        throw std::runtime_error("took longer than its time_limit of " + std::to_string(seconds) +
                                 " s and was killed");
      }
      std::this_thread::sleep_for(pause);
    }
  }

 private:
  void kill_and_reap() {
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);  // in case its group is not there yet
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }
  pid_t pid_ = -1;
};

std::vector<double> read_probabilities(const fs::path& path, std::size_t rows) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("wrote no file of probabilities");
  std::vector<double> probabilities;
  std::string line;
  while (std::getline(in, line)) {
    if (line.empty() || line == "\r") continue;
    double p = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), p);
    const bool rest_blank =
        std::string_view(end, line.data() + line.size()).find_first_not_of(" \r\t") == std::string_view::npos;
    if (error != std::errc{} || !rest_blank || !(p >= 0 && p <= 1))
      throw std::runtime_error("line " + std::to_string(probabilities.size() + 1) + " of its output is '" +
                               line.substr(0, 40) + "', not a probability");
    probabilities.push_back(p);
  }
  if (probabilities.size() != rows)
    throw std::runtime_error("wrote " + std::to_string(probabilities.size()) + " probabilities for " +
                             std::to_string(rows) + " rows");
  return probabilities;
}

/// Probabilities for every row of the table, as the program gave them.
class TablePredictor final : public Predictor {
 public:
  explicit TablePredictor(std::vector<double> probabilities) : probabilities_(std::move(probabilities)) {}
  void scores(std::span<const std::uint32_t> rows, std::span<double> out) override {
    for (std::size_t i = 0; i < rows.size(); ++i) out[i] = probabilities_[rows[i]];
  }

 private:
  std::vector<double> probabilities_;
};

void check_external(const BaselineRequest& request) {
  const std::string prefix = "model '" + request.model_name + "': ";
  if (request.data->width == 0)
    throw InputError(prefix + "an external baseline needs a table of features, not images");
  if (request.command.empty()) throw InputError(prefix + "an external baseline needs a command");
  if (!request.options.empty())
    throw InputError(prefix +
                     "an external baseline has no architecture_options; its command takes arguments");
}

std::unique_ptr<Predictor> run_external(const BaselineRequest& request) {
  const Dataset& data = *request.data;
  const auto same_class = [&](std::uint32_t row) {
    return data.labels[row] == data.labels[request.rows.front()];
  };
  if (std::ranges::all_of(request.rows, same_class))
    return nullptr;  // nothing to learn, as for our own baselines
  const ScratchFolder scratch;
  const fs::path train = scratch.file("train.csv"), predict = scratch.file("predict.csv"),
                 out = scratch.file("out.csv");
  const fs::path log = scratch.file("log.txt");
  write_rows(train, request, request.rows, true);
  Rows all(data.rows);
  std::iota(all.begin(), all.end(), 0U);
  write_rows(predict, request, all, false);

  std::vector<std::string> arguments = request.command;
  for (const fs::path& file : {train, predict, out}) arguments.push_back(file.string());
  Unhindered unhindered;
  Progress& progress = request.progress ? *request.progress : unhindered;
  const std::string who = "external baseline '" + request.command.front() + "' ";
  try {
    Child child(arguments, request.folder, log);
    const int status = child.wait(request.time_limit, progress);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
      throw std::runtime_error((WIFEXITED(status)
                                    ? "ended with status " + std::to_string(WEXITSTATUS(status))
                                    : "was ended by signal " + std::to_string(WTERMSIG(status))) +
                               "; it said: " + tail_of(log));
    return std::make_unique<TablePredictor>(read_probabilities(out, data.rows));
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(who + error.what());
  }
}

}  // namespace

void register_external(engine::BaselineRegistry& registry) {
  registry.add({"external", {Regime::classification}, check_external, run_external});
}

}  // namespace seldon::worker

#include "programs/submit.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <regex>
#include <spawn.h>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "slurm/templates.h"

namespace seldon::programs {
namespace {

namespace fs = std::filesystem;

std::string absolute(const std::string& path) {
  return fs::absolute(path).lexically_normal().string();
}

/// What the job's own files are named after: the store, or `sweep` in the folder of a sweep.
std::string base_of(const SubmitRequest& request) {
  return absolute(request.sweep ? (fs::path(request.store_path) / "sweep").string() : request.store_path);
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

/// One word of a shell, whatever is in it.
std::string shell_quoted(const std::string& text) {
  if (text.find('\0') != std::string::npos) throw InputError("an argument holds a zero byte");
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'')
      quoted += "'\\''";
    else
      quoted += c;
  }
  return quoted += '\'';
}

/// The value of a #SBATCH option, which Slurm reads by rules of its own. `what` names it in errors.
std::string sbatch_quoted(const std::string& what, const std::string& text) {
  if (has_control_character(text) || text.find('\\') != std::string::npos)
    throw InputError(what +
                     " holds a line break, another control character or a backslash, which Slurm cannot "
                     "take: choose another one: " +
                     text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '\\';
    quoted += c;
  }
  return quoted += '"';
}

/// A file name in which Slurm would put job numbers for %j and the like.
std::string without_patterns(const std::string& path) {
  return std::regex_replace(path, std::regex("%"), "%%");
}

/// Seconds of a time limit; none if there is no limit.
std::optional<std::uint64_t> seconds_of(const std::string& time) {
  if (time == "UNLIMITED" || time == "INFINITE") return {};
  // minutes | minutes:seconds | hours:minutes:seconds | days-hours[:minutes[:seconds]]
  static const std::regex shape(R"((?:(\d{1,6})-)?(\d{1,8})(?::(\d{1,6}))?(?::(\d{1,6}))?)");
  std::smatch parts;
  if (!std::regex_match(time, parts, shape))
    throw InputError("--time " + time + " is none that Slurm knows; give MINUTES, HOURS:MINUTES:SECONDS or " +
                     "DAYS-HOURS[:MINUTES[:SECONDS]], such as 90, 12:00:00 or 2-0");
  const auto number = [&](std::size_t i) -> std::uint64_t {
    return parts[i].matched ? std::stoull(parts[i].str()) : 0;
  };
  if (parts[1].matched) return number(1) * 86400 + number(2) * 3600 + number(3) * 60 + number(4);
  if (parts[4].matched) return number(2) * 3600 + number(3) * 60 + number(4);
  return number(2) * 60 + number(3);
}

void check_numbers(const SubmitRequest& request) {
  const auto at_least_one = [](const char* option, std::optional<std::uint32_t> value) {
    if (value == 0u) throw InputError(std::string(option) + " is 0; give 1 or more");
  };
  at_least_one("--nodes", request.nodes);
  at_least_one("--gpus-per-node", request.gpus_per_node);
  at_least_one("--tasks-per-node", request.tasks_per_node);
  at_least_one("--grace", request.grace_seconds);
  if (request.grace_seconds > 65535) throw InputError("--grace is above 65535 seconds, Slurm's limit");
  if (request.time.empty()) return;
  const auto seconds = seconds_of(request.time);
  if (seconds && *seconds <= request.grace_seconds)
    throw InputError("--time " + request.time + " is not longer than --grace " +
                     std::to_string(request.grace_seconds) +
                     " seconds: every job would drain as soon as it starts. Give more time or less grace");
}

/// Of the grace time, what running packs get: the rest is for closing the store and taking leave of Slurm.
std::uint32_t grace_of_packs(std::uint32_t grace_seconds) {
  return grace_seconds - std::min(30u, grace_seconds / 2);
}

std::optional<std::uint32_t> tasks_per_node(const SubmitRequest& request) {
  return request.tasks_per_node ? request.tasks_per_node : request.gpus_per_node;
}

std::string directives(const SubmitRequest& request, std::uint32_t threads) {
  std::string text;
  const auto add = [&](const std::string& option) { text += "#SBATCH " + option + "\n"; };
  const auto add_value = [&](const std::string& option, const std::string& value) {
    if (!value.empty()) add(option + "=" + sbatch_quoted(option, value));
  };
  add_value("--job-name",
            request.job_name.empty() ? fs::path(request.config_path).stem().string() : request.job_name);
  add("--nodes=" + std::to_string(request.nodes));
  // Whole nodes where no number is given: the job counts their cores.
  if (const auto tasks = tasks_per_node(request))
    add("--ntasks-per-node=" + std::to_string(*tasks));
  else
    add("--exclusive");
  if (threads > 1) add("--cpus-per-task=" + std::to_string(threads));
  if (request.gpus_per_node) add("--gpus-per-node=" + std::to_string(*request.gpus_per_node));
  add_value("--time", request.time);
  add_value("--partition", request.partition);
  add_value("--account", request.account);
  for (const std::string& option : request.sbatch_options) {
    const auto equals = option.find('=');
    if (option.rfind("--", 0) != 0 || has_control_character(option))
      throw InputError("'" + option + "' is no option of sbatch; write it as --NAME or --NAME=VALUE");
    if (equals == std::string::npos)
      add(option);
    else
      add_value(option.substr(0, equals), option.substr(equals + 1));
  }
  const std::string log = sbatch_quoted("--store", without_patterns(base_of(request) + ".log"));
  add("--output=" + log);
  add("--open-mode=append");
  add("--requeue");
  add("--signal=B:USR1@" + std::to_string(request.grace_seconds));
  text.pop_back();
  return text;
}

/// Further flags of `seldon run`: `first` only for the first run of a chain.
struct RunFlags {
  std::vector<std::string> always, first;
};

RunFlags split(const std::vector<std::string>& run_flags) {
  RunFlags flags;
  for (auto flag = run_flags.begin(); flag != run_flags.end(); ++flag) {
    const bool retry = *flag == "--retry" || flag->rfind("--retry=", 0) == 0;
    auto& part = retry ? flags.first : flags.always;
    part.push_back(*flag);
    if (*flag == "--retry" && std::next(flag) != run_flags.end()) part.push_back(*++flag);
  }
  return flags;
}

std::string settings(const SubmitRequest& request, std::uint32_t threads) {
  const std::string program = absolute(request.program);
  const std::string store = absolute(request.store_path);
  std::vector<std::string> arguments{absolute(request.config_path), "--store", store};
  if (!request.log_folder.empty())
    arguments.insert(arguments.end(), {"--log-dir", absolute(request.log_folder)});
  arguments.insert(arguments.end(),
                   {"--set", "run.grace_seconds=" + std::to_string(grace_of_packs(request.grace_seconds))});
  for (const std::string& pair : request.overrides) arguments.insert(arguments.end(), {"--set", pair});
  const RunFlags flags = split(request.run_flags);
  arguments.insert(arguments.end(), flags.always.begin(), flags.always.end());

  std::string text;
  const auto set = [&](const std::string& name, const std::string& value) {
    text += name + "=" + shell_quoted(value) + "\n";
  };
  set("folder", fs::current_path().string());
  set("script", base_of(request) + ".sbatch");
  set("seldon", program);
  set("report", (fs::path(program).parent_path() / "seldon-report").string());
  set("store", base_of(request));
  set("results", store);
  set("env_file", request.env_file.empty() ? "" : absolute(request.env_file));
  const auto tasks = tasks_per_node(request);
  text += "tasks_per_node=" + (tasks ? std::to_string(*tasks) : "") + "\n";
  text += "threads=" + std::to_string(threads) + "\n";
  const auto set_array = [&](const std::string& name, const std::vector<std::string>& values) {
    text += name + "=(";
    for (const std::string& value : values) text += "\n  " + shell_quoted(value);
    text += "\n)\n";
  };
  set_array("run_arguments", arguments);
  set_array("first_arguments", flags.first);
  return text;
}

void replace(std::string& text, const std::string& mark, std::string by) {
  while (!by.empty() && by.back() == '\n') by.pop_back();
  const auto at = text.find(mark);
  if (at == std::string::npos) throw InternalError("slurm/job.sh lacks " + mark);
  text.replace(at, mark.size(), by);
}

/// Path of the running program.
std::string own_program() {
  return fs::read_symlink("/proc/self/exe").string();
}

void make_folder(const std::string& path) {
  std::error_code failed, ignored;
  fs::create_directories(path, failed);
  if (!fs::is_directory(path, ignored))
    throw InputError("cannot make the folder " + path + ": " +
                     (failed ? failed.message() : "there is a file of that name") +
                     "; a sweep keeps its stores there, name another --store");
}

void write_script(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  std::error_code failed;
  fs::permissions(path, fs::perms::owner_exec, fs::perm_options::add, failed);
  if (!file || failed)
    throw InputError("cannot write the job script " + path + ": " +
                     (failed ? failed.message() : std::strerror(errno)) +
                     "; it goes beside the store, whose folder must exist and be writable");
}

/// Runs sbatch, which speaks for itself on the terminal, and returns its exit status.
int run_sbatch(const std::string& script) {
  std::string name = "sbatch", argument = script;
  char* const arguments[] = {name.data(), argument.data(), nullptr};
  pid_t pid = 0;
  const int failure = posix_spawnp(&pid, "sbatch", nullptr, nullptr, arguments, environ);
  if (failure != 0)
    throw InputError("cannot start sbatch (" + std::string(std::strerror(failure)) +
                     "): submit where Slurm is at hand. The script is written: sbatch " +
                     shell_quoted(script));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) throw InternalError("waiting for sbatch: " + std::string(std::strerror(errno)));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

std::string job_script(const SubmitRequest& given, std::uint32_t threads_per_worker) {
  SubmitRequest request = given;
  if (request.program.empty()) request.program = own_program();
  check_numbers(request);
  std::string text = job_template;
  // From the last mark to the first: what is filled in may hold anything.
  replace(text, "@LAUNCHER@",
          request.launcher == JobLauncher::srun ? launch_srun_template : launch_mpirun_template);
  replace(text, "@SETTINGS@", settings(request, threads_per_worker));
  replace(text, "@SBATCH@", directives(request, threads_per_worker));
  return text;
}

ExitCode submit(const SubmitRequest& request) {
  const std::uint32_t threads = request.check();
  if (!request.env_file.empty() && !std::ifstream(request.env_file))
    throw InputError("cannot read --env " + request.env_file + ": " + std::strerror(errno) +
                     "; it holds what the job does first, such as `module load openmpi`");
  const std::string script = job_script(request, threads);
  if (request.dry_run) {
    std::cout << script << std::flush;
    return ExitCode::complete;
  }
  const std::string path = base_of(request) + ".sbatch";
  if (request.sweep) make_folder(request.store_path);
  write_script(path, script);
  const int status = run_sbatch(path);
  if (status != 0)
    throw InputError("sbatch refused the job (status " + std::to_string(status) + "); its reason is above. " +
                     "Change the options, or the script, and then: sbatch " + shell_quoted(path));
  std::cout << "Script " << path << ", output " << base_of(request) << ".log\n"
            << "Follow it: seldon-report status " << shell_quoted(request.store_path) << " --watch\n"
            << "Stop it: squeue --me, then scancel JOB\n"
            << std::flush;
  return ExitCode::complete;
}

}  // namespace seldon::programs

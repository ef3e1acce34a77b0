#include "programs/sweep_run.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <sys/resource.h>
#include <utility>

#include <spdlog/spdlog.h>

#include "programs/errors.h"
#include "programs/signals.h"

namespace seldon::programs {
namespace {

namespace fs = std::filesystem;

constexpr rlim_t files_per_store = 4;   // the store, its lock, its log of packs, one that is being renewed
constexpr rlim_t files_besides = 1024;  // of MPI and libraries

/// Allows this process as many open files as so many stores need.
void allow_open_files(std::size_t stores) {
  const rlim_t needed = files_besides + files_per_store * stores;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return;
  if (limit.rlim_max < needed)
    throw InputError("a sweep of " + std::to_string(stores) + " experiments needs " + std::to_string(needed) +
                     " open files, and the system allows this process " + std::to_string(limit.rlim_max) +
                     " (ulimit -Hn); have that raised, or cut the sweep into several, each with a folder "
                     "of its own");
  limit.rlim_cur = needed;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void make_folder(const std::string& folder) {
  std::error_code error, ignored;
  fs::create_directories(folder, error);
  if (fs::is_directory(folder, ignored)) return;
  if (fs::exists(folder, ignored))
    throw InputError("--store " + folder + " is a file, and a sweep needs a folder for its stores; name one");
  throw InputError("the folder " + folder + " cannot be made: " + error.message() +
                   "; name one that can with --store");
}

std::uint64_t count(const std::array<std::uint64_t, 6>& counts, CellState state) {
  return counts[static_cast<std::size_t>(state)];
}

std::uint64_t sum(const std::array<std::uint64_t, 6>& counts) {
  std::uint64_t all = 0;
  for (const std::uint64_t cells : counts) all += cells;
  return all;
}

bool is_complete(const Member& member) {
  const auto counts = member.counts_by_state();
  return count(counts, CellState::done) == sum(counts);
}

std::string words(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "something was thrown that is no error";
  }
}

ExitCode code_of_any(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return code_of(known);
  } catch (...) {
    return ExitCode::internal;
  }
}

}  // namespace

SweepRun::SweepRun(const RunRequest& request, SweepPlan plan)
    : request_(request), plan_(std::move(plan)), folder_(request.store_path), summary_(request.store_path) {
  make_folder(folder_);
  allow_open_files(plan_.entries.size());
  lock_.emplace(folder_, store::LockOptions{.take_over = request.take_over, .told_to_end = [] {
                                              return asked_by_signal() != Asked::nothing;
                                            }});
  manifest_.sweep = fs::absolute(plan_.path).lexically_normal().string();
  manifest_.keys = plan_.keys;
  for (const SweepEntry& entry : plan_.entries)
    manifest_.experiments.push_back({entry.name, entry.config, entry.values, std::nullopt, ""});
  write_manifest();
}

std::vector<std::unique_ptr<Member>> SweepRun::open() {
  std::vector<std::unique_ptr<Member>> members;
  for (const SweepEntry& entry : plan_.entries) {
    if (asked_by_signal() != Asked::nothing)
      throw IncompleteError("asked to end before the experiments were prepared; the same command goes on");
    try {
      members.push_back(open(entry));
    } catch (...) {
      trouble(entry.name, std::current_exception());
    }
  }
  // What they share, the data for example, is held by those that are there now.
  for (SweepEntry& entry : plan_.entries) entry.prepare = nullptr;
  write_manifest();
  return members;
}

std::unique_ptr<Member> SweepRun::open(const SweepEntry& entry) {
  RunRequest own = request_;
  own.store_path = store::member_path(folder_, entry.name);
  // The run that held the folder is dead, so no time is lost on finding that out again for each store.
  own.take_over = request_.take_over || lock_->left_behind(own.store_path);
  return std::make_unique<Member>(entry.name, own, entry.prepare(own.store_path));
}

store::SweptExperiment& SweepRun::known(const std::string& name) {
  return *std::ranges::find(manifest_.experiments, name, &store::SweptExperiment::name);
}

void SweepRun::trouble(const std::string& name, const std::exception_ptr& error) {
  store::SweptExperiment& experiment = known(name);
  if (experiment.trouble) return;
  experiment.trouble = code_of_any(error);
  experiment.message = words(error);
  spdlog::error("experiment {}: {}", name, experiment.message);
}

void SweepRun::write_manifest() {
  try {
    store::write_manifest(folder_, manifest_);
  } catch (const IncompleteError& error) {
    spdlog::warn("{}; the run goes on, but seldon-report status may not see all experiments", error.what());
  }
}

std::string SweepRun::state(const store::SweptExperiment& experiment, const Member* member,
                            bool running) const {
  if (experiment.trouble == ExitCode::bad_input) return "bad_input";
  if (experiment.trouble == ExitCode::internal) return "internal_error";
  if (experiment.trouble || !member) return "incomplete";
  const auto counts = member->counts_by_state();
  if (count(counts, CellState::done) == sum(counts)) return "complete";
  if (count(counts, CellState::done) + count(counts, CellState::failed) == sum(counts)) return "failed";
  return running ? "running" : "incomplete";
}

void SweepRun::write_summary(const std::vector<std::unique_ptr<Member>>& members, bool running) {
  std::map<std::string, const Member*> by_name;
  for (const auto& member : members) by_name[member->name()] = member.get();
  std::vector<SummaryRow> rows;
  for (const store::SweptExperiment& experiment : manifest_.experiments) {
    const auto found = by_name.find(experiment.name);
    const Member* member = found == by_name.end() ? nullptr : found->second;
    SummaryRow& row = rows.emplace_back();
    row.name = experiment.name;
    row.config = experiment.config;
    row.values = experiment.values;
    row.state = state(experiment, member, running);
    row.message = experiment.message;
    if (!member) continue;
    const auto counts = member->counts_by_state();
    row.cells = sum(counts);
    row.done = count(counts, CellState::done);
    row.failed = count(counts, CellState::failed);
    row.no_solution = member->tally().no_solution();
    row.models = member->tally().models();
  }
  summary_.write(summary_csv(plan_.keys, rows));
}

ExitCode SweepRun::code(const std::vector<std::unique_ptr<Member>>& members) const {
  bool bad_input = false, incomplete = false;
  for (const store::SweptExperiment& experiment : manifest_.experiments) {
    if (experiment.trouble == ExitCode::internal) return ExitCode::internal;
    bad_input = bad_input || experiment.trouble == ExitCode::bad_input;
    incomplete = incomplete || experiment.trouble == ExitCode::incomplete;
  }
  incomplete =
      incomplete || std::ranges::any_of(members, [&](const auto& member) {
        const auto& trouble =
            std::ranges::find(manifest_.experiments, member->name(), &store::SweptExperiment::name)->trouble;
        return !trouble && !is_complete(*member);
      });
  return incomplete ? ExitCode::incomplete : bad_input ? ExitCode::bad_input : ExitCode::complete;
}

std::size_t SweepRun::complete(const std::vector<std::unique_ptr<Member>>& members) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(members, [](const auto& member) { return is_complete(*member); }));
}

std::size_t SweepRun::to_be_opened() const {
  return static_cast<std::size_t>(
      std::ranges::count(manifest_.experiments, ExitCode::incomplete, &store::SweptExperiment::trouble));
}

}  // namespace seldon::programs

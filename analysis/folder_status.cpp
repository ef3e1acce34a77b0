#include "analysis/folder_status.h"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <set>

#include "store/sweep_folder.h"

namespace seldon::analysis {
namespace {

namespace fs = std::filesystem;

/// Names of the stores in the folder, sorted.
std::set<std::string> stores_in(const std::string& folder) {
  std::set<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".h5") names.insert(entry.path().stem().string());
  if (error) throw InputError("the folder '" + folder + "' cannot be read: " + error.message());
  return names;
}

/// The experiments of the sweep or, where no run has listed them, of the stores.
std::vector<SweptStatus> listed(const std::optional<store::SweepManifest>& manifest,
                                const std::set<std::string>& stores) {
  std::vector<SweptStatus> experiments;
  if (!manifest) {
    for (const std::string& name : stores) experiments.push_back({name, std::nullopt, std::nullopt, ""});
    return experiments;
  }
  for (const auto& experiment : manifest->experiments)
    experiments.push_back({experiment.name, std::nullopt, experiment.trouble, experiment.message});
  return experiments;
}

void add(Status& whole, const Status& part) {
  whole.cells += part.cells;
  whole.final_cells += part.final_cells;
  whole.failed += part.failed;
  whole.leased += part.leased;
  if (whole.version.empty()) whole.version = part.version;
}

bool is_complete(const SweptStatus& experiment) {
  return experiment.state() == "complete";
}

}  // namespace

std::string SweptStatus::state() const {
  if (trouble == ExitCode::bad_input) return "bad_input";
  if (trouble == ExitCode::internal) return "internal_error";
  if (trouble || !status || status->final_cells < status->cells) return "incomplete";
  return status->failed > 0 ? "failed" : "complete";
}

std::size_t FolderStatus::complete() const {
  return static_cast<std::size_t>(std::ranges::count_if(experiments, is_complete));
}

ExitCode FolderStatus::exit_code() const {
  const auto any = [&](const std::string& state) {
    return std::ranges::any_of(experiments, [&](const SweptStatus& one) { return one.state() == state; });
  };
  if (any("internal_error")) return ExitCode::internal;
  if (any("incomplete") || any("failed")) return ExitCode::incomplete;
  return any("bad_input") ? ExitCode::bad_input : ExitCode::complete;
}

FolderStatus status_of_folder(const std::string& folder, double now) {
  const auto manifest = store::read_manifest(folder);
  const auto stores = stores_in(folder);
  if (!manifest && stores.empty())
    throw InputError("the folder '" + folder +
                     "' holds no store, and no run of a sweep has begun in it; name a store, or the folder "
                     "that --store of the run named");
  FolderStatus status;
  status.folder = folder;
  if (manifest) status.sweep = manifest->sweep;
  status.experiments = listed(manifest, stores);
  status.whole.now = now;
  std::size_t found = 0;
  for (SweptStatus& experiment : status.experiments) {
    if (!stores.contains(experiment.name)) continue;
    ++found;
    try {
      experiment.status = status_of_states(store::member_path(folder, experiment.name), now);
      add(status.whole, *experiment.status);
    } catch (const InputError& error) {
      experiment.trouble = ExitCode::bad_input;
      experiment.message = error.what();
    }
  }
  status.others = stores.size() - found;
  add_live(status.whole, store::sweep_base(folder));
  return status;
}

std::uint64_t count_cells_in_folder(const std::string& folder, const std::string& state) {
  std::uint64_t sum = 0;
  bool any = false;
  std::exception_ptr unreadable;
  const auto stores = stores_in(folder);
  for (const SweptStatus& experiment : listed(store::read_manifest(folder), stores)) {
    if (!stores.contains(experiment.name)) continue;
    try {
      sum += count_cells(store::member_path(folder, experiment.name), state);
      any = true;
    } catch (const InputError&) {
      unreadable = std::current_exception();
    }
  }
  if (!any && unreadable) std::rethrow_exception(unreadable);
  return sum;
}

}  // namespace seldon::analysis

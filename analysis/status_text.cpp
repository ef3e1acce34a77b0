#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include "analysis/folder_status.h"
#include "analysis/status.h"
#include "analysis/text.h"
#include "analysis/toolkit/export.h"

namespace seldon::analysis {
namespace {

/// For people: "0.6105".
std::string four_digits(double value) {
  std::array<char, 32> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, 4);
  return {text.data(), end.ptr};
}

constexpr std::size_t hosts_shown = 4, workers_shown = 12;

// ---- words ----------------------------------------------------------------------------------------------

std::string percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? "-" : fixed(100.0 * static_cast<double>(part) / static_cast<double>(whole), 1) + " %";
}

std::string left(const std::string& text, std::size_t width) {
  const auto used = length(text);
  return text + std::string(used < width ? width - used : 0, ' ');
}

std::string right(const std::string& text, std::size_t width) {
  const auto used = length(text);
  return std::string(used < width ? width - used : 0, ' ') + text;
}

// ---- the experiment -------------------------------------------------------------------------------------

std::string table_of_models(const Status& status) {
  std::size_t name_width = 5;
  for (const auto& model : status.models) name_width = std::max(name_width, length(one_line(model.name)));
  constexpr std::array order = {CellState::done, CellState::failed,    CellState::leased,
                                CellState::lost, CellState::preempted, CellState::pending};
  std::string text = "  " + left("model", name_width);
  for (auto state : order) text += right(std::string(name_of(state)), 10);
  if (status.solutions_known) text += right("solutions", 12) + right("rate", 10);
  text += "\n";
  for (const auto& model : status.models) {
    text += "  " + left(one_line(model.name), name_width);
    for (auto state : order) text += right(std::to_string(model.in(state)), 10);
    if (status.solutions_known)
      text += right(std::to_string(model.solutions), 12) +
              right(percent(model.solutions, model.in(CellState::done)), 10);
    text += "\n";
  }
  return text;
}

std::string progress_text(const Status& status) {
  const auto to_do = status.cells - status.final_cells;
  if (to_do == 0 && status.failed == 0) return "complete\n";
  if (to_do == 0)
    return std::to_string(status.failed) + (status.failed == 1 ? " cell" : " cells") +
           " failed; the same `seldon run` with --retry failed tries them again\n";
  const std::string text = std::to_string(to_do) + " cells to do";
  if (status.owner == Owner::running) return text + ", " + std::to_string(status.leased) + " under way\n";
  if (status.owner == Owner::unknown && status.pace)
    return text +
           "; running: " + fixed(status.pace->cells_per_second, status.pace->cells_per_second < 10 ? 2 : 0) +
           " cells/s, last record " + duration(status.pace->seconds_since_last) + " ago, about " +
           duration(status.pace->seconds_left) + " left at this rate\n";
  if (status.owner == Owner::unknown && status.leased > 0)
    return text + "; " + std::to_string(status.leased) +
           " are leased but nothing was recorded lately: the run has just begun, or was stopped (the same "
           "`seldon run` goes on)\n";
  return text + "; not running (the same `seldon run` goes on)\n";
}

/// "node1 (12), node2 (1), 3 more".
std::string hosts_text(const FailureGroup& group) {
  std::vector<std::pair<std::uint64_t, std::string>> hosts;
  for (const auto& [host, cells] : group.hosts)
    if (!host.empty()) hosts.emplace_back(cells, host);
  std::ranges::stable_sort(hosts, [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  for (std::size_t i = 0; i < std::min(hosts.size(), hosts_shown); ++i)
    text.append(i == 0 ? " on " : ", ")
        .append(one_line(hosts[i].second))
        .append(" (")
        .append(std::to_string(hosts[i].first))
        .append(")");
  if (hosts.size() > hosts_shown) text += ", " + std::to_string(hosts.size() - hosts_shown) + " more hosts";
  return text;
}

std::string failures_text(const Status& status) {
  std::string text;
  for (const auto& group : status.failures)
    text += "  " + std::to_string(group.cells) + " x " + group.message + hosts_text(group) +
            "  (first: " + one_line(group.model) + ", data fraction " + four_digits(group.fraction) +
            ", trial " + std::to_string(group.trial) + ")\n";
  return text;
}

// ---- what the run tells of itself -----------------------------------------------------------------------

std::string place_of(const store::LiveStatus& live) {
  std::string text;
  if (!live.job.empty()) text += "job " + one_line(live.job) + ", ";
  if (live.restarts > 0) text += "restart " + std::to_string(live.restarts) + ", ";
  return text + one_line(live.host) + ", process " + std::to_string(live.pid);
}

std::string run_text(const Status& status) {
  const auto& live = *status.live;
  const auto ago = duration(std::max(0.0, status.now - live.heartbeat)) + " ago";
  const auto reason = live.reason.empty() ? "" : "  nothing runs: " + one_line(live.reason) + "\n";
  if (status.owner == Owner::ended)
    return "the last run ended " + ago + " with exit code " + std::to_string(live.exit_code.value_or(0)) +
           " (" + place_of(live) + ")\n" + reason;
  if (status.owner == Owner::silent)
    return "the last run (" + place_of(live) + ") gave its last sign of life " + ago +
           ": it was killed, most likely\n" + reason;
  std::string text = "running: " + place_of(live) + "; alive " + ago + ", started " +
                     duration(std::max(0.0, status.now - live.started)) + " ago";
  if (live.ends_at) text += ", wall-time ends in " + duration(std::max(0.0, *live.ends_at - status.now));
  text += "\n  " + fixed(live.rate, live.rate < 10 ? 2 : 0) + " cells/s in the last minute";
  if (live.seconds_left) text += ", about " + duration(*live.seconds_left) + " left";
  return text + "\n" + reason;
}

std::string pack_text(const store::LivePack& pack) {
  const auto first = std::to_string(pack.first_trial);
  const auto trials = pack.width > 1
                          ? "trials " + first + "-" + std::to_string(pack.first_trial + pack.width - 1)
                          : "trial " + first;
  return one_line(pack.model) + ", data fraction " + four_digits(pack.fraction) + ", " + trials;
}

/// Those that have been at their pack for longest come first: that is where trouble is.
std::string workers_text(const store::LiveStatus& live) {
  const auto in_all = std::max<std::uint64_t>(live.workers_in_all, live.workers.size());
  if (in_all == 0) return "";
  std::string text = std::to_string(in_all) + (in_all == 1 ? " worker" : " workers");
  const char* separator = ": ";
  for (const auto& [phase, count] : live.phases) {
    text.append(separator).append(std::to_string(count)).append(" ").append(one_line(phase));
    separator = ", ";
  }
  auto workers = live.workers;
  std::ranges::stable_sort(workers, [](const auto& a, const auto& b) {
    return std::pair(a.pack.has_value(), a.seconds) > std::pair(b.pack.has_value(), b.seconds);
  });
  workers.resize(std::min(workers.size(), workers_shown));
  std::size_t host_width = 4;
  for (const auto& worker : workers) host_width = std::max(host_width, length(one_line(worker.host)));
  text += "\n" + right("rank", 7) + "  " + left("host", host_width) + right("for", 9) + right("done", 9) +
          right("failed", 8) + "  works on\n";
  for (const auto& worker : workers)
    text += right(std::to_string(worker.rank), 7) + "  " + left(one_line(worker.host), host_width) +
            right(duration(worker.seconds), 9) + right(std::to_string(worker.done), 9) +
            right(std::to_string(worker.failed), 8) + "  " +
            (worker.pack ? pack_text(*worker.pack) : "- (" + one_line(worker.phase) + ")") + "\n";
  if (in_all > workers.size()) text += "    ... and " + std::to_string(in_all - workers.size()) + " more\n";
  return text;
}

std::string_view name_of(Owner owner) {
  constexpr std::array<std::string_view, 4> names = {"unknown", "running", "ended", "silent"};
  return names[static_cast<std::size_t>(owner)];
}

}  // namespace

std::string status_text(const Status& status) {
  std::string text = one_line(status.experiment) + ": " + std::to_string(status.models.size()) +
                     " models x " + std::to_string(status.fractions) + " data fractions x " +
                     std::to_string(status.n_trials) + " trials = " + std::to_string(status.cells) +
                     " cells, created by seldon " + one_line(status.version) + "\n";
  text += std::to_string(status.final_cells) + " ended (" + percent(status.final_cells, status.cells) +
          "), " + progress_text(status);
  if (status.live) text += run_text(status);
  text += table_of_models(status);
  if (status.live && status.owner == Owner::running) {
    const auto workers = workers_text(*status.live);
    if (!workers.empty()) text += "\n" + workers;
  }
  std::string reasons;
  for (const auto& model : status.models)
    for (const auto& [reason, cells] : model.nsf)
      reasons += "  " + one_line(model.name) + ": " + std::to_string(cells) + " x " +
                 (reason.empty() ? "no reason recorded" : reason) + "\n";
  if (!reasons.empty()) text += "\nno solution found:\n" + reasons;
  if (!status.failures.empty()) text += "\nfailed cells:\n" + failures_text(status);
  return text;
}

std::string status_json(const Status& status) {
  using nlohmann::json;
  json object = {{"experiment", status.experiment}, {"version", status.version},
                 {"cells", status.cells},           {"ended", status.final_cells},
                 {"failed", status.failed},         {"run", name_of(status.owner)}};
  auto& models = object["models"] = json::array();
  for (const auto& model : status.models) {
    json entry = {{"name", model.name}};
    for (std::size_t state = 0; state < cell_states; ++state)
      entry[std::string(name_of(static_cast<CellState>(state)))] = model.cells[state];
    if (status.solutions_known) {
      entry["solutions"] = model.solutions;
      entry["no_solution_found"] = model.nsf;
    }
    models.push_back(std::move(entry));
  }
  auto& failures = object["failures"] = json::array();
  for (const auto& group : status.failures)
    failures.push_back(
        {{"message", group.message},
         {"cells", group.cells},
         {"hosts", group.hosts},
         {"first", {{"model", group.model}, {"fraction", group.fraction}, {"trial", group.trial}}}});
  if (status.live) object["live"] = json::parse(store::to_json(*status.live));
  return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

// ---- a folder -------------------------------------------------------------------------------------------

namespace {

std::uint64_t in_state(const Status& status, CellState state) {
  std::uint64_t cells = 0;
  for (const ModelStatus& model : status.models) cells += model.in(state);
  return cells;
}

std::string table_of_experiments(const FolderStatus& folder) {
  std::size_t name_width = 10;
  for (const auto& experiment : folder.experiments)
    name_width = std::max(name_width, length(one_line(experiment.name)));
  std::string text = "  " + left("experiment", name_width) + right("cells", 10) + right("done", 10) +
                     right("failed", 8) + right("leased", 8) + right("to do", 10) + "  state\n";
  for (const auto& experiment : folder.experiments) {
    text += "  " + left(one_line(experiment.name), name_width);
    if (const auto& status = experiment.status) {
      text += right(std::to_string(status->cells), 10) +
              right(std::to_string(in_state(*status, CellState::done)), 10) +
              right(std::to_string(status->failed), 8) + right(std::to_string(status->leased), 8) +
              right(std::to_string(status->cells - status->final_cells), 10);
    } else {
      text += right("-", 10) + right("-", 10) + right("-", 8) + right("-", 8) + right("-", 10);
    }
    text += "  " + experiment.state() + "\n";
  }
  return text;
}

std::string troubles_text(const FolderStatus& folder) {
  std::string text;
  for (const auto& experiment : folder.experiments) {
    if (!experiment.message.empty())
      text += "  " + one_line(experiment.name) + ": " + one_line(experiment.message) + "\n";
    if (!experiment.status) continue;
    for (const auto& group : experiment.status->failures)
      text += "  " + one_line(experiment.name) + ": " + std::to_string(group.cells) +
              " cells failed: " + group.message + "\n";
  }
  return text.empty() ? text : "\ntroubles:\n" + text;
}

}  // namespace

std::string status_text(const FolderStatus& folder) {
  const Status& whole = folder.whole;
  std::string text = "sweep " + one_line(folder.sweep.empty() ? folder.folder : folder.sweep) + ": " +
                     std::to_string(folder.experiments.size()) + " experiments, " +
                     std::to_string(folder.complete()) + " complete\n";
  text += std::to_string(whole.final_cells) + " of " + std::to_string(whole.cells) + " cells ended (" +
          percent(whole.final_cells, whole.cells) + ")";
  if (whole.failed > 0) text += ", " + std::to_string(whole.failed) + " of them failed";
  if (whole.owner == Owner::running) text += ", " + std::to_string(whole.leased) + " under way";
  text += "\n";
  if (whole.live) text += run_text(whole);
  text += table_of_experiments(folder);
  if (folder.others > 0)
    text += "  and " + std::to_string(folder.others) + " stores that the sweep does not have (any more)\n";
  if (whole.live && whole.owner == Owner::running) {
    const auto workers = workers_text(*whole.live);
    if (!workers.empty()) text += "\n" + workers;
  }
  return text + troubles_text(folder);
}

std::string status_json(const FolderStatus& folder) {
  using nlohmann::json;
  json object = {{"sweep", folder.sweep},
                 {"cells", folder.whole.cells},
                 {"ended", folder.whole.final_cells},
                 {"failed", folder.whole.failed},
                 {"complete", folder.complete()},
                 {"exit_code", static_cast<int>(folder.exit_code())},
                 {"run", name_of(folder.whole.owner)}};
  auto& experiments = object["experiments"] = json::array();
  for (const auto& experiment : folder.experiments) {
    json entry = {{"name", experiment.name}, {"state", experiment.state()}};
    if (!experiment.message.empty()) entry["message"] = experiment.message;
    if (experiment.status) entry["status"] = json::parse(status_json(*experiment.status));
    experiments.push_back(std::move(entry));
  }
  if (folder.whole.live) object["live"] = json::parse(store::to_json(*folder.whole.live));
  return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace seldon::analysis

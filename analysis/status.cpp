#include "analysis/status.h"

#include <algorithm>
#include <unistd.h>

#include "analysis/text.h"
#include "analysis/toolkit/export.h"
#include "core/error.h"
#include "core/process.h"

namespace seldon::analysis {
namespace {

constexpr std::size_t pace_cells = 500;      // how many of the latest records the rate is taken from
constexpr double silence_seconds = 120;      // how long a run may record nothing ...
constexpr double silence_longest_cells = 3;  // ... in lengths of its longest cell
constexpr std::size_t message_characters = 160;

std::array<std::uint64_t, cell_states> count(const std::vector<CellState>& states) {
  std::array<std::uint64_t, cell_states> cells{};
  for (const auto state : states)
    if (static_cast<std::size_t>(state) < cell_states) ++cells[static_cast<std::size_t>(state)];
  return cells;
}

ModelStatus status_of_model(const ModelResults& model) {
  ModelStatus status{model.header.name, count(model.states), 0, {}};
  for (std::size_t cell = 0; cell < model.states.size(); ++cell)
    if (model.solved(cell))
      ++status.solutions;
    else if (model.done(cell))
      ++status.nsf[std::string(seldon::name_of(model.reasons[cell]))];
  return status;
}

std::string first_line(const std::string& message) {
  const auto line = message.substr(0, message.find('\n'));
  return line.empty() ? "(no message)" : shortened(one_line(line), message_characters);
}

/// Adds the failed cells of one model.
void group_failures(std::vector<FailureGroup>& groups, const store::Header& header, const std::string& model,
                    const std::vector<CellState>& states, const std::vector<RunInfo>& runs) {
  for (std::size_t cell = 0; cell < states.size(); ++cell) {
    if (states[cell] != CellState::failed) continue;
    const auto message = first_line(runs.at(cell).message);
    auto group = std::ranges::find(groups, message, &FailureGroup::message);
    if (group == groups.end())
      group = groups.insert(groups.end(), {message,
                                           0,
                                           {},
                                           model,
                                           header.data_fracs[cell / header.n_trials],
                                           static_cast<std::uint32_t>(cell % header.n_trials)});
    ++group->cells;
    ++group->hosts[runs[cell].host];
  }
}

std::optional<Pace> pace_of(const Results& results, std::uint64_t to_do, double now) {
  struct Span {
    double start, end;
  };
  std::vector<Span> done;
  for (const auto& model : results.models)
    for (std::size_t cell = 0; cell < model.states.size(); ++cell)
      if (model.done(cell))
        done.push_back({model.runs.at(cell).start, model.runs[cell].start + model.runs[cell].seconds_total});
  if (done.empty()) return std::nullopt;
  std::ranges::sort(done, std::ranges::greater{}, &Span::end);
  const auto longest = std::ranges::max(done, {}, [](const Span& s) { return s.end - s.start; });
  const double last = done.front().end, since = now - last;
  if (since > std::max(silence_seconds, silence_longest_cells * (longest.end - longest.start)))
    return std::nullopt;

  done.resize(std::min(done.size(), pace_cells));
  const double first = std::ranges::min(done, {}, &Span::start).start;
  if (!(last > first)) return std::nullopt;
  const double rate = static_cast<double>(done.size()) / (last - first);
  return Pace{rate, std::max(0.0, since), static_cast<double>(to_do) / rate};
}

Status status_of_header(const store::Header& header, double now) {
  Status status;
  status.experiment = header.name;
  status.version = header.version;
  status.n_trials = header.n_trials;
  status.fractions = header.data_fracs.size();
  status.now = now;
  return status;
}

void add_model(Status& status, ModelStatus model) {
  for (const auto cells : model.cells) status.cells += cells;
  status.final_cells += model.in(CellState::done) + model.in(CellState::failed);
  status.failed += model.in(CellState::failed);
  status.leased += model.in(CellState::leased);
  status.models.push_back(std::move(model));
}

void sort_failures(Status& status) {
  std::ranges::stable_sort(status.failures, std::ranges::greater{}, &FailureGroup::cells);
}

std::string this_host() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

Owner owner_of(const store::LiveStatus& live, double now) {
  if (live.exit_code) return Owner::ended;
  if (now - live.heartbeat > store::live_seconds_until_silent) return Owner::silent;
  if (live.host != this_host()) return Owner::running;
  const auto process = find_process(live.pid);
  return process && process->started == live.process_start ? Owner::running : Owner::silent;
}

}  // namespace

Status status_of(const Results& results, double now) {
  Status status = status_of_header(results.header, now);
  status.solutions_known = true;
  for (const auto& model : results.models) {
    add_model(status, status_of_model(model));
    group_failures(status.failures, results.header, model.header.name, model.states, model.runs);
  }
  sort_failures(status);
  if (status.leased > 0) status.pace = pace_of(results, status.cells - status.final_cells, now);
  return status;
}

Status status_of_states(const std::string& store, double now) {
  const store::Reader reader(store);
  const auto& header = reader.header();
  Status status = status_of_header(header, now);
  for (std::uint32_t m = 0; m < header.models.size(); ++m) {
    const auto states = reader.states(m);
    ModelStatus model{header.models[m].name, count(states), 0, {}};
    if (model.in(CellState::failed) > 0)
      group_failures(status.failures, header, model.name, states, reader.runs(m));
    add_model(status, std::move(model));
  }
  sort_failures(status);
  return status;
}

void add_live(Status& status, const std::string& store) {
  status.live = store::read_live_status(store);
  if (status.live) status.owner = owner_of(*status.live, status.now);
}

std::uint64_t progress(const std::string& store) {
  const store::Reader reader(store);
  std::uint64_t sum = 0;
  for (std::uint32_t m = 0; m < reader.header().models.size(); ++m) {
    for (const CellState state : reader.states(m)) sum += state == CellState::done;
    for (const RunInfo& run : reader.runs(m))
      sum += run.failures + run.suspicion.level + run.suspicion.deaths;
  }
  return sum;
}

std::uint64_t count_cells(const std::string& store, const std::string& state) {
  if (state == "progress") return progress(store);
  const store::Reader reader(store);
  std::array<std::uint64_t, cell_states> cells{};
  for (std::uint32_t m = 0; m < reader.header().models.size(); ++m) {
    const auto of_model = count(reader.states(m));
    std::ranges::transform(cells, of_model, cells.begin(), std::plus{});
  }
  std::uint64_t all = 0;
  std::string known = "all, progress";
  for (std::size_t s = 0; s < cell_states; ++s) {
    const auto name = name_of(static_cast<CellState>(s));
    if (name == state) return cells[s];
    known.append(", ").append(name);
    all += cells[s];
  }
  if (state == "all") return all;
  throw InputError("--count: there is no state '" + state + "'; there are: " + known);
}

}  // namespace seldon::analysis

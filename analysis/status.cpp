#include "analysis/status.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/export.h"
#include "analysis/text.h"

namespace seldon::analysis {
namespace {

constexpr std::size_t pace_cells = 500;      // how many of the latest records the rate is taken from
constexpr double silence_seconds = 120;      // how long a run may record nothing ...
constexpr double silence_longest_cells = 3;  // ... in lengths of its longest cell
constexpr std::size_t message_characters = 160;

ModelStatus status_of_model(const ModelResults& model) {
  ModelStatus status;
  status.name = model.header.name;
  for (std::size_t cell = 0; cell < model.states.size(); ++cell) {
    const auto state = static_cast<std::size_t>(model.states[cell]);
    if (state < cell_states) ++status.cells[state];
    if (model.solved(cell))
      ++status.solutions;
    else if (model.done(cell))
      ++status.nsf[std::string(seldon::name_of(model.reasons[cell]))];
  }
  return status;
}

std::string first_line(const std::string& message) {
  const auto line = message.substr(0, message.find('\n'));
  return line.empty() ? "(no message)" : shortened(one_line(line), message_characters);
}

std::vector<FailureGroup> group_failures(const Results& results) {
  std::vector<FailureGroup> groups;
  for (const auto& model : results.models)
    for (std::size_t cell = 0; cell < model.states.size(); ++cell) {
      if (model.states[cell] != CellState::failed) continue;
      const auto message = first_line(model.runs.at(cell).message);
      auto group = std::ranges::find(groups, message, &FailureGroup::message);
      if (group == groups.end()) {
        const auto trials = results.header.n_trials;
        groups.push_back({message, 0, model.header.name, results.header.data_fracs[cell / trials],
                          static_cast<std::uint32_t>(cell % trials)});
        group = groups.end() - 1;
      }
      ++group->cells;
    }
  std::ranges::stable_sort(groups, std::ranges::greater{}, &FailureGroup::cells);
  return groups;
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

std::string duration(double seconds) {
  if (seconds < 100) return fixed(seconds, 0) + " s";
  if (seconds < 6000) return fixed(seconds / 60, 0) + " min";
  if (seconds < 48 * 3600) return fixed(seconds / 3600, 1) + " h";
  return fixed(seconds / 86400, 1) + " days";
}

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

std::string table_of_models(const Status& status) {
  std::size_t name_width = 5;
  for (const auto& model : status.models) name_width = std::max(name_width, length(one_line(model.name)));
  constexpr std::array order = {CellState::done, CellState::failed,    CellState::leased,
                                CellState::lost, CellState::preempted, CellState::pending};
  std::string text = "  " + left("model", name_width);
  for (auto state : order) text += right(std::string(name_of(state)), 10);
  text += right("solutions", 12) + right("rate", 10) + "\n";
  for (const auto& model : status.models) {
    text += "  " + left(one_line(model.name), name_width);
    for (auto state : order) text += right(std::to_string(model.cells[static_cast<std::size_t>(state)]), 10);
    text += right(std::to_string(model.solutions), 12) +
            right(percent(model.solutions, model.cells[static_cast<std::size_t>(CellState::done)]), 10) +
            "\n";
  }
  return text;
}

std::string progress_text(const Status& status) {
  const auto to_do = status.cells - status.final_cells;
  if (to_do == 0 && status.failed == 0) return "complete\n";
  if (to_do == 0)
    return std::to_string(status.failed) + (status.failed == 1 ? " cell" : " cells") +
           " failed; the same `seldon run` with --retry failed tries them again\n";
  std::string text = std::to_string(to_do) + " cells to do";
  if (status.pace)
    return text +
           "; running: " + fixed(status.pace->cells_per_second, status.pace->cells_per_second < 10 ? 2 : 0) +
           " cells/s, last record " + duration(status.pace->seconds_since_last) + " ago, about " +
           duration(status.pace->seconds_left) + " left at this rate\n";
  if (status.leased > 0)
    return text + "; " + std::to_string(status.leased) +
           " are leased but nothing was recorded lately: the run has just begun, or was stopped (the same "
           "`seldon run` goes on)\n";
  return text + "; not running (the same `seldon run` goes on)\n";
}

}  // namespace

Status status_of(const Results& results, double now) {
  const auto& header = results.header;
  Status status;
  status.experiment = header.name;
  status.version = header.version;
  status.n_trials = header.n_trials;
  status.fractions = header.data_fracs.size();
  for (const auto& model : results.models) {
    status.models.push_back(status_of_model(model));
    const auto& cells = status.models.back().cells;
    status.cells += model.states.size();
    const auto failed = cells[static_cast<std::size_t>(CellState::failed)];
    status.final_cells += cells[static_cast<std::size_t>(CellState::done)] + failed;
    status.failed += failed;
    status.leased += cells[static_cast<std::size_t>(CellState::leased)];
  }
  status.failures = group_failures(results);
  if (status.leased > 0) status.pace = pace_of(results, status.cells - status.final_cells, now);
  return status;
}

std::string status_text(const Status& status) {
  std::string text = one_line(status.experiment) + ": " + std::to_string(status.models.size()) +
                     " models x " + std::to_string(status.fractions) + " data fractions x " +
                     std::to_string(status.n_trials) + " trials = " + std::to_string(status.cells) +
                     " cells, created by seldon " + one_line(status.version) + "\n";
  text += std::to_string(status.final_cells) + " ended (" + percent(status.final_cells, status.cells) +
          "), " + progress_text(status) + "\n" + table_of_models(status);
  std::string reasons;
  for (const auto& model : status.models)
    for (const auto& [reason, cells] : model.nsf)
      reasons += "  " + one_line(model.name) + ": " + std::to_string(cells) + " x " +
                 (reason.empty() ? "no reason recorded" : reason) + "\n";
  if (!reasons.empty()) text += "\nno solution found:\n" + reasons;
  if (!status.failures.empty()) text += "\nfailed cells:\n";
  for (const auto& group : status.failures)
    text += "  " + std::to_string(group.cells) + " x " + group.message +
            "  (first: " + one_line(group.model) + ", data fraction " + shortest(group.fraction) +
            ", trial " + std::to_string(group.trial) + ")\n";
  return text;
}

}  // namespace seldon::analysis

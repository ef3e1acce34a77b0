#include "analysis/toolkit/export.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/output.h"
#include "analysis/text.h"
#include "core/error.h"

namespace seldon::analysis {
namespace {

std::string or_empty(double value, std::string (*text)(double)) {
  return std::isnan(value) ? "" : text(value);
}

const char* python_bool(bool value) {
  return value ? "True" : "False";
}

/// A folder's name made from a model's: nothing that leads elsewhere.
void check_folder_name(const std::string& name) {
  const bool plain = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
  if (!plain || name.empty())
    throw InputError(
        "the model '" + one_line(name) +
        "' cannot name a folder (letters, digits, '_', '-' and '.' only); export with --layout tidy");
}

/// Performance measures of all models, in the order in which they first appear.
std::vector<std::string> all_measures(const Results& results) {
  std::vector<std::string> names;
  for (const auto& model : results.models)
    for (const auto& name : model.header.shape.performance)
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  return names;
}

/// One line of cells.csv, field by field.
class Line {
 public:
  Line& add(std::string_view field) {
    if (!text_.empty()) text_ += ',';
    text_ += csv_field(field);
    return *this;
  }
  std::string end() && {
    text_ += '\n';
    return std::move(text_);
  }

 private:
  std::string text_;
};

class TidyModel {
 public:
  TidyModel(const Results& results, const ModelResults& model, const Selection& selection)
      : results_(results), model_(model), truth_(truth_index(model.header.shape, selection)) {
    for (const auto& measure : all_measures(results)) {
      const auto& own = model.header.shape.performance;
      measures_.push_back(static_cast<std::size_t>(std::ranges::find(own, measure) - own.begin()));
    }
    for (const auto& constraint : results.header.constraints) {
      const auto index = constraint_index(model.header.shape, constraint.name);
      constraints_.push_back(index);
      rules_.push_back(index ? rule_index(model.header.shape, constraint, selection) : 0);
    }
  }

  std::string line(std::size_t fraction, std::size_t trial) const {
    const auto& header = results_.header;
    const std::size_t cell = fraction * header.n_trials + trial;
    const bool done = model_.done(cell);
    Line line;
    line.add(model_.header.name).add(shortest(header.data_fracs[fraction]));
    line.add(std::to_string(done ? static_cast<std::uint64_t>(model_.rows[cell]) : header.rows[fraction]));
    line.add(std::to_string(trial)).add(name_of(model_.states[cell]));
    line.add(done ? python_bool(model_.solved(cell)) : "")
        .add(done ? seldon::name_of(model_.reasons[cell]) : "");
    for (auto measure : measures_)
      line.add(done ? or_empty(model_.performance_at(cell, truth_, measure), shortest) : "");
    for (std::size_t c = 0; c < constraints_.size(); ++c) add_constraint(line, cell, c);
    const auto& run = model_.runs.at(cell);
    line.add(done ? or_empty(run.seconds_total, shortest) : "").add(std::to_string(run.attempt));
    return std::move(line).end();
  }

 private:
  void add_constraint(Line& line, std::size_t cell, std::size_t c) const {
    const auto& index = constraints_[c];
    if (!model_.done(cell) || !index) {
      line.add("").add("").add("");
      return;
    }
    const double g = model_.g_at(cell, *index, rules_[c], truth_);
    const bool known = !model_.solved(cell) || g_is_known(model_.header.shape, rules_[c]);
    line.add(known ? or_empty(g, shortest) : "").add(python_bool(has_failed(g)));
    line.add(or_empty(model_.upper_at(cell, *index), shortest));
  }

  const Results& results_;
  const ModelResults& model_;
  std::size_t truth_;
  std::vector<std::size_t> measures_;
  std::vector<std::optional<std::size_t>> constraints_;
  std::vector<std::size_t> rules_;
};

/// The fields of the toolkit's layout that depend on rule and truth.
class ToolkitColumns {
 public:
  ToolkitColumns(const Results& results, const ModelResults& model, const Selection& selection)
      : model_(model), truth_(truth_index(model.header.shape, selection)) {
    const auto& shape = model.header.shape;
    for (const auto& constraint : results.header.constraints)
      if (const auto index = constraint_index(shape, constraint.name)) {
        constraints_.emplace_back(*index, rule_index(shape, constraint, selection));
        g_known_ = g_known_ && g_is_known(shape, constraints_.back().second);
      }
  }
  /// Else the toolkit's older column `failed` takes the place of gvec.
  bool g_known() const { return g_known_; }
  std::string performance(std::size_t cell) const {
    return model_.solved(cell) ? or_empty(model_.performance_at(cell, truth_, 0), python_repr) : "";
  }
  std::string violation(std::size_t cell) const {
    std::vector<double> g;
    for (const auto& [index, rule] : constraints_) g.push_back(model_.g_at(cell, index, rule, truth_));
    return g_known_ ? csv_field(numpy_str(g)) : python_bool(std::ranges::any_of(g, has_failed));
  }

 private:
  const ModelResults& model_;
  std::size_t truth_;
  std::vector<std::pair<std::size_t, std::size_t>> constraints_;  ///< index and rule
  bool g_known_ = true;
};

}  // namespace

std::string_view name_of(CellState state) {
  switch (state) {
    case CellState::pending:
      return "pending";
    case CellState::leased:
      return "leased";
    case CellState::done:
      return "done";
    case CellState::failed:
      return "failed";
    case CellState::lost:
      return "lost";
    case CellState::preempted:
      return "preempted";
  }
  return "unknown";
}

std::string toolkit_csv(const Results& results, std::size_t model_index, const Selection& selection) {
  const auto& header = results.header;
  const auto& model = results.models[model_index];
  const ToolkitColumns columns(results, model, selection);
  const bool seldonian = model.header.kind == "seldonian";
  std::string text = "data_frac,trial_i,performance,";
  text.append(seldonian ? "passed_safety," : "").append(columns.g_known() ? "gvec\n" : "failed\n");
  for (std::size_t cell = 0; cell < model.states.size(); ++cell) {
    if (!model.done(cell)) continue;
    text.append(python_repr(header.data_fracs[cell / header.n_trials])).append(",");
    text.append(std::to_string(cell % header.n_trials)).append(",");
    text.append(columns.performance(cell)).append(",");
    if (seldonian) text.append(python_bool(model.solved(cell))).append(",");
    text.append(columns.violation(cell)).append("\n");
  }
  return text;
}

std::size_t export_toolkit(const Results& results, const Selection& selection,
                           const std::filesystem::path& folder) {
  for (const auto& model : results.models) check_folder_name(model.header.name);
  std::size_t left_out = 0;
  for (std::size_t m = 0; m < results.models.size(); ++m) {
    const auto& model = results.models[m];
    const auto name = model.header.name + "_results";
    make_folder(folder / name);
    write_file(folder / name / (name + ".csv"), toolkit_csv(results, m, selection));
    left_out += static_cast<std::size_t>(
        std::ranges::count_if(model.states, [](CellState state) { return state != CellState::done; }));
  }
  return left_out;
}

std::string tidy_csv(const Results& results, const Selection& selection) {
  const auto& header = results.header;
  Line names;
  for (const char* name : {"model", "data_frac", "n", "trial", "state", "passed_safety", "nsf_reason"})
    names.add(name);
  for (const auto& measure : all_measures(results)) names.add(measure);
  for (const auto& constraint : header.constraints)
    for (const char* prefix : {"g_", "failed_", "upper_"}) names.add(prefix + constraint.name);
  names.add("seconds").add("attempt");

  std::string text = std::move(names).end();
  for (const auto& model : results.models) {
    const TidyModel lines(results, model, selection);
    for (std::size_t fraction = 0; fraction < header.data_fracs.size(); ++fraction)
      for (std::size_t trial = 0; trial < header.n_trials; ++trial) text += lines.line(fraction, trial);
  }
  return text;
}

void export_tidy(const Results& results, const Selection& selection, const std::filesystem::path& folder) {
  make_folder(folder);
  write_file(folder / "cells.csv", tidy_csv(results, selection));
}

}  // namespace seldon::analysis

#include "analysis/results.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "analysis/scan.h"
#include "analysis/text.h"
#include "core/error.h"

namespace seldon::analysis {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

void take_record(ModelResults& model, std::size_t cell, const RecordView& record) {
  const auto outcome = record.outcome();
  if (outcome != Outcome::solution && outcome != Outcome::no_solution_found)
    throw InputError("the store is damaged: a cell of model '" + model.header.name +
                     "' is marked as done but its record holds no outcome; run the experiment again");
  model.outcomes[cell] = outcome;
  model.reasons[cell] = record.nsf_reason();
  model.rows[cell] = record.view<std::int64_t>(Field::rows)[0];
  const auto copy = [&](Field field, std::vector<double>& to) {
    const auto values = record.doubles(field);  // none without constraints, or measures
    std::ranges::copy(values, to.begin() + static_cast<std::ptrdiff_t>(cell * values.size()));
  };
  copy(Field::performance, model.performance);
  copy(Field::g, model.g);
  copy(Field::upper, model.upper);
}

/// Each block has its own cells: several threads may do this at once.
void take_block(Results& results, const Block& block) {
  auto& model = results.models[block.model];
  const auto first = std::size_t{block.fraction} * results.header.n_trials + block.first_trial;
  std::ranges::copy(block.states, model.states.begin() + static_cast<std::ptrdiff_t>(first));
  for (std::size_t trial = 0; trial < block.trials(); ++trial)
    if (block.states[trial] == CellState::done) take_record(model, first + trial, block.record(trial));
}

std::size_t find_name(const std::vector<std::string>& names, const std::string& wanted,
                      const std::string& what) {
  const auto found = std::ranges::find(names, wanted);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  std::string known;
  for (const auto& name : names) known += (known.empty() ? "'" : ", '") + name + "'";
  throw InputError("the store holds no " + what + " '" + wanted + "'; it holds " +
                   (known.empty() ? "none" : known));
}

}  // namespace

ModelResults ModelResults::empty(store::ModelHeader header, std::size_t cells) {
  const auto& shape = header.shape;
  ModelResults model;
  model.states.assign(cells, CellState::pending);
  model.outcomes.assign(cells, Outcome::none);
  model.reasons.assign(cells, NsfReason::none);
  model.rows.assign(cells, 0);
  model.performance.assign(cells * shape.truths.size() * shape.performance.size(), nan);
  model.g.assign(cells * shape.constraints.size() * shape.rules.size() * shape.truths.size(), nan);
  model.upper.assign(cells * shape.constraints.size(), nan);
  model.header = std::move(header);
  return model;
}

double ModelResults::performance_at(std::size_t cell, std::size_t truth, std::size_t measure) const {
  const auto& shape = header.shape;
  if (measure >= shape.performance.size()) return nan;
  return performance[(cell * shape.truths.size() + truth) * shape.performance.size() + measure];
}

double ModelResults::g_at(std::size_t cell, std::size_t constraint, std::size_t rule,
                          std::size_t truth) const {
  if (!solved(cell)) return -std::numeric_limits<double>::infinity();
  const auto& shape = header.shape;
  return g[((cell * shape.constraints.size() + constraint) * shape.rules.size() + rule) *
               shape.truths.size() +
           truth];
}

double ModelResults::upper_at(std::size_t cell, std::size_t constraint) const {
  return upper[cell * header.shape.constraints.size() + constraint];
}

Results read_results(const std::string& path, Runs runs) {
  const store::Reader reader(path);
  Results results{reader.header(), {}};
  const auto cells = results.cells_per_model();
  for (const auto& model : results.header.models) results.models.push_back(ModelResults::empty(model, cells));
  results.damage = scan(reader, {}, [&](const Block& block) {
    take_block(results, block);
    return Fold();
  });
  if (runs == Runs::read)
    for (std::uint32_t model = 0; model < results.models.size(); ++model)
      results.models[model].runs = reader.runs(model);
  return results;
}

std::size_t truth_index(const RecordShape& shape, const Selection& selection) {
  if (selection.truth) return find_name(shape.truths, *selection.truth, "ground truth");
  const auto original = std::ranges::find(shape.truths, "original");
  return original == shape.truths.end() ? 0 : static_cast<std::size_t>(original - shape.truths.begin());
}

std::size_t rule_index(const RecordShape& shape, const store::ConstraintHeader& constraint,
                       const Selection& selection) {
  const auto failures = std::ranges::find(shape.rules, failures_only);
  if (failures != shape.rules.end()) {
    if (selection.rule && *selection.rule != failures_only)
      throw InputError(
          "these imported results tell which solutions failed, and not the constraint's value, so "
          "they cannot be judged by the rule '" +
          one_line(*selection.rule) + "'; leave out --rule");
    return static_cast<std::size_t>(failures - shape.rules.begin());
  }
  if (selection.rule) return find_name(shape.rules, *selection.rule, "decision rule");
  if (shape.rules.size() == 1) return 0;  // regression: there is nothing to decide
  return find_name(shape.rules, constraint.decision, "decision rule");
}

bool has_one_rule(const RecordShape& shape) {
  return shape.rules.size() == 1 || std::ranges::find(shape.rules, failures_only) != shape.rules.end();
}

std::optional<std::size_t> constraint_index(const RecordShape& shape, const std::string& name) {
  const auto found = std::ranges::find(shape.constraints, name);
  if (found == shape.constraints.end()) return std::nullopt;
  return static_cast<std::size_t>(found - shape.constraints.begin());
}

bool has_failed(double g) {
  return std::isnan(g) || g > 0;
}

}  // namespace seldon::analysis

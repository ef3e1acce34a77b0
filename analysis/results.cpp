#include "analysis/results.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <utility>

namespace seldon::analysis {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint64_t chunk_bytes = 16u << 20;

/// Copies one member of a record's bytes to `to`; nothing where the layout has no such member.
template <class T>
void copy_member(const RecordLayout& layout, Field field, const std::byte* record, T* to) {
  if (const auto* member = layout.find(field)) std::memcpy(to, record + member->offset, member->bytes());
}

std::size_t elements(const RecordLayout& layout, Field field) {
  const auto* member = layout.find(field);
  return member ? member->elements() : 0;
}

void take_record(ModelResults& model, const RecordLayout& layout, std::size_t cell, const std::byte* record) {
  std::int32_t outcome = 0, reason = 0;
  copy_member(layout, Field::outcome, record, &outcome);
  copy_member(layout, Field::nsf_reason, record, &reason);
  if (outcome != static_cast<std::int32_t>(Outcome::solution) &&
      outcome != static_cast<std::int32_t>(Outcome::no_solution_found))
    throw InputError("the store is damaged: a cell of model '" + model.header.name +
                     "' is marked as done but its record holds no outcome; run the experiment again");
  model.outcomes[cell] = static_cast<Outcome>(outcome);
  model.reasons[cell] = static_cast<NsfReason>(reason);
  copy_member(layout, Field::rows, record, &model.rows[cell]);
  const auto copy_doubles = [&](Field field, std::vector<double>& to) {
    if (const auto count = elements(layout, field)) copy_member(layout, field, record, &to[cell * count]);
  };
  copy_doubles(Field::performance, model.performance);
  copy_doubles(Field::g, model.g);
  copy_doubles(Field::upper, model.upper);
}

ModelResults read_model(const store::Reader& reader, std::uint32_t index, std::size_t cells, Runs runs) {
  auto model = ModelResults::empty(reader.header().models[index], cells);
  // States before records: a record is complete before its state says so.
  model.states = reader.states(index);
  if (runs == Runs::read) model.runs = reader.runs(index);
  const auto& layout = reader.layout(index);
  const std::uint64_t stride = layout.compound_bytes();
  const std::uint64_t chunk = std::max<std::uint64_t>(1, chunk_bytes / stride);
  for (std::uint64_t first = 0; first < cells; first += chunk) {
    const auto count = std::min<std::uint64_t>(chunk, cells - first);
    const auto bytes = reader.compounds(index, first, count);
    for (std::uint64_t i = 0; i < count; ++i)
      if (model.done(first + i)) take_record(model, layout, first + i, bytes.data() + i * stride);
  }
  return model;
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
  for (std::uint32_t model = 0; model < results.header.models.size(); ++model)
    results.models.push_back(read_model(reader, model, results.cells_per_model(), runs));
  return results;
}

std::size_t truth_index(const RecordShape& shape, const Selection& selection) {
  if (selection.truth) return find_name(shape.truths, *selection.truth, "ground truth");
  const auto original = std::ranges::find(shape.truths, "original");
  return original == shape.truths.end() ? 0 : static_cast<std::size_t>(original - shape.truths.begin());
}

std::size_t rule_index(const RecordShape& shape, const store::ConstraintHeader& constraint,
                       const Selection& selection) {
  if (selection.rule) return find_name(shape.rules, *selection.rule, "decision rule");
  if (shape.rules.size() == 1) return 0;  // regression: there is nothing to decide
  return find_name(shape.rules, constraint.decision, "decision rule");
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

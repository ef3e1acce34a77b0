#include "programs/tally.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace seldon::programs {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::size_t position(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
}

/// "original" where there is one, else the first.
std::size_t truth_of(const RecordShape& shape) {
  const std::size_t original = position(shape.truths, "original");
  return original < shape.truths.size() ? original : 0;
}

/// By which of the recorded rules a constraint is judged.
std::size_t rule_of(const RecordShape& shape, const store::ConstraintHeader& constraint) {
  return shape.rules.size() == 1 ? 0 : position(shape.rules, constraint.decision);
}

}  // namespace

Tally::Tally(const store::Header& header, const std::vector<RecordLayout>& layouts)
    : fraction_(static_cast<std::uint32_t>(std::ranges::max_element(header.data_fracs) -
                                           header.data_fracs.begin())) {
  for (std::size_t m = 0; m < header.models.size(); ++m) {
    const RecordShape& shape = layouts[m].shape();
    Model model{header.models[m].name,
                shape.performance.empty() ? "" : shape.performance.front(),
                layouts[m],
                truth_of(shape),
                {},
                !header.constraints.empty(),
                std::vector<End>(header.n_trials),
                std::vector<double>(header.n_trials, nan)};
    for (const store::ConstraintHeader& constraint : header.constraints) {
      const Place place{position(shape.constraints, constraint.name), rule_of(shape, constraint)};
      const bool known = place.constraint < shape.constraints.size() && place.rule < shape.rules.size();
      if (known) model.places.push_back(place);
      model.judged = model.judged && known;
    }
    models_.push_back(std::move(model));
  }
}

bool Tally::violates(const Model& model, const RecordView& record) const {
  const RecordShape& shape = model.layout.shape();
  const auto g = record.doubles(Field::g);
  return std::ranges::any_of(model.places, [&](const Place& place) {
    const double value =
        g[(place.constraint * shape.rules.size() + place.rule) * shape.truths.size() + model.truth];
    return !(value <= 0);  // NaN is a violation
  });
}

void Tally::add(CellKey key, std::span<const std::byte> bytes) {
  Model& model = models_[key.model];
  const RecordView record(model.layout, bytes);
  const bool solution = record.outcome() == Outcome::solution;
  if (!solution) ++no_solution_;
  if (key.fraction != fraction_) return;
  model.ends[key.trial] = !solution ? End::no_solution : violates(model, record) ? End::violated : End::kept;
  const std::size_t measures = model.layout.shape().performance.size();
  if (solution && measures > 0)
    model.performance[key.trial] = record.doubles(Field::performance)[model.truth * measures];
}

std::vector<ModelTally> Tally::models() const {
  std::vector<ModelTally> all;
  for (const Model& model : models_) {
    ModelTally tally{model.name, model.measure, 0, nan, nan, nan, nan};
    std::uint32_t solutions = 0, violated = 0;
    for (const End end : model.ends) {
      tally.trials += end != End::unknown;
      solutions += end == End::kept || end == End::violated;
      violated += end == End::violated;
    }
    double sum = 0, squares = 0, n = 0;
    for (const double value : model.performance)
      if (!std::isnan(value)) {
        sum += value;
        ++n;
      }
    if (n > 0) tally.performance = sum / n;
    for (const double value : model.performance)
      if (!std::isnan(value)) squares += (value - tally.performance) * (value - tally.performance);
    if (n > 1) tally.performance_error = std::sqrt(squares / (n - 1)) / std::sqrt(n);
    if (tally.trials > 0) {
      tally.solution_rate = static_cast<double>(solutions) / tally.trials;
      if (model.judged) tally.failure_rate = static_cast<double>(violated) / tally.trials;
    }
    all.push_back(tally);
  }
  return all;
}

}  // namespace seldon::programs

// Rates of a classifier of K classes, from a row of K probabilities (or the indicator of the decided class):
// class k against the rest, entries of the confusion matrix, accuracy.

#include <algorithm>

#include "core/error.h"
#include "engine/measure/families.h"

namespace seldon::engine {
namespace {

using Scores = std::span<const double>;

std::size_t checked_column(int index, std::size_t columns) {
  if (index < 0 || static_cast<std::size_t>(index) >= columns)
    throw InputError("class " + std::to_string(index) + " of a measure does not exist: there are " +
                     std::to_string(columns) + " classes, counted from 0; mend the index");
  return static_cast<std::size_t>(index);
}

/// z = P[., k], or 1 - P[., k].
void column(Scores scores, std::size_t columns, int index, bool complement, std::span<double> z,
            std::span<double> dz) {
  const std::size_t k = checked_column(index, columns);
  std::fill(dz.begin(), dz.end(), 0.0);
  for (std::size_t i = 0; i < z.size(); ++i) {
    const double p = scores[i * columns + k];
    z[i] = complement ? 1 - p : p;
    if (!dz.empty()) dz[i * columns + k] = complement ? -1 : 1;
  }
}

void in_class(Scores scores, std::size_t columns, Scores, MeasureIndex index, std::span<double> z,
              std::span<double> dz) {
  column(scores, columns, index.first, false, z, dz);
}

void not_in_class(Scores scores, std::size_t columns, Scores, MeasureIndex index, std::span<double> z,
                  std::span<double> dz) {
  column(scores, columns, index.first, true, z, dz);
}

/// CM_[i,j]: among rows of class i, the share called j.
void confusion(Scores scores, std::size_t columns, Scores, MeasureIndex index, std::span<double> z,
               std::span<double> dz) {
  checked_column(index.first, columns);
  column(scores, columns, index.second, false, z, dz);
}

/// z = P[., y].
void correct(Scores scores, std::size_t columns, Scores labels, MeasureIndex, std::span<double> z,
             std::span<double> dz) {
  std::fill(dz.begin(), dz.end(), 0.0);
  for (std::size_t i = 0; i < z.size(); ++i) {
    const std::size_t at = i * columns + checked_column(static_cast<int>(labels[i]), columns);
    z[i] = scores[at];
    if (!dz.empty()) dz[at] = 1;
  }
}

bool is_class(double label, MeasureIndex index) {
  return label == index.first;
}
bool is_other_class(double label, MeasureIndex index) {
  return label != index.first;
}

}  // namespace

void register_multiclass_rates(MeasureRegistry& registry) {
  const auto add = [&](const char* name, IndexKind index, auto selects, auto values) {
    registry.add({name, Regime::multiclass_classification, index, true, selects, values});
  };
  add("PR", IndexKind::one, nullptr, in_class);
  add("NR", IndexKind::one, nullptr, not_in_class);
  add("TPR", IndexKind::one, is_class, in_class);
  add("FPR", IndexKind::one, is_other_class, in_class);
  add("TNR", IndexKind::one, is_other_class, not_in_class);
  add("FNR", IndexKind::one, is_class, not_in_class);
  add("CM", IndexKind::two, is_class, confusion);
  add("ACC", IndexKind::none, nullptr, correct);
}

}  // namespace seldon::engine

// Rates of a binary classifier, from the probability p of class 1 (or its indicator). Definitions as in the
// confusion matrix: FPR, the share of the negatives that is called positive, and so on.

#include "engine/measure/families.h"

namespace seldon::engine {
namespace {

using Scores = std::span<const double>;

/// z = p.
void positive(Scores scores, std::size_t, Scores, MeasureIndex, std::span<double> z, std::span<double> dz) {
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = scores[i];
  for (double& d : dz) d = 1;
}

/// z = 1 - p.
void negative(Scores scores, std::size_t, Scores, MeasureIndex, std::span<double> z, std::span<double> dz) {
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = 1 - scores[i];
  for (double& d : dz) d = -1;
}

/// z = p where y = 1, 1 - p elsewhere.
void correct(Scores scores, std::size_t, Scores labels, MeasureIndex, std::span<double> z,
             std::span<double> dz) {
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = labels[i] == 1 ? scores[i] : 1 - scores[i];
  for (std::size_t i = 0; i < dz.size(); ++i) dz[i] = labels[i] == 1 ? 1 : -1;
}

bool is_positive(double label, MeasureIndex) {
  return label == 1;
}
bool is_negative(double label, MeasureIndex) {
  return label != 1;
}

}  // namespace

void register_binary_rates(MeasureRegistry& registry) {
  const auto add = [&](const char* name, auto selects, auto values) {
    registry.add({name, Regime::classification, IndexKind::none, true, selects, values});
  };
  add("PR", nullptr, positive);
  add("NR", nullptr, negative);
  add("TPR", is_positive, positive);
  add("FPR", is_negative, positive);
  add("TNR", is_negative, negative);
  add("FNR", is_positive, negative);
  add("ACC", nullptr, correct);
}

}  // namespace seldon::engine

// Errors of a regression: e = prediction - label.

#include "engine/measure/families.h"

namespace seldon::engine {
namespace {

using Scores = std::span<const double>;

void error(Scores scores, std::size_t, Scores labels, MeasureIndex, std::span<double> z,
           std::span<double> dz) {
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = scores[i] - labels[i];
  for (double& d : dz) d = 1;
}

void squared_error(Scores scores, std::size_t, Scores labels, MeasureIndex, std::span<double> z,
                   std::span<double> dz) {
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = (scores[i] - labels[i]) * (scores[i] - labels[i]);
  for (std::size_t i = 0; i < dz.size(); ++i) dz[i] = 2 * (scores[i] - labels[i]);
}

}  // namespace

void register_regression_errors(MeasureRegistry& registry) {
  registry.add({"Mean_Error", Regime::regression, IndexKind::none, false, nullptr, error});
  registry.add({"Mean_Squared_Error", Regime::regression, IndexKind::none, false, nullptr, squared_error});
}

}  // namespace seldon::engine

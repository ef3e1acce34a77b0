#include "engine/objective/link.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "engine/model/kernels.h"

namespace seldon::engine {

void apply_link(Regime regime, std::size_t columns, std::span<const double> predictors,
                std::span<double> scores) {
  switch (regime) {
    case Regime::classification:
      logistic(predictors, scores);
      return;
    case Regime::regression:
      if (predictors.data() != scores.data()) std::ranges::copy(predictors, scores.begin());
      return;
    case Regime::multiclass_classification:
      for (std::size_t row = 0; row < predictors.size(); row += columns) {
        const auto in = predictors.subspan(row, columns);
        const auto out = scores.subspan(row, columns);
        const double largest = *std::ranges::max_element(in);
        double sum = 0;
        for (std::size_t k = 0; k < columns; ++k) sum += out[k] = std::exp(in[k] - largest);
        for (double& p : out) p /= sum;
      }
      return;
    case Regime::reinforcement_learning:
      break;
  }
  throw InternalError("no link function for reinforcement learning");
}

void add_link_gradient(Regime regime, std::size_t columns, std::span<const double> scores,
                       std::span<const double> d_scores, std::span<double> d_predictors) {
  switch (regime) {
    case Regime::classification:
      add_logistic_gradient(scores, d_scores, d_predictors);
      return;
    case Regime::regression:
      for (std::size_t i = 0; i < scores.size(); ++i) d_predictors[i] += d_scores[i];
      return;
    case Regime::multiclass_classification:
      for (std::size_t row = 0; row < scores.size(); row += columns) {
        double mean = 0;
        for (std::size_t k = row; k < row + columns; ++k) mean += scores[k] * d_scores[k];
        for (std::size_t k = row; k < row + columns; ++k) d_predictors[k] += scores[k] * (d_scores[k] - mean);
      }
      return;
    case Regime::reinforcement_learning:
      break;
  }
  throw InternalError("no link function for reinforcement learning");
}

void decide(Regime regime, std::size_t columns, std::span<const double> scores, std::span<double> decisions) {
  if (regime == Regime::classification) {
    for (std::size_t i = 0; i < scores.size(); ++i) decisions[i] = scores[i] >= 0.5 ? 1.0 : 0.0;
    return;
  }
  for (std::size_t row = 0; row < scores.size(); row += columns) {
    const auto in = scores.subspan(row, columns);
    const auto best = std::ranges::max_element(in) - in.begin();
    for (std::size_t k = 0; k < columns; ++k)
      decisions[row + k] = static_cast<std::ptrdiff_t>(k) == best ? 1.0 : 0.0;
  }
}

}  // namespace seldon::engine

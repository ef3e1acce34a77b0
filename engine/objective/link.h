#pragma once
// From predictors to scores (probabilities or predictions) and back for derivatives, by regime.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/regime.h"

namespace seldon::engine {

/// Scores per row: 1 for binary classification (p of class 1) and regression (the prediction), K for K
/// classes. classification: the logistic function; multiclass_classification: softmax; regression: the
/// identity.
void apply_link(Regime regime, std::size_t columns, std::span<const double> predictors,
                std::span<double> scores);

/// d_predictors += J^T d_scores, J the link's Jacobian at these scores.
void add_link_gradient(Regime regime, std::size_t columns, std::span<const double> scores,
                       std::span<const double> d_scores, std::span<double> d_predictors);

/// Decisions as indicators in the scores' shape: binary 1 where p >= 0.5; multi-class 1 in the column of the
/// largest probability, the lowest index on a tie.
void decide(Regime regime, std::size_t columns, std::span<const double> scores, std::span<double> decisions);

}  // namespace seldon::engine

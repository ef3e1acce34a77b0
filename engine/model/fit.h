#pragma once
// Closed and nearly closed fits: starting points of candidate selection, and the baselines of scikit-learn.

#include <span>
#include <vector>

#include "engine/model/kernels.h"

namespace seldon::engine {

/// Minimises 1/2 |w|^2 + C * (summed log loss) over intercept and weights w, the intercept free of penalty:
/// the objective of scikit-learn's LogisticRegression (penalty l2). Newton's method with step halving, to a
/// gradient whose largest entry is at most 1e-8. labels: 0 or 1, x.rows() of them, of both classes. Returns
/// (intercept, weights).
std::vector<double> fit_logistic(const PanelMatrix& x, std::span<const double> labels, double c = 1.0);

/// Least squares with intercept; of all minimisers the one with the least norm of the weights (as
/// scikit-learn's LinearRegression: columns and labels are centred first). Singular values below max(n, d)
/// eps times the largest count as zero, as in LAPACK's xGELSD. Returns (intercept, weights).
std::vector<double> fit_least_squares(const PanelMatrix& x, std::span<const double> labels);

}  // namespace seldon::engine

#include "engine/model/fit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"

namespace seldon::engine {
namespace {

/// Solves A x = b by Cholesky's factorisation, A symmetric positive definite, its lower triangle given;
/// overwrites both.
void solve_cholesky(std::span<double> a, std::span<double> b) {
  const std::size_t n = b.size();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = a[i * n + j];
      for (std::size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = i == j ? std::sqrt(sum) : sum / a[j * n + j];
    }
    for (std::size_t k = 0; k < i; ++k) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
}

/// The penalised negative log likelihood and what its derivatives need.
struct LogisticProblem {
  const PanelMatrix& x;
  std::span<const double> labels;
  double c;
  std::vector<double> eta, p, residual, weight;

  LogisticProblem(const PanelMatrix& matrix, std::span<const double> y, double cost)
      : x(matrix),
        labels(y),
        c(cost),
        eta(x.padded_rows()),
        p(x.padded_rows()),
        residual(x.padded_rows()),
        weight(x.padded_rows()) {}

  double value(std::span<const double> theta) {
    x.multiply(theta.subspan(1), theta[0], eta);
    logistic(eta, p);
    const std::size_t n = labels.size();
    const auto w = theta.subspan(1);
    const double norm = std::inner_product(w.begin(), w.end(), w.begin(), 0.0);
    return 0.5 * norm + c * log_loss_sum(std::span(eta).first(n), std::span(p).first(n), labels);
  }

  /// At the point of the last `value`.
  void gradient(std::span<const double> theta, std::span<double> out) {
    for (std::size_t i = 0; i < labels.size(); ++i) residual[i] = c * (p[i] - labels[i]);
    std::fill(out.begin(), out.end(), 0.0);
    out[0] = x.multiply_transposed(std::span(residual).first(labels.size()), out.subspan(1));
    for (std::size_t j = 1; j < out.size(); ++j) out[j] += theta[j];
  }

  void hessian(std::span<double> out) {
    for (std::size_t i = 0; i < labels.size(); ++i) weight[i] = c * p[i] * (1.0 - p[i]);
    x.weighted_gram(weight, out);
    const std::size_t n = x.columns() + 1;
    for (std::size_t j = 1; j < n; ++j) out[j * n + j] += 1.0;
    // All probabilities saturated: the intercept's curvature vanishes. A tiny ridge keeps the step finite;
    // the line search keeps it honest.
    out[0] = std::max(out[0], 1e-12);
  }
};

double largest(std::span<const double> values) {
  double most = 0;
  for (double value : values)
    if (!(std::fabs(value) <= most)) most = std::fabs(value);  // a NaN stays
  return most;
}

}  // namespace

std::vector<double> fit_logistic(const PanelMatrix& x, std::span<const double> labels, double c) {
  constexpr double tolerance = 1e-8;
  constexpr int most_steps = 100;
  const std::size_t n = x.columns() + 1;
  LogisticProblem problem(x, labels, c);
  std::vector<double> theta(n, 0.0), gradient(n), hessian(n * n), step(n), trial(n);

  double value = problem.value(theta);
  for (int iteration = 0; iteration < most_steps; ++iteration) {
    problem.gradient(theta, gradient);
    if (largest(gradient) <= tolerance) return theta;
    problem.hessian(hessian);
    step = gradient;
    solve_cholesky(hessian, step);
    const double slope = std::inner_product(gradient.begin(), gradient.end(), step.begin(), 0.0);
    // Armijo's rule; near the end rounding hides the decrease, so an equal value counts.
    for (double length = 1.0;; length /= 2) {
      for (std::size_t j = 0; j < n; ++j) trial[j] = theta[j] - length * step[j];
      const double next = problem.value(trial);
      const double slack = 1e-14 * std::max(1.0, std::fabs(value));
      if (next <= value - 1e-4 * length * slope + slack) {
        theta = trial;
        value = next;
        break;
      }
      if (length < 1e-12) return theta;  // no progress is possible in double precision
    }
  }
  return theta;
}

std::vector<double> fit_least_squares(const PanelMatrix& x, std::span<const double> labels) {
  const std::size_t n = x.rows(), d = x.columns();
  std::vector<double> theta(d + 1, 0.0);
  if (n == 0) return theta;
  const auto count = static_cast<double>(n);
  const double label_mean = std::accumulate(labels.begin(), labels.end(), 0.0) / count;
  std::vector<double> mean(d, 0.0);
  std::vector<std::vector<double>> u(d, std::vector<double>(n)), v(d, std::vector<double>(d, 0.0));
  for (std::size_t j = 0; j < d; ++j) {
    for (std::size_t i = 0; i < n; ++i) mean[j] += x.at(i, j);
    mean[j] /= count;
    for (std::size_t i = 0; i < n; ++i) u[j][i] = x.at(i, j) - mean[j];
    v[j][j] = 1.0;
  }

  // One-sided Jacobi (Hestenes, "Inversion of matrices by biorthogonalization", 1958): rotate pairs of
  // columns until all are orthogonal; then U holds the left singular vectors times the singular values, V the
  // right ones.
  const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  };
  const auto rotate = [](std::vector<double>& a, std::vector<double>& b, double cosine, double sine) {
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double old = a[i];
      a[i] = cosine * old - sine * b[i];
      b[i] = sine * old + cosine * b[i];
    }
  };
  for (int sweep = 0; sweep < 60; ++sweep) {
    bool rotated = false;
    for (std::size_t p = 0; p + 1 < d; ++p)
      for (std::size_t q = p + 1; q < d; ++q) {
        const double alpha = dot(u[p], u[p]), beta = dot(u[q], u[q]), gamma = dot(u[p], u[q]);
        if (std::fabs(gamma) <= 1e-15 * std::sqrt(alpha * beta)) continue;
        rotated = true;
        const double zeta = (beta - alpha) / (2 * gamma);
        const double tangent = std::copysign(1.0, zeta) / (std::fabs(zeta) + std::sqrt(1 + zeta * zeta));
        const double cosine = 1 / std::sqrt(1 + tangent * tangent);
        rotate(u[p], u[q], cosine, cosine * tangent);
        rotate(v[p], v[q], cosine, cosine * tangent);
      }
    if (!rotated) break;
  }

  double largest_square = 0;
  for (std::size_t j = 0; j < d; ++j) largest_square = std::max(largest_square, dot(u[j], u[j]));
  const double relative = static_cast<double>(std::max(n, d)) * std::numeric_limits<double>::epsilon();
  for (std::size_t k = 0; k < d; ++k) {
    const double square = dot(u[k], u[k]);
    if (square <= relative * relative * largest_square) continue;
    double projection = 0;
    for (std::size_t i = 0; i < n; ++i) projection += u[k][i] * (labels[i] - label_mean);
    for (std::size_t j = 0; j < d; ++j) theta[j + 1] += v[k][j] * projection / square;
  }
  theta[0] = label_mean;
  for (std::size_t j = 0; j < d; ++j) theta[0] -= theta[j + 1] * mean[j];
  return theta;
}

}  // namespace seldon::engine

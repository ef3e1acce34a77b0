#pragma once
// The loops in which linear models spend their time, compiled for several x86-64 levels and chosen at start.
// Sums run in a fixed order, so results are equal bit by bit on machines of one kind.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace seldon::engine {

/// A matrix of `rows` x `columns` in panels of eight rows: element (i, j) at [(i / 8) * columns + j][i % 8].
/// Rows beyond the last are zero. Both products then stream through memory once, eight rows to a vector
/// register.
class PanelMatrix {
 public:
  static constexpr std::size_t lanes = 8;

  PanelMatrix(std::size_t rows, std::size_t columns);
  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  std::size_t padded_rows() const { return (rows_ + lanes - 1) / lanes * lanes; }
  double& at(std::size_t row, std::size_t column) {
    return values_[((row / lanes) * columns_ + column) * lanes + row % lanes];
  }
  double at(std::size_t row, std::size_t column) const {
    return const_cast<PanelMatrix&>(*this).at(row, column);
  }

  /// out = intercept + X weights. out: padded_rows().
  void multiply(std::span<const double> weights, double intercept, std::span<double> out) const;
  /// out += X^T residuals; returns the sum of the residuals. residuals: rows().
  double multiply_transposed(std::span<const double> residuals, std::span<double> out) const;
  /// Lower triangle of (1, X)^T diag(weights) (1, X), row-major, (columns + 1) squared; weights:
  /// padded_rows().
  void weighted_gram(std::span<const double> weights, std::span<double> out) const;

 private:
  std::size_t rows_, columns_;
  std::vector<double> values_;
};

/// The instruction set that the loops run on here: "x86-64-v4", "x86-64-v3" or "baseline". Results may differ
/// between them in the last bits.
std::string_view kernel_level();

/// p = 1 / (1 + exp(-eta)), within 2 ulp, monotone ends: p(-inf) = 0, p(inf) = 1, NaN stays NaN.
void logistic(std::span<const double> eta, std::span<double> p);

/// The summed log loss of class probabilities p = logistic(eta) at labels 0 or 1, stable for any finite eta:
/// sum of log(1 + exp(-|eta|)) + max(0, -eta) for class 1, max(0, eta) for class 0.
double log_loss_sum(std::span<const double> eta, std::span<const double> p, std::span<const double> labels);

/// out = (p - labels) scale.
void scaled_difference(std::span<const double> p, std::span<const double> labels, double scale,
                       std::span<double> out);

/// d_eta += d_p p (1 - p), the derivative of the logistic function.
void add_logistic_gradient(std::span<const double> p, std::span<const double> d_p, std::span<double> d_eta);

/// out += (by_mean + by_sd (z - mean)) dz: the derivative of a function of z's mean and standard deviation.
void add_moment_gradient(std::span<const double> z, std::span<const double> dz, double by_mean, double by_sd,
                         double mean, std::span<double> out);

/// Whether positions are 0, 1, 2 ...
bool is_identity(std::span<const std::uint32_t> positions);

}  // namespace seldon::engine

#include "analysis/compare/paired_rates.h"

#include <algorithm>
#include <cmath>

namespace seldon::analysis {
namespace {

/// Correlation of the two outcomes; 0 where one of them never changes. A positive one is corrected for
/// continuity by n / 2, down to 0 at most.
double phi_of(const PairedCounts& counts) {
  const auto a = static_cast<double>(counts.both), b = static_cast<double>(counts.only_a),
             c = static_cast<double>(counts.only_b), d = static_cast<double>(counts.neither);
  const double product = (a + b) * (c + d) * (a + c) * (b + d);
  if (product == 0) return 0;
  double covariance = a * d - b * c;
  if (covariance > 0) covariance = std::max(covariance - (a + b + c + d) / 2, 0.0);
  return covariance / std::sqrt(product);
}

/// Length of the third side of a triangle, whose angle has the cosine phi.
double third_side(double one, double other, double phi) {
  return std::sqrt(std::max(one * one - 2 * phi * one * other + other * other, 0.0));
}

}  // namespace

Bounded paired_rate_difference(const PairedCounts& counts, double confidence) {
  const auto n = static_cast<double>(counts.trials());
  if (counts.trials() == 0) return {std::nan(""), {std::nan(""), std::nan("")}};
  const double rate_a = static_cast<double>(counts.both + counts.only_a) / n,
               rate_b = static_cast<double>(counts.both + counts.only_b) / n;
  const auto a = wilson(rate_a, n, confidence), b = wilson(rate_b, n, confidence);
  const double phi = phi_of(counts), value = rate_a - rate_b;
  const double below = third_side(rate_a - a.lower, b.upper - rate_b, phi),
               above = third_side(a.upper - rate_a, rate_b - b.lower, phi);
  return {value, {std::max(value - below, -1.0), std::min(value + above, 1.0)}};
}

}  // namespace seldon::analysis

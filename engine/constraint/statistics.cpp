// Sums in double and in a fixed order: 32 lanes, enough accumulators to hide the latency of an addition,
// joined pairwise.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/constraint/bound.h"
#include "engine/vector_clones.h"

namespace seldon::engine {
namespace {

constexpr std::size_t lanes = 32;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

using Lanes = std::array<double, lanes>;

Lanes filled(double value) {
  Lanes all;
  all.fill(value);
  return all;
}

double join(Lanes a) {
  for (std::size_t half = lanes / 2; half > 0; half /= 2)
    for (std::size_t l = 0; l < half; ++l) a[l] += a[l + half];
  return a[0];
}

SELDON_VECTOR_CLONES
void sum_loop(const double* z, std::size_t n, double* total) {
  for (std::size_t i = 0; i < n; i += lanes)
    for (std::size_t l = 0; l < lanes; ++l) total[l] += z[i + l];
}

SELDON_VECTOR_CLONES
void square_loop(const double* z, std::size_t n, double mean, double* total, double* low, double* high) {
  for (std::size_t i = 0; i < n; i += lanes)
    for (std::size_t l = 0; l < lanes; ++l) {
      const double value = z[i + l];
      total[l] += (value - mean) * (value - mean);
      low[l] = value < low[l] ? value : low[l];
      high[l] = value > high[l] ? value : high[l];
    }
}

}  // namespace

double sum(std::span<const double> z) {
  const std::size_t whole = z.size() / lanes * lanes;
  Lanes total = filled(0);
  sum_loop(z.data(), whole, total.data());
  for (std::size_t i = whole; i < z.size(); ++i) total[i - whole] += z[i];
  return join(total);
}

NodeStatistics statistics(std::span<const double> z) {
  if (z.empty()) return {0, not_a_number, not_a_number, not_a_number, not_a_number};
  const auto n = static_cast<double>(z.size());
  const double mean = sum(z) / n;
  if (std::isnan(mean)) return {n, mean, not_a_number, not_a_number, not_a_number};
  const std::size_t whole = z.size() / lanes * lanes;
  Lanes squares = filled(0), low = filled(infinity), high = filled(-infinity);
  square_loop(z.data(), whole, mean, squares.data(), low.data(), high.data());
  for (std::size_t i = whole; i < z.size(); ++i) {
    squares[i - whole] += (z[i] - mean) * (z[i] - mean);
    low[i - whole] = std::min(low[i - whole], z[i]);
    high[i - whole] = std::max(high[i - whole], z[i]);
  }
  const double sd = z.size() < 2 ? not_a_number : std::sqrt(join(squares) / (n - 1));
  return {n, mean, sd, *std::ranges::min_element(low), *std::ranges::max_element(high)};
}

}  // namespace seldon::engine

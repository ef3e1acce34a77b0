#include "analysis/statistics/interval.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>

namespace seldon::analysis {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

Interval wilson(double rate, double n, double confidence) {
  if (!(n > 0) || std::isnan(rate)) return {nan, nan};
  const double z = boost::math::quantile(boost::math::normal(), 0.5 + confidence / 2);
  const double share = z * z / n, middle = (rate + share / 2) / (1 + share);
  const double half = z * std::sqrt(rate * (1 - rate) / n + share / (4 * n)) / (1 + share);
  // At 0 and 1 that end is exact, which rounding would miss.
  return {rate == 0 ? 0 : std::max(0.0, middle - half), rate == 1 ? 1 : std::min(1.0, middle + half)};
}

Interval clopper_pearson(std::uint64_t count, std::uint64_t n, double confidence) {
  if (n == 0) return {nan, nan};
  using Binomial = boost::math::binomial_distribution<double>;
  const double tail = (1 - confidence) / 2;
  return {Binomial::find_lower_bound_on_p(static_cast<double>(n), static_cast<double>(count), tail),
          Binomial::find_upper_bound_on_p(static_cast<double>(n), static_cast<double>(count), tail)};
}

}  // namespace seldon::analysis

#include "analysis/statistics/interval.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>

#include "analysis/statistics/checks.h"

namespace seldon::analysis {

namespace {

// Boost computes in long double unless told not to: five times slower, for digits that nobody sees.
using InDoubles = boost::math::policies::policy<boost::math::policies::promote_double<false>>;
using Normal = boost::math::normal_distribution<double, InDoubles>;
using Student = boost::math::students_t_distribution<double, InDoubles>;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr Interval none{nan, nan};

/// value -+ margin.
Interval around(double value, double margin) {
  return {value - margin, value + margin};
}

Interval cut(Interval interval, Interval range) {
  if (std::isnan(interval.lower) || std::isnan(interval.upper)) return interval;
  return {std::clamp(interval.lower, range.lower, range.upper),
          std::clamp(interval.upper, range.lower, range.upper)};
}

}  // namespace

double normal_quantile(double confidence) {
  check_confidence(confidence);
  // From the upper tail, which keeps its digits where confidence is next to 1.
  return boost::math::quantile(boost::math::complement(Normal(), (1 - confidence) / 2));
}

double student_quantile(double confidence, double degrees_of_freedom) {
  check_confidence(confidence);
  if (!(degrees_of_freedom > 0)) return nan;
  return boost::math::quantile(boost::math::complement(Student(degrees_of_freedom), (1 - confidence) / 2));
}

Interval wilson(double rate, double n, double confidence) {
  check_size(n);
  rate = checked_rate(rate);
  const double z = normal_quantile(confidence);
  if (!(n > 0) || std::isnan(rate)) return none;
  const double share = z * z / n, middle = (rate + share / 2) / (1 + share);
  const double half = z * std::sqrt(rate * (1 - rate) / n + share / (4 * n)) / (1 + share);
  // At 0 and 1 that end is exact, which rounding would miss.
  return {rate == 0 ? 0 : std::max(0.0, middle - half), rate == 1 ? 1 : std::min(1.0, middle + half)};
}

Interval clopper_pearson(std::uint64_t count, std::uint64_t n, double confidence) {
  check_confidence(confidence);
  if (count > n)
    throw InputError("an exact interval for " + std::to_string(count) + " of " + std::to_string(n) +
                     ": the count must not exceed the number");
  if (n == 0) return none;
  using Binomial = boost::math::binomial_distribution<double>;
  const double tail = (1 - confidence) / 2;
  return {Binomial::find_lower_bound_on_p(static_cast<double>(n), static_cast<double>(count), tail),
          Binomial::find_upper_bound_on_p(static_cast<double>(n), static_cast<double>(count), tail)};
}

Interval standard_error_band(std::uint64_t count, std::uint64_t n) {
  if (count > n)
    throw InputError("a standard error for " + std::to_string(count) + " of " + std::to_string(n) +
                     ": the count must not exceed the number");
  if (n < 2) return none;
  const double rate = static_cast<double>(count) / static_cast<double>(n);
  return cut(around(rate, std::sqrt(rate * (1 - rate) / static_cast<double>(n - 1))), {0, 1});
}

Interval rate_interval(RateInterval kind, std::uint64_t count, std::uint64_t n, double confidence) {
  switch (kind) {
    case RateInterval::standard_error:
      return standard_error_band(count, n);
    case RateInterval::wilson:
      return wilson(static_cast<double>(count) / static_cast<double>(n), static_cast<double>(n), confidence);
    case RateInterval::exact:
      break;
  }
  return clopper_pearson(count, n, confidence);
}

Interval student(double mean, double sd, double n, double confidence) {
  check_size(n);
  check_sd(sd);
  check_confidence(confidence);
  if (!(n >= 2) || std::isnan(mean) || std::isnan(sd)) return none;
  return around(mean, student_quantile(confidence, n - 1) * sd / std::sqrt(n));
}

Interval student_in_unit(double mean, double sd, double n, double confidence) {
  mean = checked_rate(mean);
  if (n < 2) return wilson(mean, n, confidence);
  return cut(student(mean, sd, n, confidence), {0, 1});
}

Interval f1_interval(double f1, double n, double confidence) {
  f1 = checked_rate(f1);
  const auto jaccard = wilson(f1 / (2 - f1), n, confidence);
  return {2 * jaccard.lower / (1 + jaccard.lower), 2 * jaccard.upper / (1 + jaccard.upper)};
}

RatioEstimate ratio_of_sums(const RatioSums& sums) {
  check_size(sums.n);
  if (!(sums.n > 0 && sums.y > 0)) return {nan, nan, 0};
  const double ratio = sums.x / sums.y;
  // Rounding may take what is 0 below it.
  const double squares = std::max(0.0, sums.xx - 2 * ratio * sums.xy + ratio * ratio * sums.yy);
  const double variance = sums.n < 2 ? nan : sums.n / (sums.n - 1) * squares / (sums.y * sums.y);
  return {ratio, variance, sums.y * sums.y / sums.yy};
}

Interval ratio_of_sums_interval(const RatioEstimate& ratio, double confidence) {
  const double value = checked_rate(ratio.value);
  if (std::isnan(value)) return none;
  const double freedom = ratio.effective - 1;
  if (value == 0 || value == 1 || !(ratio.variance > 0) || !(freedom > 0))
    return wilson(value, ratio.effective, confidence);
  const double rows = value * (1 - value) / ratio.variance;
  const double narrower = normal_quantile(confidence) / student_quantile(confidence, freedom);
  return wilson(value, rows * narrower * narrower, confidence);
}

Interval over_trials(double value, Interval within, double between, std::uint64_t trials, double confidence,
                     Interval range) {
  check_confidence(confidence);
  if (between < 0) throw InputError("a negative variance between trials: " + std::to_string(between));
  if (trials < 2 || !(between > 0)) return within;
  const auto count = static_cast<double>(trials);
  const double margin = student_quantile(confidence, count - 1) * std::sqrt(between / count);
  return cut(
      {value - std::hypot(value - within.lower, margin), value + std::hypot(within.upper - value, margin)},
      range);
}

}  // namespace seldon::analysis

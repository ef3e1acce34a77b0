#include "analysis/statistics/comparison.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>

#include "analysis/statistics/checks.h"

namespace seldon::analysis {

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr TestResult no_test{nan, nan, nan};

bool missing(const Bounded& estimate) {
  return std::isnan(estimate.value) || std::isnan(estimate.interval.lower) ||
         std::isnan(estimate.interval.upper);
}

/// value^2 - (value - end)^2, which is what an end contributes to a ratio's; never above value^2.
double share_of_square(double value, double end) {
  return end * (2 * value - end);
}

double ratio_lower(const Bounded& a, const Bounded& b) {
  const double above = share_of_square(a.value, a.interval.lower);
  if (!(above > 0)) return 0;
  const double product = a.value * b.value;
  const double root =
      std::sqrt(std::max(0.0, product * product - above * share_of_square(b.value, b.interval.upper)));
  // The paper's (product - root) / share of b, multiplied out: no digits are lost, and no 0 / 0.
  return above / (product + root);
}

double ratio_upper(const Bounded& a, const Bounded& b) {
  const double below = share_of_square(b.value, b.interval.lower);
  if (!(below > 0)) return infinity;
  const double product = a.value * b.value;
  const double root =
      std::sqrt(std::max(0.0, product * product - share_of_square(a.value, a.interval.upper) * below));
  return (product + root) / below;
}

TestResult two_sided_t(double difference, double error, double freedom) {
  if (!(error > 0))
    return {difference == 0 ? 0 : std::copysign(infinity, difference), freedom, difference == 0 ? 1.0 : 0.0};
  const double t = difference / error;
  if (std::isinf(freedom)) return {t, freedom, std::erfc(std::abs(t) / std::sqrt(2.0))};
  const boost::math::students_t law(freedom);
  return {t, freedom, 2 * boost::math::cdf(boost::math::complement(law, std::abs(t)))};
}

struct DifferenceError {
  double error, freedom;
};
/// The root of the summed variances, and Satterthwaite's degrees of freedom.
DifferenceError error_of(std::span<const VariancePart> parts) {
  double sum = 0;
  for (const auto& part : parts) {
    if (std::isnan(part.variance) || !(part.degrees_of_freedom > 0)) return {nan, nan};
    sum += part.variance;
  }
  // Shares of the variance rather than its squares, which may underflow.
  double squares = 0;
  for (const auto& part : parts) {
    const double share = sum > 0 ? part.variance / sum : 1 / static_cast<double>(parts.size());
    squares += share * share / part.degrees_of_freedom;
  }
  return {std::sqrt(sum), 1 / squares};
}

/// NaN where a group has under two values.
DifferenceError welch_error(const Sample& a, const Sample& b) {
  for (const auto& sample : {a, b}) {
    check_size(sample.n);
    check_sd(sample.sd);
    if (!(sample.n >= 2) || std::isnan(sample.mean) || std::isnan(sample.sd)) return {nan, nan};
  }
  return error_of(
      std::array{VariancePart{a.sd * a.sd / a.n, a.n - 1}, VariancePart{b.sd * b.sd / b.n, b.n - 1}});
}

/// NaN passes.
double checked_share(double share) {
  if (share < 0 || share > 1)
    throw InputError("a group that is " + std::to_string(share) +
                     " of the whole: a share lies between 0 and 1");
  return share;
}

}  // namespace

Interval difference(const Bounded& a, const Bounded& b) {
  if (missing(a) || missing(b)) return {nan, nan};
  const double value = a.value - b.value;
  return {value - std::hypot(a.value - a.interval.lower, b.interval.upper - b.value),
          value + std::hypot(a.interval.upper - a.value, b.value - b.interval.lower)};
}

Interval ratio(const Bounded& a, const Bounded& b) {
  if (missing(a) || missing(b)) return {nan, nan};
  for (const auto& part : {a, b})
    if (part.value < 0 || part.interval.lower < 0)
      throw InputError("the interval of a ratio of " + std::to_string(a.value) + " to " +
                       std::to_string(b.value) + ": both and their lower ends must not be negative");
  return {ratio_lower(a, b), ratio_upper(a, b)};
}

double difference_to_whole(double difference_to_rest, double share) {
  return (1 - checked_share(share)) * difference_to_rest;
}

Interval difference_to_whole(Interval difference_to_rest, double share) {
  return {difference_to_whole(difference_to_rest.lower, share),
          difference_to_whole(difference_to_rest.upper, share)};
}

double ratio_to_whole(double ratio_to_rest, double share) {
  // Divided by the ratio, which may be +inf; at 0 that would be 1 / inf, or 0 / 0 for a group that is the
  // whole.
  if (checked_share(share) == 1) return std::isnan(ratio_to_rest) ? ratio_to_rest : 1;
  return ratio_to_rest == 0 ? 0 : 1 / (share + (1 - share) / ratio_to_rest);
}

Interval ratio_to_whole(Interval ratio_to_rest, double share) {
  return {ratio_to_whole(ratio_to_rest.lower, share), ratio_to_whole(ratio_to_rest.upper, share)};
}

double simultaneous(double confidence, std::uint64_t m) {
  check_confidence(confidence);
  if (m == 0) throw InputError("simultaneous intervals of no pairs at all");
  return 1 - (1 - confidence) / static_cast<double>(m);
}

double pooled_variance(double rate_a, double n_a, double rate_b, double n_b) {
  check_size(n_a);
  check_size(n_b);
  if (!(n_a > 0 && n_b > 0)) return nan;
  const double pooled = (checked_rate(rate_a) * n_a + checked_rate(rate_b) * n_b) / (n_a + n_b);
  return pooled * (1 - pooled) * (1 / n_a + 1 / n_b);
}

TestResult score_test(double rate_a, double n_a, double rate_b, double n_b) {
  const double error = std::sqrt(pooled_variance(rate_a, n_a, rate_b, n_b));
  if (std::isnan(error)) return no_test;
  if (rate_a == rate_b || !(error > 0)) return {0, infinity, 1};
  return two_sided_t(rate_a - rate_b, error, infinity);
}

TestResult test_of_difference(double difference, std::span<const VariancePart> parts) {
  for (const auto& part : parts)
    if (part.variance < 0)
      throw InputError("a variance of " + std::to_string(part.variance) + ": it must not be negative");
  const auto [error, freedom] = error_of(parts);
  return std::isnan(error) || std::isnan(difference) ? no_test : two_sided_t(difference, error, freedom);
}

TestResult welch_test(const Sample& a, const Sample& b) {
  const auto [error, freedom] = welch_error(a, b);
  return std::isnan(error) ? no_test : two_sided_t(a.mean - b.mean, error, freedom);
}

Interval welch_interval(const Sample& a, const Sample& b, double confidence) {
  check_confidence(confidence);
  const auto [error, freedom] = welch_error(a, b);
  if (std::isnan(error)) return {nan, nan};
  const double value = a.mean - b.mean, margin = student_quantile(confidence, freedom) * error;
  return {value - margin, value + margin};
}

PairedComparison paired(std::span<const double> a, std::span<const double> b, double confidence) {
  check_confidence(confidence);
  if (a.size() != b.size())
    throw InputError("a paired comparison of " + std::to_string(a.size()) + " values with " +
                     std::to_string(b.size()) + ": both must have one for each trial");
  std::vector<double> differences;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!std::isnan(a[i]) && !std::isnan(b[i])) differences.push_back(a[i] - b[i]);
  PairedComparison result{differences.size(), nan, nan, {nan, nan}, no_test};
  if (differences.empty()) return result;
  const auto n = static_cast<double>(differences.size());
  result.mean = std::accumulate(differences.begin(), differences.end(), 0.0) / n;
  if (differences.size() < 2) return result;
  double squares = 0;
  for (const double d : differences) squares += (d - result.mean) * (d - result.mean);
  result.sd = std::sqrt(squares / (n - 1));
  result.interval = student(result.mean, result.sd, n, confidence);
  result.test = two_sided_t(result.mean, result.sd / std::sqrt(n), n - 1);
  return result;
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (std::isnan(p[i])) continue;
    checked_rate(p[i]);
    order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return p[i] < p[j]; });
  std::vector<double> adjusted(p.begin(), p.end());
  double before = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const double raised = p[order[rank]] * static_cast<double>(order.size() - rank);
    before = std::min(1.0, std::max(before, raised));
    adjusted[order[rank]] = before;
  }
  return adjusted;
}

}  // namespace seldon::analysis

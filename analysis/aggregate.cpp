#include "analysis/aggregate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <boost/math/distributions/binomial.hpp>

namespace seldon::analysis {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double exact_tail = 0.025;  // each side of a 95 % interval

Point point_at(const Results& results, const ModelResults& model, std::size_t fraction,
               const Selection& selection) {
  const auto& header = results.header;
  const auto& shape = model.header.shape;
  Point point;
  point.fraction = header.data_fracs[fraction];
  point.rows = header.rows[fraction];
  const std::size_t truth = truth_index(shape, selection), first = fraction * header.n_trials;

  std::vector<double> performance;
  std::uint32_t solutions = 0;
  for (std::size_t cell = first; cell < first + header.n_trials; ++cell) {
    if (model.states[cell] == CellState::failed)
      ++point.failed;
    else if (model.done(cell))
      ++point.recorded;
    else
      ++point.missing;
    if (!model.solved(cell)) continue;
    ++solutions;
    const double value = model.performance_at(cell, truth, 0);
    if (!std::isnan(value)) performance.push_back(value);
  }
  point.performance = mean_of(performance);
  point.solution = rate_of(solutions, point.recorded);

  for (const auto& constraint : header.constraints) {
    const auto index = constraint_index(shape, constraint.name);
    if (!index) {
      point.violation.push_back(rate_of(0, 0));
      continue;
    }
    const auto rule = rule_index(shape, constraint, selection);
    std::uint32_t violations = 0;
    for (std::size_t cell = first; cell < first + header.n_trials; ++cell)
      if (model.solved(cell) && has_failed(model.g_at(cell, *index, rule, truth))) ++violations;
    point.violation.push_back(rate_of(violations, point.recorded));
  }
  return point;
}

}  // namespace

Mean mean_of(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  Mean mean{static_cast<std::uint32_t>(values.size()), nan, nan};
  if (values.empty()) return mean;
  double sum = 0;
  for (double value : values) sum += value;
  mean.value = sum / n;
  if (values.size() == 1) return mean;
  double squares = 0;
  for (double value : values) squares += (value - mean.value) * (value - mean.value);
  mean.error = std::sqrt(squares / (n - 1)) / std::sqrt(n);
  return mean;
}

Rate rate_of(std::uint32_t count, std::uint32_t trials) {
  if (trials == 0) return {0, 0, nan, nan, nan, nan};
  using Binomial = boost::math::binomial_distribution<double>;
  const double n = trials, k = count, p = k / n;
  // The sample variance of k ones and n - k zeros is n p (1 - p) / (n - 1).
  const double error = trials > 1 ? std::sqrt(p * (1 - p) / (n - 1)) : nan;
  return {count,
          trials,
          p,
          error,
          Binomial::find_lower_bound_on_p(n, k, exact_tail),
          Binomial::find_upper_bound_on_p(n, k, exact_tail)};
}

Summary aggregate(const Results& results, const Selection& selection) {
  const auto& header = results.header;
  Summary summary;
  summary.experiment = header.name;
  summary.n_trials = header.n_trials;
  if (!header.models.empty()) {
    const auto& shape = header.models.front().shape;
    summary.truth = shape.truths.at(truth_index(shape, selection));
    if (!shape.performance.empty()) summary.performance = shape.performance.front();
    for (const auto& constraint : header.constraints)
      summary.constraints.push_back({constraint, shape.rules.at(rule_index(shape, constraint, selection))});
  }
  for (const auto& model : results.models) {
    ModelSummary line{model.header.name, model.header.kind, {}};
    for (std::size_t fraction = 0; fraction < header.data_fracs.size(); ++fraction)
      line.points.push_back(point_at(results, model, fraction, selection));
    std::ranges::stable_sort(line.points, {}, &Point::rows);
    summary.models.push_back(std::move(line));
  }
  return summary;
}

}  // namespace seldon::analysis

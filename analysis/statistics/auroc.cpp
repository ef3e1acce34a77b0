#include "analysis/statistics/auroc.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "analysis/statistics/checks.h"

namespace seldon::analysis {

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Hanley and McNeil's variance of an estimated area A for exponential scores, with N rows of each class in
/// the terms of pairs that share a row.
double exponential_variance(double area, double positives, double negatives) {
  const double others = (positives + negatives) / 2 - 1;
  return area * (1 - area) * (1 + others * (1 - area) / (2 - area) + others * area / (1 + area)) /
         (positives * negatives);
}

/// Where |area - A| = z sqrt(V(A)) between `area` and `limit` (0 or 1), to the last bit.
double score_end(double area, double limit, double positives, double negatives, double z) {
  double inside = area, outside = limit;
  while (true) {
    const double middle = std::midpoint(inside, outside);
    if (middle == inside || middle == outside) return outside;
    const double distance = area - middle;
    const bool out = distance * distance > z * z * exponential_variance(middle, positives, negatives);
    (out ? outside : inside) = middle;
  }
}

/// Calls `look` with both classes' rows in a bin and, of each class, those in the bins below.
template <class Look>
void for_each_bin(std::span<const double> positives, std::span<const double> negatives, const Look& look) {
  double positives_below = 0, negatives_below = 0;
  for (std::size_t b = 0; b < positives.size(); ++b) {
    look(positives[b], negatives[b], negatives_below, positives_below);
    positives_below += positives[b];
    negatives_below += negatives[b];
  }
}

}  // namespace

Auroc auroc(std::span<const double> positives, std::span<const double> negatives) {
  if (positives.size() != negatives.size())
    throw InputError("an area under the ROC curve from " + std::to_string(positives.size()) + " and " +
                     std::to_string(negatives.size()) + " bins: both classes must have the same");
  const auto negative = [](double rows) { return rows < 0; };
  if (std::ranges::any_of(positives, negative) || std::ranges::any_of(negatives, negative))
    throw InputError("an area under the ROC curve from bins with a negative number of rows");
  const double P = std::accumulate(positives.begin(), positives.end(), 0.0);
  const double N = std::accumulate(negatives.begin(), negatives.end(), 0.0);
  if (!(P > 0 && N > 0)) return {nan, nan, nan, P, N};
  double pairs = 0, ties = 0;
  for_each_bin(positives, negatives, [&](double p, double n, double negatives_below, double) {
    pairs += p * (negatives_below + n / 2);
    ties += p * n;
  });
  Auroc result{pairs / (P * N), nan, ties / (2 * P * N), P, N};
  if (P < 2 || N < 2) return result;
  // A row's placement is the share of the other class that lies on the right side of it; in each class the
  // placements' mean is the area.
  double squares_p = 0, squares_n = 0;
  for_each_bin(positives, negatives, [&](double p, double n, double negatives_below, double positives_below) {
    const double place_p = (negatives_below + n / 2) / N, place_n = (P - positives_below - p / 2) / P;
    squares_p += p * (place_p - result.value) * (place_p - result.value);
    squares_n += n * (place_n - result.value) * (place_n - result.value);
  });
  result.variance = squares_p / ((P - 1) * P) + squares_n / ((N - 1) * N);
  return result;
}

Interval auroc_interval(const Auroc& area, double confidence) {
  const double value = checked_rate(area.value);
  if (std::isnan(value)) return {nan, nan};
  if (value == 0 || value == 1 || !(area.variance > 0))
    return auroc_score_interval(value, area.positives, area.negatives, confidence);
  const double middle = std::log(value / (1 - value));
  const double margin = normal_quantile(confidence) * std::sqrt(area.variance) / (value * (1 - value));
  return {1 / (1 + std::exp(margin - middle)), 1 / (1 + std::exp(-margin - middle))};
}

Interval auroc_score_interval(double area, double positives, double negatives, double confidence) {
  area = checked_rate(area);
  check_size(positives);
  check_size(negatives);
  const double z = normal_quantile(confidence);
  if (!(positives > 0 && negatives > 0) || std::isnan(area)) return {nan, nan};
  return {area == 0 ? 0 : score_end(area, 0, positives, negatives, z),
          area == 1 ? 1 : score_end(area, 1, positives, negatives, z)};
}

}  // namespace seldon::analysis

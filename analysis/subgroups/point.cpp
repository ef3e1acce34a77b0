#include "analysis/subgroups/point.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/statistics/auroc.h"
#include "analysis/statistics/interval.h"

namespace seldon::analysis {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

bool is_rate(Measure measure) {
  switch (measure) {
    case Measure::accuracy:
    case Measure::positive_rate:
    case Measure::tpr:
    case Measure::fpr:
    case Measure::tnr:
    case Measure::fnr:
    case Measure::mean_score:
      return true;
    default:
      return false;
  }
}

bool is_mean_of_rows(Measure measure) {
  return is_rate(measure) || measure == Measure::log_loss || measure == Measure::calibration ||
         measure == Measure::mean_error || measure == Measure::mean_squared_error ||
         measure == Measure::mean_absolute_error;
}

Interval flipped(Interval interval) {
  return {1 - interval.upper, 1 - interval.lower};
}

}  // namespace

std::vector<MeasureColumn> columns_of(const RecordShape& shape, bool auroc) {
  std::vector<MeasureColumn> columns;
  const auto add = [&](Measure measure, std::uint32_t of_class) {
    columns.push_back({measure, of_class, std::string(name_of(measure)), std::string(title_of(measure))});
  };
  if (shape.regime == Regime::regression) {
    for (const auto measure :
         {Measure::mean_error, Measure::mean_squared_error, Measure::mean_absolute_error})
      add(measure, 1);
    return columns;
  }
  const bool areas = auroc && shape.histograms;
  const auto of_class = [&](std::uint32_t k) {
    for (const auto measure :
         {Measure::positive_rate, Measure::tpr, Measure::fpr, Measure::tnr, Measure::fnr, Measure::precision,
          Measure::f1, Measure::auroc, Measure::mean_score, Measure::calibration})
      if (measure != Measure::auroc || (areas && k + 1 == shape.classes)) add(measure, k);
  };
  add(Measure::accuracy, 1);
  add(Measure::balanced_accuracy, 1);
  add(Measure::log_loss, 1);
  if (shape.classes == 2) {
    of_class(1);
    return columns;
  }
  for (std::uint32_t k = 0; k < shape.classes; ++k) {
    const auto first = columns.size();
    of_class(k);
    for (auto i = first; i < columns.size(); ++i) {
      columns[i].name += "_[" + std::to_string(k) + "]";
      columns[i].title += " of class " + std::to_string(k);
    }
  }
  return columns;
}

PointStatistics::PointStatistics(const AccumulationPlan& plan, const Moments& moments,
                                 const std::vector<MeasureColumn>& columns, Rule rule,
                                 const SubgroupOptions& options)
    : plan_(plan),
      moments_(moments),
      columns_(columns),
      rule_(rule),
      options_(options),
      within_(columns.size() * plan.slots.slots()) {
  for (const auto& column : columns) sources_.push_back(source(column));
}

PointStatistics::Source PointStatistics::source(const MeasureColumn& column) const {
  Stream wanted{column.measure, column.of_class, rule_};
  bool complement = false;
  switch (column.measure) {
    case Measure::tnr:
      wanted.measure = Measure::fpr;
      complement = true;
      break;
    case Measure::fnr:
      wanted.measure = Measure::tpr;
      complement = true;
      break;
    case Measure::mean_score:
      wanted = {Measure::positive_rate, column.of_class, Rule::soft};
      break;
    case Measure::accuracy:
    case Measure::balanced_accuracy:
      wanted.of_class = 0;
      break;
    case Measure::log_loss:
    case Measure::mean_error:
    case Measure::mean_squared_error:
    case Measure::mean_absolute_error:
      wanted = {column.measure, 0, Rule::value};
      break;
    case Measure::calibration:
    case Measure::auroc:
      wanted.rule = Rule::value;
      break;
    default:
      break;
  }
  const auto found = std::ranges::find(plan_.streams, wanted);
  if (found == plan_.streams.end()) return {};
  return {static_cast<std::size_t>(found - plan_.streams.begin()), true, complement};
}

std::size_t PointStatistics::at(std::size_t column, std::size_t slot) const {
  return sources_[column].stream * plan_.slots.slots() + slot;
}

double PointStatistics::value(std::size_t column, std::size_t slot) const {
  const auto& source = sources_[column];
  if (!source.exists || moments_.count[at(column, slot)] == 0) return nan;
  const double mean = moments_.mean[at(column, slot)];
  return source.complement ? 1 - mean : mean;
}

std::uint32_t PointStatistics::trials(std::size_t column, std::size_t slot) const {
  return sources_[column].exists ? static_cast<std::uint32_t>(moments_.count[at(column, slot)]) : 0;
}

double PointStatistics::between(std::size_t column, std::size_t slot) const {
  const auto count = trials(column, slot);
  return count < 2 ? nan : moments_.squares[at(column, slot)] / (count - 1);
}

double PointStatistics::sampling_variance(std::size_t column, std::size_t slot) const {
  const auto count = trials(column, slot);
  return count == 0 ? nan : moments_.within[at(column, slot)] / count;
}

double PointStatistics::mean_rows(std::size_t column, std::size_t slot) const {
  if (moments_.solutions == 0) return 0;
  const std::size_t slots = plan_.slots.slots();
  const double solutions = moments_.solutions, n = moments_.n[slot] / solutions;
  const auto of_class = [&](std::size_t k) { return moments_.of_class[k * slots + slot] / solutions; };
  const auto smallest_class = [&] {
    double least = n;
    for (std::size_t k = 0; k < plan_.shape.classes; ++k) least = std::min(least, of_class(k));
    return least;
  };
  const auto& stream = plan_.streams[sources_[column].stream];
  switch (stream.measure) {
    case Measure::tpr:
      return of_class(stream.of_class);
    case Measure::fpr:
      return n - of_class(stream.of_class);
    case Measure::precision:
    case Measure::f1:
      // A trial without a value has no such rows.
      return trials(column, slot) == 0 ? 0 : moments_.rows[at(column, slot)] / trials(column, slot);
    case Measure::auroc:
      return std::min(of_class(stream.of_class), n - of_class(stream.of_class));
    case Measure::balanced_accuracy:
      return smallest_class();
    default:
      return n;
  }
}

Interval PointStatistics::range(std::size_t column) const {
  switch (columns_[column].measure) {
    case Measure::log_loss:
    case Measure::mean_squared_error:
    case Measure::mean_absolute_error:
      return {0, infinity};
    case Measure::mean_error:
      return {-infinity, infinity};
    case Measure::calibration:
      return {-1, 1};
    default:
      return {0, 1};
  }
}

Interval PointStatistics::within_stream(std::size_t stream, std::size_t slot, double confidence) const {
  const auto place = stream * plan_.slots.slots() + slot;
  const double count = moments_.count[place];
  if (count == 0) return {nan, nan};
  const auto& what = plan_.streams[stream];
  const double mean = moments_.mean[place], variance = moments_.within[place] / count;
  const double n = moments_.n[slot] / moments_.solutions;
  const double positives =
      plan_.shape.classes == 0
          ? 0
          : moments_.of_class[what.of_class * plan_.slots.slots() + slot] / moments_.solutions;
  const double own = moments_.rows[place] / count;
  if (what.measure == Measure::auroc)
    return auroc_interval({mean, variance, 0, positives, n - positives}, confidence);
  if (what.measure == Measure::precision || what.measure == Measure::f1) {
    if (what.rule == Rule::soft)
      return ratio_of_sums_interval({mean, variance, moments_.effective[place] / count}, confidence);
    return what.measure == Measure::f1 ? f1_interval(mean, own, confidence) : wilson(mean, own, confidence);
  }
  const double rows = what.measure == Measure::tpr   ? positives
                      : what.measure == Measure::fpr ? n - positives
                                                     : n;
  if (what.rule == Rule::hard) return wilson(mean, rows, confidence);
  const double sd = std::sqrt(variance * rows);
  return is_rate(what.measure) ? student_in_unit(mean, sd, rows, confidence)
                               : student(mean, sd, rows, confidence);
}

/// The mean of the classes' TPR, as a + b = a - (-b) of independent estimates, one class after the other.
Interval PointStatistics::within_balanced(std::size_t slot, double confidence) const {
  const std::uint32_t classes = plan_.shape.classes;
  Bounded sum{0, {0, 0}};
  for (std::uint32_t k = 0; k < classes; ++k) {
    // Of two classes, the one that has no streams has the TPR 1 - FPR of the other.
    const bool other = classes == 2 && k == 0;
    const auto found =
        std::ranges::find(plan_.streams, Stream{other ? Measure::fpr : Measure::tpr, other ? 1 : k, rule_});
    const auto stream = static_cast<std::size_t>(found - plan_.streams.begin());
    const double mean = moments_.mean[stream * plan_.slots.slots() + slot];
    const auto limits = within_stream(stream, slot, confidence);
    const Bounded minus = other ? Bounded{mean - 1, {limits.lower - 1, limits.upper - 1}}
                                : Bounded{-mean, {-limits.upper, -limits.lower}};
    sum = {sum.value - minus.value, analysis::difference(sum, minus)};
  }
  return {sum.interval.lower / classes, sum.interval.upper / classes};
}

Bounded PointStatistics::within(std::size_t column, std::size_t slot, double confidence) const {
  if (confidence != options_.confidence) return compute_within(column, slot, confidence);
  auto& known = within_[column * plan_.slots.slots() + slot];
  if (!known) known = compute_within(column, slot, confidence);
  return *known;
}

Bounded PointStatistics::compute_within(std::size_t column, std::size_t slot, double confidence) const {
  const auto& source = sources_[column];
  const double estimate = value(column, slot);
  if (std::isnan(estimate)) return {nan, {nan, nan}};
  if (columns_[column].measure == Measure::balanced_accuracy)
    return {estimate, within_balanced(slot, confidence)};
  const auto limits = within_stream(source.stream, slot, confidence);
  return {estimate, source.complement ? flipped(limits) : limits};
}

std::string PointStatistics::why_nan(std::size_t column, std::size_t slot) const {
  if (!sources_[column].exists) return "not computed";
  if (moments_.solutions == 0)
    return moments_.recorded == 0 ? "no trial recorded" : "no trial with a solution";
  const auto& stream = plan_.streams[sources_[column].stream];
  const std::size_t slots = plan_.slots.slots();
  const auto of_class = [&](std::size_t k) { return moments_.of_class[k * slots + slot]; };
  const double n = moments_.n[slot];
  if (n == 0) return "no rows";
  switch (stream.measure) {
    case Measure::tpr:
    case Measure::fpr:
    case Measure::auroc: {
      const bool none = of_class(stream.of_class) == 0;
      if (none && stream.measure != Measure::fpr)
        return plan_.shape.classes == 2 ? "no positives" : "no rows of the class";
      if (n - of_class(stream.of_class) == 0 && stream.measure != Measure::tpr)
        return plan_.shape.classes == 2 ? "no negatives" : "no rows of other classes";
      break;
    }
    case Measure::balanced_accuracy:
      for (std::size_t k = 0; k < plan_.shape.classes; ++k)
        if (of_class(k) == 0) return "no rows of one class";
      break;
    case Measure::precision:
      return "no row decided for the class";
    case Measure::f1:
      return "no row of the class, and none decided for it";
    default:
      break;
  }
  return "a score is not a number";
}

Estimate PointStatistics::blank(std::uint32_t trials) const {
  Estimate estimate;
  estimate.value = estimate.between_sd = estimate.sampling_se = nan;
  estimate.interval = {nan, nan};
  estimate.trials = trials;
  return estimate;
}

Estimate PointStatistics::estimate(std::size_t column, std::size_t slot) const {
  auto estimate = blank(trials(column, slot));
  estimate.rows = sources_[column].exists ? mean_rows(column, slot) : 0;
  estimate.few_rows = estimate.rows < options_.min_rows;
  const auto inner = within(column, slot, options_.confidence);
  if (std::isnan(inner.value)) {
    estimate.why_nan = why_nan(column, slot);
    return estimate;
  }
  estimate.value = inner.value;
  const double variance = between(column, slot);
  estimate.between_sd = std::sqrt(variance);
  estimate.sampling_se = std::sqrt(sampling_variance(column, slot));
  estimate.interval =
      over_trials(inner.value, inner.interval, variance, estimate.trials, options_.confidence, range(column));
  return estimate;
}

double PointStatistics::covariance(const Comparison& of) const {
  const bool kept = of.cross < plan_.slots.crosses();
  const double sum =
      kept ? moments_.cross[sources_[of.column].stream * plan_.slots.crosses() + of.cross] : nan;
  if (!std::isnan(sum)) return sum / (trials(of.column, of.a) - 1);
  return -std::sqrt(between(of.column, of.a) * between(of.column, of.b));
}

double PointStatistics::without_rounding(double difference, const Comparison& of) const {
  const double scale = std::isinf(range(of.column).upper)
                           ? std::max(std::abs(value(of.column, of.a)), std::abs(value(of.column, of.b)))
                           : 1;
  return std::abs(difference) <= 1e-12 * scale ? 0 : difference;
}

Estimate PointStatistics::difference(const Comparison& of) const {
  auto estimate = blank(std::min(trials(of.column, of.a), trials(of.column, of.b)));
  estimate.rows = std::min(mean_rows(of.column, of.a), mean_rows(of.column, of.b));
  estimate.few_rows = estimate.rows < options_.min_rows;
  const auto a = within(of.column, of.a, of.confidence), b = within(of.column, of.b, of.confidence);
  if (std::isnan(a.value) || std::isnan(b.value)) {
    estimate.why_nan = why_nan(of.column, std::isnan(a.value) ? of.a : of.b);
    return estimate;
  }
  estimate.value = without_rounding(a.value - b.value, of);
  const double variance =
      std::max(0.0, between(of.column, of.a) + between(of.column, of.b) - 2 * covariance(of));
  const double trials_behind = estimate.trials;
  estimate.between_sd = trials_behind < 2 ? nan : std::sqrt(variance);
  estimate.sampling_se = std::sqrt(sampling_variance(of.column, of.a) + sampling_variance(of.column, of.b));
  const auto limits = range(of.column);
  const double width = limits.upper - limits.lower;
  estimate.interval =
      over_trials(estimate.value, analysis::difference(a, b), estimate.trials < 2 ? nan : variance,
                  estimate.trials, of.confidence, {-width, width});
  return estimate;
}

Estimate PointStatistics::ratio(const Comparison& of) const {
  auto estimate = blank(std::min(trials(of.column, of.a), trials(of.column, of.b)));
  estimate.rows = std::min(mean_rows(of.column, of.a), mean_rows(of.column, of.b));
  estimate.few_rows = estimate.rows < options_.min_rows;
  if (!has_ratio(columns_[of.column].measure)) {
    estimate.why_nan = "values may be negative";
    return estimate;
  }
  const auto a = within(of.column, of.a, of.confidence), b = within(of.column, of.b, of.confidence);
  if (std::isnan(a.value) || std::isnan(b.value)) {
    estimate.why_nan = why_nan(of.column, std::isnan(a.value) ? of.a : of.b);
    return estimate;
  }
  // A soft mean may leave its range by rounding alone.
  const auto not_negative = [](Bounded x) {
    return Bounded{std::max(0.0, x.value), {std::max(0.0, x.interval.lower), x.interval.upper}};
  };
  const auto inner = analysis::ratio(not_negative(a), not_negative(b));
  estimate.interval = inner;
  if (b.value <= 0) {
    estimate.value = a.value > 0 ? infinity : nan;
    if (a.value <= 0) estimate.why_nan = "0 over 0";
    return estimate;
  }
  const double r = a.value / b.value;
  estimate.value = r;
  // a - r b to first order (the delta method), over b.
  const double variance =
      std::max(0.0, between(of.column, of.a) + r * r * between(of.column, of.b) - 2 * r * covariance(of)) /
      (b.value * b.value);
  estimate.between_sd = estimate.trials < 2 ? nan : std::sqrt(variance);
  estimate.sampling_se =
      std::sqrt(sampling_variance(of.column, of.a) + r * r * sampling_variance(of.column, of.b)) / b.value;
  estimate.interval = over_trials(r, inner, estimate.trials < 2 ? nan : variance, estimate.trials,
                                  of.confidence, {0, infinity});
  return estimate;
}

TestResult PointStatistics::test(const Comparison& of) const {
  const double a = value(of.column, of.a), b = value(of.column, of.b);
  const double n_a = mean_rows(of.column, of.a), n_b = mean_rows(of.column, of.b);
  if (std::isnan(a) || std::isnan(b)) return {nan, nan, nan};
  const double count = std::min(trials(of.column, of.a), trials(of.column, of.b));
  const double between_trials =
      count < 2
          ? 0
          : std::max(0.0, between(of.column, of.a) + between(of.column, of.b) - 2 * covariance(of)) / count;
  const auto& column = columns_[of.column];
  const bool share = is_rate(column.measure) || column.measure == Measure::precision;
  std::vector<VariancePart> parts;
  if (share && rule_ == Rule::hard && column.measure != Measure::mean_score) {
    parts.push_back({pooled_variance(a, n_a, b, n_b), infinity});
  } else {
    if (n_a < 2 || n_b < 2) return {nan, nan, nan};
    parts.push_back({sampling_variance(of.column, of.a), n_a - 1});
    parts.push_back({sampling_variance(of.column, of.b), n_b - 1});
  }
  if (between_trials > 0) parts.push_back({between_trials, count - 1});
  return test_of_difference(without_rounding(a - b, of), parts);
}

/// Means over rows: the whole is the group and the rest, weighted by their rows.
void PointStatistics::contrast_by_rest(Contrast& contrast, const Comparison& rest) const {
  const double n = mean_rows(rest.column, rest.a), others = mean_rows(rest.column, rest.b);
  const double share = n / (n + others);
  if (others == 0) {  // the group is the whole
    contrast.difference = contrast.ratio = blank(trials(rest.column, rest.a));
    contrast.difference.why_nan = contrast.ratio.why_nan = "no rows outside of the group";
    return;
  }
  contrast.difference = difference(rest);
  auto& difference = contrast.difference;
  difference.value = difference_to_whole(difference.value, share);
  difference.interval = difference_to_whole(difference.interval, share);
  difference.between_sd *= 1 - share;
  difference.sampling_se *= 1 - share;
  contrast.ratio = ratio(rest);
  auto& ratio = contrast.ratio;
  // d/dr of r / (share r + 1 - share).
  const double slope = (1 - share) / std::pow(share * ratio.value + 1 - share, 2);
  ratio.between_sd *= slope;
  ratio.sampling_se *= slope;
  ratio.value = ratio_to_whole(ratio.value, share);
  ratio.interval = ratio_to_whole(ratio.interval, share);
}

/// Other measures: as if group and whole were independent, with the least covariance between trials. Too
/// wide, since the group is part of the whole.
void PointStatistics::contrast_by_whole(Contrast& contrast, const Comparison& rest) const {
  // No product of deviations is kept for this pair: the covariance takes its bound.
  const Comparison whole{rest.column, rest.a, 0, plan_.slots.crosses(), rest.confidence};
  contrast.difference = difference(whole);
  contrast.ratio = ratio(whole);
}

Contrast PointStatistics::contrast(std::size_t column, std::size_t subgroup) const {
  Contrast contrast;
  contrast.subgroup = subgroup;
  contrast.column = column;
  const auto& slots = plan_.slots;
  const Comparison rest{column, slots.slot_of(subgroup), slots.rest_of(subgroup),
                        slots.cross_with_rest(subgroup), options_.confidence};
  contrast.test = test(rest);
  if (is_mean_of_rows(columns_[column].measure))
    contrast_by_rest(contrast, rest);
  else
    contrast_by_whole(contrast, rest);
  return contrast;
}

namespace {

/// Of all subgroups but "all", by column; Holm's family is the tests of one column.
std::vector<Contrast> contrasts_of(const PointStatistics& statistics, std::size_t columns,
                                   std::size_t subgroups) {
  std::vector<Contrast> contrasts;
  for (std::size_t column = 0; column < columns; ++column) {
    const auto first = contrasts.size();
    std::vector<double> p;
    for (std::size_t subgroup = 1; subgroup < subgroups; ++subgroup) {
      contrasts.push_back(statistics.contrast(column, subgroup));
      p.push_back(contrasts.back().test.p);
    }
    const auto adjusted = holm(p);
    const auto tests = std::ranges::count_if(p, [](double x) { return !std::isnan(x); });
    for (std::size_t i = 0; i < adjusted.size(); ++i) {
      contrasts[first + i].holm = adjusted[i];
      contrasts[first + i].tests = static_cast<std::size_t>(tests);
    }
  }
  return contrasts;
}

}  // namespace

SubgroupPoint point_of(const AccumulationPlan& plan, const Moments& moments, const SubgroupAnalysis& analysis,
                       Rule rule, const SubgroupOptions& options) {
  SubgroupPoint point;
  point.rule = rule;
  point.solutions = moments.solutions;
  point.recorded = moments.recorded;
  point.auroc_error =
      column_of(analysis.columns, Measure::auroc, plan.shape.classes - 1) ? moments.auroc_error : nan;
  const auto& slots = plan.slots;
  const PointStatistics statistics(plan, moments, analysis.columns, rule, options);
  for (std::size_t subgroup = 0; subgroup < slots.subgroups(); ++subgroup) {
    const auto slot = slots.slot_of(subgroup);
    const double trials = moments.solutions;
    point.rows.push_back(trials > 0 ? moments.n[slot] / trials : nan);
    if (plan.shape.classes == 2)
      point.positives.push_back(trials > 0 ? moments.of_class[slots.slots() + slot] / trials : nan);
    auto& row = point.estimates.emplace_back();
    for (std::size_t column = 0; column < analysis.columns.size(); ++column)
      row.push_back(statistics.estimate(column, slot));
  }
  if (options.gaps) point.gaps = gaps_of(statistics, plan, analysis);
  if (options.contrasts)
    point.contrasts = contrasts_of(statistics, analysis.columns.size(), slots.subgroups());
  return point;
}

}  // namespace seldon::analysis

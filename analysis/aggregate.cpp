#include "analysis/aggregate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "core/error.h"

namespace seldon::analysis {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double confidence = 0.95;

/// The probability that a normal variable is within one standard deviation of its mean: z = 1.
double one_standard_error() {
  return std::erf(std::sqrt(0.5));
}

/// Solutions of one model and data fraction that violate a constraint, and those that violate any.
struct Violations {
  std::vector<std::optional<std::uint32_t>> each;  ///< none: the records lack the constraint
  std::optional<std::uint32_t> any;
};

/// One model's records as the summary looks at them.
class ModelView {
 public:
  ModelView(const Results& results, std::size_t model, const std::vector<std::size_t>& constraints,
            const Selection& selection, const Choice& choice)
      : results_(results),
        model_(results.models[model]),
        truth_(truth_index(model_.header.shape, selection)),
        measure_(measure_of(model_.header.shape, choice.measure)),
        interval_(choice.interval) {
    const auto& shape = model_.header.shape;
    for (std::size_t c : constraints) {
      const auto& constraint = results.header.constraints[c];
      const auto index = constraint_index(shape, constraint.name);
      places_.push_back({index, index ? rule_index(shape, constraint, selection) : 0});
    }
  }

  Point point_at(std::size_t fraction) const {
    const auto& header = results_.header;
    Point point;
    point.fraction = header.data_fracs[fraction];
    point.rows = header.rows[fraction];
    const std::size_t first = fraction * header.n_trials, last = first + header.n_trials;
    std::vector<double> performance;
    std::uint32_t solutions = 0;
    for (std::size_t cell = first; cell < last; ++cell) {
      if (model_.states[cell] == CellState::failed)
        ++point.failed;
      else if (model_.done(cell))
        ++point.recorded;
      else
        ++point.missing;
      if (!model_.solved(cell)) continue;
      ++solutions;
      const double value = model_.performance_at(cell, truth_, measure_);
      if (!std::isnan(value)) performance.push_back(value);
    }
    point.performance = mean_of(performance, interval_);
    point.solution = rate_of(solutions, point.recorded, interval_);
    rate_violations(violations_in(first, last), solutions, point);
    return point;
  }

 private:
  struct Place {
    std::optional<std::size_t> constraint;
    std::size_t rule;
  };

  /// A baseline's records may lack a measure that others have; then nothing is drawn of it.
  static std::size_t measure_of(const RecordShape& shape, const std::string& measure) {
    if (measure.empty()) return 0;
    const auto found = std::ranges::find(shape.performance, measure);
    return static_cast<std::size_t>(found - shape.performance.begin());
  }

  Violations violations_in(std::size_t first, std::size_t last) const {
    Violations violations;
    bool all_known = !places_.empty();
    for (const auto& place : places_) {
      violations.each.push_back(place.constraint ? std::optional(0U) : std::nullopt);
      all_known = all_known && place.constraint.has_value();
    }
    std::uint32_t any = 0;
    for (std::size_t cell = first; cell < last; ++cell) {
      if (!model_.solved(cell)) continue;
      bool violated = false;
      for (std::size_t c = 0; c < places_.size(); ++c) {
        const auto& place = places_[c];
        if (!place.constraint || !has_failed(model_.g_at(cell, *place.constraint, place.rule, truth_)))
          continue;
        ++*violations.each[c];
        violated = true;
      }
      if (violated) ++any;
    }
    if (all_known) violations.any = any;
    return violations;
  }

  void rate_violations(const Violations& violations, std::uint32_t solutions, Point& point) const {
    const auto rate = [&](const std::optional<std::uint32_t>& count, std::uint32_t trials) {
      return count ? rate_of(*count, trials, interval_) : rate_of(0, 0);
    };
    for (const auto& count : violations.each) {
      point.violation.push_back(rate(count, point.recorded));
      point.conditional.push_back(rate(count, solutions));
    }
    point.joint = rate(violations.any, point.recorded);
    point.joint_conditional = rate(violations.any, solutions);
  }

  const Results& results_;
  const ModelResults& model_;
  std::size_t truth_, measure_;
  RateInterval interval_;
  std::vector<Place> places_;
};

std::string list_of(const std::vector<std::string>& names) {
  std::string list;
  for (const auto& name : names) list.append(list.empty() ? "'" : ", '").append(name).append("'");
  return list.empty() ? "none" : list;
}

template <class Headers>
std::vector<std::string> names_of(const Headers& headers) {
  std::vector<std::string> names;
  for (const auto& header : headers) names.push_back(header.name);
  return names;
}

/// One standard error to each side, or Wilson's interval of the same level where that has no width.
Interval trial_band(const Rate& rate) {
  if (std::isnan(rate.error) || rate.count == 0 || rate.count == rate.trials)
    return wilson(rate.value, rate.trials, one_standard_error());
  return {std::max(0.0, rate.value - rate.error), std::min(1.0, rate.value + rate.error)};
}

}  // namespace

Mean mean_of(std::span<const double> values, RateInterval interval) {
  const auto n = static_cast<double>(values.size());
  Mean mean{static_cast<std::uint32_t>(values.size()), nan, nan, nan, nan};
  if (values.empty()) return mean;
  double sum = 0;
  for (double value : values) sum += value;
  mean.value = sum / n;
  if (values.size() == 1) return mean;
  double squares = 0;
  for (double value : values) squares += (value - mean.value) * (value - mean.value);
  mean.error = std::sqrt(squares / (n - 1)) / std::sqrt(n);
  double width = mean.error;
  if (interval != RateInterval::standard_error) width *= student_quantile(confidence, n - 1);
  mean.lower = mean.value - width;
  mean.upper = mean.value + width;
  return mean;
}

Rate rate_of(std::uint32_t count, std::uint32_t trials, RateInterval interval) {
  if (trials == 0) return {0, 0, nan, nan, nan, nan, nan, nan, nan, nan};
  const double n = trials, p = count / n;
  const Interval exact = clopper_pearson(count, trials, confidence), score = wilson(p, n, confidence);
  // The sample variance of k ones and n - k zeros is n p (1 - p) / (n - 1).
  const double error = trials > 1 ? std::sqrt(p * (1 - p) / (n - 1)) : nan;
  Rate rate{count, trials, p, error, exact.lower, exact.upper, score.lower, score.upper, nan, nan};
  const Interval band = interval == RateInterval::exact    ? exact
                        : interval == RateInterval::wilson ? score
                                                           : trial_band(rate);
  rate.lower = band.lower;
  rate.upper = band.upper;
  return rate;
}

double Summary::joint_delta() const {
  double sum = 0;
  for (const auto& constraint : constraints) sum += constraint.header.delta;
  // Three times 0.05 is 0.15, also where it is printed.
  return std::isnan(sum) ? nan : std::min(1.0, std::round(sum * 1e12) / 1e12);
}

std::vector<std::size_t> positions_of(const std::vector<std::string>& chosen,
                                      const std::vector<std::string>& all, const std::string& what) {
  std::vector<std::size_t> positions;
  if (chosen.empty())
    for (std::size_t i = 0; i < all.size(); ++i) positions.push_back(i);
  for (const auto& name : chosen) {
    const auto found = std::ranges::find(all, name);
    if (found == all.end())
      throw InputError("the store holds no " + what + " '" + name + "'; it holds " + list_of(all));
    const auto position = static_cast<std::size_t>(found - all.begin());
    if (std::ranges::find(positions, position) != positions.end())
      throw InputError("the " + what + " '" + name + "' is chosen twice; name each once");
    positions.push_back(position);
  }
  return positions;
}

std::size_t measure_index(const RecordShape& shape, const std::string& measure) {
  if (measure.empty()) return 0;
  return positions_of({measure}, shape.performance, "performance measure").front();
}

Summary aggregate(const Results& results, const Selection& selection, const Choice& choice) {
  const auto& header = results.header;
  Summary summary;
  summary.experiment = header.name;
  summary.n_trials = header.n_trials;
  summary.interval = choice.interval;
  const auto constraints = positions_of(choice.constraints, names_of(header.constraints), "constraint");
  if (!header.models.empty()) {
    const auto& shape = header.models.front().shape;
    summary.truth = shape.truths.at(truth_index(shape, selection));
    const auto measure = measure_index(shape, choice.measure);
    if (!shape.performance.empty()) summary.performance = shape.performance[measure];
    for (std::size_t c : constraints) {
      const auto& constraint = header.constraints[c];
      summary.constraints.push_back({constraint, shape.rules.at(rule_index(shape, constraint, selection))});
    }
  }
  for (std::size_t m : positions_of(choice.models, names_of(header.models), "model")) {
    const auto& model = results.models[m].header;
    const ModelView view(results, m, constraints, selection, choice);
    ModelSummary line{model.name, model.kind, m, {}};
    for (std::size_t fraction = 0; fraction < header.data_fracs.size(); ++fraction)
      line.points.push_back(view.point_at(fraction));
    std::ranges::stable_sort(line.points, {}, &Point::rows);
    summary.models.push_back(std::move(line));
  }
  return summary;
}

}  // namespace seldon::analysis

#include "engine/objective/objective.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "engine/model/kernels.h"

namespace seldon::engine {
namespace {

double count(std::span<const double> labels) {
  return static_cast<double>(labels.size());
}

double binary_log_loss(std::span<const double> eta, std::span<const double> p, std::span<const double> labels,
                       std::span<double> d_eta) {
  const double n = count(labels);
  scaled_difference(p, labels, 1 / n, d_eta);
  return log_loss_sum(eta, p, labels) / n;
}

/// log sum exp(eta) - eta[label], shifted by the largest.
double multiclass_log_loss(std::span<const double> eta, std::span<const double> p, std::size_t columns,
                           std::span<const double> labels, std::span<double> d_eta) {
  const double n = count(labels);
  double total = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto row = eta.subspan(i * columns, columns);
    const auto label = static_cast<std::size_t>(labels[i]);
    const double largest = *std::ranges::max_element(row);
    double sum = 0;
    for (double value : row) sum += std::exp(value - largest);
    total += largest + std::log(sum) - row[label];
    for (std::size_t k = 0; k < columns; ++k)
      d_eta[i * columns + k] = (p[i * columns + k] - (k == label ? 1.0 : 0.0)) / n;
  }
  return total / n;
}

double mean_squared_error(std::span<const double> prediction, std::span<const double> labels,
                          std::span<double> d) {
  const double n = count(labels);
  double total = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double error = prediction[i] - labels[i];
    total += error * error;
    d[i] = 2 * error / n;
  }
  return total / n;
}

double mean_error(std::span<const double> prediction, std::span<const double> labels, std::span<double> d) {
  const double n = count(labels);
  double total = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    total += prediction[i] - labels[i];
    d[i] = 1 / n;
  }
  return total / n;
}

double probability_of(std::span<const double> scores, std::size_t columns, std::size_t row, double label) {
  if (columns == 1) return label > 0.5 ? scores[row] : 1.0 - scores[row];
  return scores[row * columns + static_cast<std::size_t>(label)];
}

double mean_probability(std::span<const double> scores, std::size_t columns, std::span<const double> labels) {
  double total = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) total += probability_of(scores, columns, i, labels[i]);
  return total / count(labels);
}

double clipped_log_loss(std::span<const double> scores, std::size_t columns, std::span<const double> labels) {
  constexpr double least = 1e-15;
  double total = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double p = probability_of(scores, columns, i, labels[i]);
    total -= std::log(std::isnan(p) ? p : std::clamp(p, least, 1.0 - least));
  }
  return total / count(labels);
}

template <class Registered>
const Registered* find_by_name(const std::deque<Registered>& all, std::string_view name) {
  const auto at = std::ranges::find(all, name, &Registered::name);
  return at == all.end() ? nullptr : &*at;
}

template <class Registered>
std::vector<std::string> names_for(const std::deque<Registered>& all, Regime regime) {
  std::vector<std::string> names;
  for (const Registered& one : all)
    if (std::ranges::find(one.regimes, regime) != one.regimes.end()) names.push_back(one.name);
  return names;
}

template <class Registered>
void add_once(std::deque<Registered>& all, Registered one, const char* kind) {
  if (find_by_name(all, one.name))
    throw InternalError(std::string("two ") + kind + " are named '" + one.name + "'");
  all.push_back(std::move(one));
}

}  // namespace

ObjectiveRegistry::ObjectiveRegistry() {
  add({"log_loss",
       {Regime::classification, Regime::multiclass_classification},
       [](auto predictors, auto scores, std::size_t columns, auto labels, auto d) {
         return columns == 1 ? binary_log_loss(predictors, scores, labels, d)
                             : multiclass_log_loss(predictors, scores, columns, labels, d);
       }});
  add({"mean_squared_error", {Regime::regression}, [](auto, auto scores, std::size_t, auto labels, auto d) {
         return mean_squared_error(scores, labels, d);
       }});
  add({"mean_error", {Regime::regression}, [](auto, auto scores, std::size_t, auto labels, auto d) {
         return mean_error(scores, labels, d);
       }});
}

ObjectiveRegistry& ObjectiveRegistry::instance() {
  static ObjectiveRegistry registry;
  return registry;
}
void ObjectiveRegistry::add(Objective objective) {
  add_once(objectives_, std::move(objective), "objectives");
}
const Objective* ObjectiveRegistry::find(std::string_view name) const {
  return find_by_name(objectives_, name);
}
std::vector<std::string> ObjectiveRegistry::names(Regime regime) const {
  return names_for(objectives_, regime);
}

PerformanceRegistry::PerformanceRegistry() {
  const std::vector<Regime> classes = {Regime::classification, Regime::multiclass_classification};
  add({"log_loss", classes, [](auto scores, auto, std::size_t columns, auto labels) {
         return clipped_log_loss(scores, columns, labels);
       }});
  add({"accuracy", classes, [](auto, auto decisions, std::size_t columns, auto labels) {
         return mean_probability(decisions, columns, labels);
       }});
  add({"probabilistic_accuracy", classes, [](auto scores, auto, std::size_t columns, auto labels) {
         return mean_probability(scores, columns, labels);
       }});
  add({"mean_squared_error", {Regime::regression}, [](auto scores, auto, std::size_t, auto labels) {
         std::vector<double> unused(labels.size());
         return mean_squared_error(scores, labels, unused);
       }});
}

PerformanceRegistry& PerformanceRegistry::instance() {
  static PerformanceRegistry registry;
  return registry;
}
void PerformanceRegistry::add(PerformanceMeasure measure) {
  add_once(measures_, std::move(measure), "performances");
}
const PerformanceMeasure* PerformanceRegistry::find(std::string_view name) const {
  return find_by_name(measures_, name);
}
std::vector<std::string> PerformanceRegistry::names(Regime regime) const {
  return names_for(measures_, regime);
}

}  // namespace seldon::engine

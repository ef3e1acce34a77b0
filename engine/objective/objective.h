#pragma once
// Primary objectives: what candidate selection minimises besides the constraints. One registration each.

#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/regime.h"

namespace seldon::engine {

struct Objective {
  std::string name;
  std::vector<Regime> regimes;
  /// The mean over the rows, and its derivative by each predictor (set, not added). Shapes: n x columns.
  std::function<double(std::span<const double> predictors, std::span<const double> scores,
                       std::size_t columns, std::span<const double> labels, std::span<double> d_predictors)>
      value;
};

/// "log_loss" (classification, multi-class; nats), "mean_squared_error" and "mean_error" (regression).
class ObjectiveRegistry {
 public:
  static ObjectiveRegistry& instance();
  void add(Objective objective);
  const Objective* find(std::string_view name) const;
  std::vector<std::string> names(Regime regime) const;

 private:
  ObjectiveRegistry();
  std::deque<Objective> objectives_;
};

/// Performance measures: what the first of the Three Plots shows, over a ground truth.
struct PerformanceMeasure {
  std::string name;
  std::vector<Regime> regimes;
  /// scores: n x columns; decisions: n x columns indicators; labels: n.
  std::function<double(std::span<const double> scores, std::span<const double> decisions, std::size_t columns,
                       std::span<const double> labels)>
      value;
};

/// "log_loss" (probabilities clipped to [1e-15, 1 - 1e-15], as scikit-learn's log_loss), "accuracy"
/// (decisions), "probabilistic_accuracy" (mean probability of the true class), "mean_squared_error".
class PerformanceRegistry {
 public:
  static PerformanceRegistry& instance();
  void add(PerformanceMeasure measure);
  const PerformanceMeasure* find(std::string_view name) const;
  std::vector<std::string> names(Regime regime) const;

 private:
  PerformanceRegistry();
  std::deque<PerformanceMeasure> measures_;
};

}  // namespace seldon::engine

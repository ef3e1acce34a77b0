#include "engine/evaluation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace seldon::engine {
namespace {

double mean(std::span<const double> z) {
  if (z.empty()) return std::numeric_limits<double>::quiet_NaN();
  return std::accumulate(z.begin(), z.end(), 0.0) / static_cast<double>(z.size());
}

/// The constraint's tree on means over the truth, by rule: soft, and hard where decisions exist.
std::vector<double> true_values(const ConstraintSpec& constraint, Regime regime, NodeScores& scores) {
  std::vector<double> g;
  for (const bool hard : {false, true}) {
    if (hard && regime == Regime::regression) break;
    std::vector<double> means;
    for (const BaseNode& node : constraint.tree.base_nodes())
      means.push_back(mean(scores.values(node, hard)));
    g.push_back(constraint.tree.value(means));
  }
  return g;
}

void add_residual(SubgroupSums& sums, double label, double prediction) {
  const double error = prediction - label, square = error * error;
  const double terms[] = {1, label, label * label, error, std::fabs(error), square, square * square};
  for (std::size_t k = 0; k < sums.residuals.size(); ++k) sums.residuals[k] += terms[k];
}

/// Sums over one subgroup of a classifier's rows; a binary score stands for the two columns (1 - p, p).
class ClassSums {
 public:
  ClassSums(std::size_t classes, bool histograms) : classes_(classes), histograms_(histograms) {
    sums_.hard_counts.assign(classes * classes, 0.0);
    sums_.soft_sums = sums_.soft_squares = sums_.hard_counts;
    if (histograms) sums_.histogram.assign(classes * histogram_bins * 2, 0.0);
  }

  void add(std::size_t label, std::span<const double> score, std::span<const double> decision) {
    constexpr double least = 1e-15;  // as in the performance measure "log_loss"
    double own = 0;
    for (std::size_t k = 0; k < classes_; ++k) {
      const double p = score.size() == 1 ? (k == 1 ? score[0] : 1.0 - score[0]) : score[k];
      const double d = decision.size() == 1 ? (k == 1 ? decision[0] : 1.0 - decision[0]) : decision[k];
      sums_.hard_counts[label * classes_ + k] += d;
      sums_.soft_sums[label * classes_ + k] += p;
      sums_.soft_squares[label * classes_ + k] += p * p;
      if (k == label) own = p;
    }
    const double loss = -std::log(std::isnan(own) ? own : std::clamp(own, least, 1.0 - least));
    sums_.log_loss[0] += loss;
    sums_.log_loss[1] += loss * loss;
    if (histograms_) add_to_histogram(label, score);
  }

  SubgroupSums take() { return std::move(sums_); }

 private:
  /// Bins of the binary score, or of the last class's probability; NaN falls into no bin.
  void add_to_histogram(std::size_t label, std::span<const double> score) {
    const double p = score.back();
    if (std::isnan(p)) return;
    const auto bins = static_cast<double>(histogram_bins);
    const auto bin = static_cast<std::size_t>(std::clamp(p * bins, 0.0, bins - 1));
    double* at = &sums_.histogram[(label * histogram_bins + bin) * 2];
    at[0] += 1;
    at[1] += p;
  }

  std::size_t classes_;
  bool histograms_;
  SubgroupSums sums_;
};

SubgroupSums subgroup_sums(const Problem& problem, const Truth& truth, const NodeScores& scores,
                           std::size_t columns, const Group& subgroup, const EvaluationOptions& options) {
  if (problem.data->regime == Regime::regression) {
    SubgroupSums sums;
    for (std::size_t i = 0; i < truth.rows.size(); ++i)
      if (subgroup.member[truth.rows[i]]) add_residual(sums, scores.labels()[i], scores.scores()[i]);
    return sums;
  }
  ClassSums sums(options.classes, options.histograms);
  for (std::size_t i = 0; i < truth.rows.size(); ++i)
    if (subgroup.member[truth.rows[i]])
      sums.add(static_cast<std::size_t>(scores.labels()[i]), scores.scores().subspan(i * columns, columns),
               scores.decisions().subspan(i * columns, columns));
  return sums.take();
}

TruthResult performance_and_values(const Problem& problem, NodeScores& scores, std::size_t columns,
                                   const EvaluationOptions& options) {
  TruthResult result;
  for (const PerformanceMeasure* measure : options.performance)
    result.performance.push_back(
        measure->value(scores.scores(), scores.decisions(), columns, scores.labels()));
  for (const ConstraintSpec& constraint : problem.constraints)
    result.g.push_back(true_values(constraint, problem.data->regime, scores));
  return result;
}

}  // namespace

TruthResult evaluate(const Problem& problem, const Truth& truth, Predictor& predictor,
                     const EvaluationOptions& options) {
  NodeScores scores(*problem.data, predictor, truth.rows);
  TruthResult result = performance_and_values(problem, scores, predictor.columns(), options);
  for (const Group& subgroup : problem.data->subgroups)
    result.subgroups.push_back(subgroup_sums(problem, truth, scores, predictor.columns(), subgroup, options));
  return result;
}

TruthResult evaluate(const Problem& problem, const Truth& truth, Predictor& predictor, TrialScores known,
                     const EvaluationOptions& options) {
  KnownScores whole(predictor, truth.rows, known.scores);
  NodeScores scores(*problem.data, whole, truth.rows);
  TruthResult result = performance_and_values(problem, scores, predictor.columns(), options);
  result.subgroups = std::move(known.subgroups);
  return result;
}

}  // namespace seldon::engine

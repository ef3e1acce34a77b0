#pragma once
// The Lagrangian of candidate selection for one trial, at the level of predictors:
//   L(theta, lambda) = f(theta) + sum_i lambda_i U_i(theta),
// U_i the upper bound of constraint i that the safety test is predicted to compute, inflated (Thomas et al.,
// "Preventing undesirable behavior of intelligent machines", Science 366, 2019; its KKT form is the Seldonian
// Toolkit's).

#include <cstdint>
#include <span>
#include <vector>

#include "engine/problem.h"

namespace seldon::engine {

class Lagrangian {
 public:
  /// candidate_rows: rows of the table; safety_rows: how many the safety test will have. `separate_passes`:
  /// every conditional base node gets a forward pass of its own (Learner::batch_dependent).
  Lagrangian(const Problem& problem, std::span<const std::uint32_t> candidate_rows, double safety_rows,
             bool separate_passes = false);

  /// Sets the batch: positions in the candidate rows.
  void choose(std::span<const std::uint32_t> batch);
  /// The forward passes that the batch needs, each as positions in the candidate rows; the first is the
  /// batch.
  const std::vector<std::vector<std::uint32_t>>& passes() const { return passes_; }

  /// The loss (without the learner's penalty) and every constraint's upper bound.
  struct Value {
    double loss = 0;
    std::vector<double> upper;  ///< +inf: infeasible; NaN where not usable
    std::vector<std::uint8_t>
        usable;                ///< 0: a node has at most one row in this batch, the constraint sits out
    bool small_group = false;  ///< a node has under five rows in this batch
    /// All constraints usable and U_i <= 0.
    bool feasible() const;
    /// Some usable constraint's bound is NaN.
    bool not_a_number() const;
    /// Some constraint's bound is infinite, or not to be had.
    bool infinite() const;
    /// The norm of max(U, 0), or (toolkit variant) of U.
    double violation(bool toolkit) const;
  };
  /// predictors[k]: of pass k, rows x columns.
  const Value& evaluate(std::span<const std::span<const double>> predictors, std::size_t columns);

  /// The derivative of f + sum_i multipliers_i U_i by each predictor of each pass, after `evaluate`.
  std::span<const std::vector<double>> gradient(std::span<const double> multipliers);

 private:
  struct Node {
    std::size_t pass = 0;
    std::vector<std::uint32_t> positions;  ///< in its pass
    NodeValues soft, hard;
    NodeStatistics statistics, hard_statistics;
  };
  struct Pass {
    std::vector<double> labels, scores, decisions, d_scores;
  };

  BoundRequest request(const BaseNode& node, const ConstraintSpec& constraint, double rows, Side side) const;
  Interval bounds_of(const BaseNode& node, const ConstraintSpec& constraint, const NodeStatistics& sample,
                     BoundKind kind) const;
  double upper_of(std::size_t constraint, std::size_t first_node);
  void add_constraint_gradient(std::size_t constraint, std::size_t first_node, double multiplier);
  void add_node_gradient(const Node& node, double d_mean, double d_sd);
  /// Rows that the bound's width is computed for: the safety rows expected behind a node.
  double predicted_rows(double node_rows) const;

  const Problem& problem_;
  std::span<const std::uint32_t> rows_;
  double safety_rows_;
  bool separate_passes_;
  std::size_t columns_ = 1;

  std::vector<std::vector<std::uint32_t>> passes_;
  std::vector<Pass> pass_;
  std::vector<Node> nodes_;
  Value value_;
  std::vector<std::vector<double>> d_predictors_;
  std::vector<Interval> bounds_, d_bounds_;
  std::vector<double> means_, d_means_;
};

}  // namespace seldon::engine

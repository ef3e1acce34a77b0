#include "engine/lagrangian.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/dataset/sampling.h"
#include "engine/model/kernels.h"
#include "engine/objective/link.h"

namespace seldon::engine {
namespace {
constexpr double infinity = std::numeric_limits<double>::infinity();
}

bool Lagrangian::Value::feasible() const {
  for (std::size_t i = 0; i < upper.size(); ++i)
    if (!usable[i] || !(upper[i] <= 0)) return false;
  return true;
}

bool Lagrangian::Value::not_a_number() const {
  for (std::size_t i = 0; i < upper.size(); ++i)
    if (usable[i] && std::isnan(upper[i])) return true;
  return false;
}

bool Lagrangian::Value::infinite() const {
  return std::ranges::any_of(upper, [](double u) { return !std::isfinite(u); });
}

double Lagrangian::Value::violation(bool toolkit) const {
  double sum = 0;
  for (std::size_t i = 0; i < upper.size(); ++i) {
    const double u = usable[i] ? upper[i] : infinity;
    sum += toolkit ? u * u : std::max(u, 0.0) * std::max(u, 0.0);
  }
  return std::sqrt(sum);
}

Lagrangian::Lagrangian(const Problem& problem, std::span<const std::uint32_t> candidate_rows,
                       double safety_rows, bool separate_passes)
    : problem_(problem),
      rows_(candidate_rows),
      safety_rows_(safety_rows),
      separate_passes_(separate_passes),
      nodes_(problem.node_count()) {
  value_.upper.resize(problem.constraints.size());
  value_.usable.resize(problem.constraints.size());
}

void Lagrangian::choose(std::span<const std::uint32_t> batch) {
  const Dataset& data = *problem_.data;
  passes_.assign(1, {batch.begin(), batch.end()});
  std::vector<std::uint32_t> table_rows(batch.size());
  std::ranges::transform(batch, table_rows.begin(), [&](std::uint32_t i) { return rows_[i]; });

  std::size_t k = 0;
  for (const ConstraintSpec& constraint : problem_.constraints)
    for (const BaseNode& base : constraint.tree.base_nodes()) {
      Node& node = nodes_[k++];
      const GroupMask in_groups(data, base);
      if (!separate_passes_ || !in_groups.conditional()) {
        node.pass = 0;
        node.positions = node_positions(data, base, table_rows);
        continue;
      }
      // The pass holds the group's rows, whatever their label; the measure selects among them.
      std::vector<std::uint32_t> pass, masked;
      for (std::size_t i = 0; i < batch.size(); ++i)
        if (in_groups(table_rows[i])) {
          pass.push_back(batch[i]);
          masked.push_back(table_rows[i]);
        }
      node.positions = node_positions(data, base, masked);
      node.pass = 0;
      if (pass.empty())
        continue;  // no rows: the constraint sits out, and no learner is asked for an empty pass
      node.pass = passes_.size();
      passes_.push_back(std::move(pass));
    }

  pass_.resize(passes_.size());
  for (std::size_t p = 0; p < passes_.size(); ++p) {
    pass_[p].labels.resize(passes_[p].size());
    std::ranges::transform(passes_[p], pass_[p].labels.begin(),
                           [&](std::uint32_t i) { return data.labels[rows_[i]]; });
  }
  for (Node& node : nodes_) {
    node.soft.choose(pass_[node.pass].labels, node.positions);
    node.hard.labels = node.soft.labels;
    node.hard.contiguous = node.soft.contiguous;
  }
}

double Lagrangian::predicted_rows(double node_rows) const {
  const auto batch = static_cast<double>(passes_.front().size());
  return static_cast<double>(round_half_even(node_rows / batch * safety_rows_));
}

BoundRequest Lagrangian::request(const BaseNode& node, const ConstraintSpec& constraint, double rows,
                                 Side side) const {
  // The default variant predicts the corrected safety test: rates clipped, constant values not certified.
  const bool corrected = constraint.tree.variant() == Variant::default_;
  const bool lower = side == Side::lower;
  return {side,
          lower ? node.delta_lower : node.delta_upper,
          predicted_rows(rows),
          lower ? node.inflation_lower : node.inflation_upper,
          range_of(constraint, node),
          corrected && node.measure->rate,
          corrected};
}

Interval Lagrangian::bounds_of(const BaseNode& node, const ConstraintSpec& constraint,
                               const NodeStatistics& sample, BoundKind kind) const {
  Interval interval;
  if (node.needs_lower)
    interval.lower = bound(kind, sample, request(node, constraint, sample.n, Side::lower)).value;
  if (node.needs_upper)
    interval.upper = bound(kind, sample, request(node, constraint, sample.n, Side::upper)).value;
  return interval;
}

double Lagrangian::upper_of(std::size_t i, std::size_t first_node) {
  const ConstraintSpec& constraint = problem_.constraints[i];
  const auto& base = constraint.tree.base_nodes();
  bounds_.resize(base.size());
  for (std::size_t k = 0; k < base.size(); ++k) {
    const Node& node = nodes_[first_node + k];
    bounds_[k] = bounds_of(base[k], constraint, constraint.hard ? node.hard_statistics : node.statistics,
                           constraint.bound);
  }
  return constraint.tree.propagate(bounds_).upper;
}

const Lagrangian::Value& Lagrangian::evaluate(std::span<const std::span<const double>> predictors,
                                              std::size_t columns) {
  columns_ = columns;
  const Regime regime = problem_.data->regime;
  const bool any_hard = std::ranges::any_of(problem_.constraints, &ConstraintSpec::hard);
  for (std::size_t p = 0; p < passes_.size(); ++p) {
    Pass& pass = pass_[p];
    pass.scores.resize(predictors[p].size());
    apply_link(regime, columns, predictors[p], pass.scores);
    if (any_hard) {
      pass.decisions.resize(predictors[p].size());
      decide(regime, columns, pass.scores, pass.decisions);
    }
  }

  d_predictors_.resize(passes_.size());
  d_predictors_[0].resize(predictors[0].size());
  value_.loss =
      problem_.objective->value(predictors[0], pass_[0].scores, columns, pass_[0].labels, d_predictors_[0]);

  constexpr std::size_t least_rows = 5;  // that Student's t takes
  value_.small_group = false;
  std::size_t first = 0;
  for (std::size_t i = 0; i < problem_.constraints.size(); ++i) {
    const ConstraintSpec& constraint = problem_.constraints[i];
    const auto& base = constraint.tree.base_nodes();
    value_.usable[i] = 1;
    for (std::size_t k = 0; k < base.size(); ++k) {
      Node& node = nodes_[first + k];
      const Pass& pass = pass_[node.pass];
      if (node.positions.size() < 2) value_.usable[i] = 0;
      if (node.positions.size() < least_rows) value_.small_group = true;
      node.soft.compute(base[k], pass.scores, columns, node.positions, true);
      node.statistics = node.soft.statistics();
      if (!constraint.hard) continue;
      node.hard.compute(base[k], pass.decisions, columns, node.positions, false);
      node.hard_statistics = node.hard.statistics();
    }
    value_.upper[i] = value_.usable[i] ? upper_of(i, first) : std::numeric_limits<double>::quiet_NaN();
    first += base.size();
  }
  return value_;
}

void Lagrangian::add_node_gradient(const Node& node, double d_mean, double d_sd) {
  // mean = sum z / n; sd^2 = sum (z - mean)^2 / (n - 1), so d sd / d z_j = (z_j - mean) / ((n - 1) sd).
  const double n = node.statistics.n, mean = node.statistics.mean, sd = node.statistics.sd;
  const double by_mean = d_mean / n;
  const double by_sd = sd > 0 ? d_sd / ((n - 1) * sd) : 0.0;
  std::vector<double>& d_scores = pass_[node.pass].d_scores;
  const double* z = node.soft.z.data();
  const double* dz = node.soft.dz.data();
  if (columns_ == 1 && node.soft.contiguous && !node.positions.empty()) {
    add_moment_gradient(node.soft.z, node.soft.dz, by_mean, by_sd, mean,
                        std::span(d_scores).subspan(node.positions[0], node.positions.size()));
    return;
  }
  for (std::size_t j = 0; j < node.positions.size(); ++j)
    for (std::size_t k = 0; k < columns_; ++k)
      d_scores[node.positions[j] * columns_ + k] += (by_mean + by_sd * (z[j] - mean)) * dz[j * columns_ + k];
}

void Lagrangian::add_constraint_gradient(std::size_t i, std::size_t first_node, double multiplier) {
  const ConstraintSpec& constraint = problem_.constraints[i];
  const auto& base = constraint.tree.base_nodes();
  bounds_.resize(base.size());
  d_bounds_.resize(base.size());
  // Decisions have no useful derivative: the gradient goes through mean probabilities and their t bound.
  const BoundKind kind = constraint.hard ? BoundKind::student_t : constraint.bound;
  for (std::size_t k = 0; k < base.size(); ++k)
    bounds_[k] = bounds_of(base[k], constraint, nodes_[first_node + k].statistics, kind);
  const double upper = constraint.tree.upper(bounds_, d_bounds_);

  if (!std::isfinite(upper)) {
    means_.resize(base.size());
    d_means_.resize(base.size());
    for (std::size_t k = 0; k < base.size(); ++k) means_[k] = nodes_[first_node + k].statistics.mean;
    if (!std::isfinite(constraint.tree.value(means_, d_means_))) return;
    for (std::size_t k = 0; k < base.size(); ++k)
      if (std::isfinite(d_means_[k]))
        add_node_gradient(nodes_[first_node + k], multiplier * d_means_[k], 0.0);
    return;
  }

  for (std::size_t k = 0; k < base.size(); ++k) {
    const Node& node = nodes_[first_node + k];
    double d_mean = 0, d_sd = 0;
    const auto add = [&](Side side, double d_bound) {
      if (d_bound == 0) return;
      const BoundValue b =
          bound(kind, node.statistics, request(base[k], constraint, node.statistics.n, side));
      d_mean += d_bound * b.d_mean;
      d_sd += d_bound * b.d_sd;
    };
    if (base[k].needs_lower) add(Side::lower, d_bounds_[k].lower);
    if (base[k].needs_upper) add(Side::upper, d_bounds_[k].upper);
    add_node_gradient(node, multiplier * d_mean, multiplier * d_sd);
  }
}

std::span<const std::vector<double>> Lagrangian::gradient(std::span<const double> multipliers) {
  for (std::size_t p = 0; p < passes_.size(); ++p) {
    pass_[p].d_scores.assign(pass_[p].scores.size(), 0.0);
    if (p > 0) d_predictors_[p].assign(pass_[p].scores.size(), 0.0);
  }
  std::size_t first = 0;
  for (std::size_t i = 0; i < problem_.constraints.size(); ++i) {
    if (value_.usable[i] && multipliers[i] > 0) add_constraint_gradient(i, first, multipliers[i]);
    first += problem_.constraints[i].tree.base_nodes().size();
  }
  for (std::size_t p = 0; p < passes_.size(); ++p)
    add_link_gradient(problem_.data->regime, columns_, pass_[p].scores, pass_[p].d_scores, d_predictors_[p]);
  return d_predictors_;
}

}  // namespace seldon::engine

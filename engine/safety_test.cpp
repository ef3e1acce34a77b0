#include "engine/safety_test.h"

#include <cmath>

#include "engine/model/kernels.h"

namespace seldon::engine {

SafetyResult safety_test(const Problem& problem, Predictor& predictor,
                         std::span<const std::uint32_t> safety_rows) {
  NodeScores scores(*problem.data, predictor, safety_rows);
  SafetyResult result;
  result.passed = true;
  std::vector<Interval> bounds;
  for (const ConstraintSpec& constraint : problem.constraints) {
    const bool corrected = constraint.tree.variant() == Variant::default_;
    bounds.clear();
    for (const BaseNode& node : constraint.tree.base_nodes()) {
      NodeValues values;
      values.z = scores.values(node, constraint.hard);
      const NodeStatistics sample = values.statistics();
      BoundRequest request{Side::lower, node.delta_lower, sample.n,
                           1.0,         constraint.range, corrected && node.measure->rate,
                           corrected};
      Interval interval;
      if (node.needs_lower) interval.lower = bound(constraint.bound, sample, request).value;
      request.side = Side::upper;
      request.delta = node.delta_upper;
      if (node.needs_upper) interval.upper = bound(constraint.bound, sample, request).value;
      bounds.push_back(interval);
      result.nodes.push_back({sample.n, sample.mean, sample.sd, interval.lower, interval.upper});
      if (sample.n < (constraint.bound == BoundKind::student_t ? 5 : 2)) result.group_too_small = true;
    }
    const double upper = constraint.tree.propagate(bounds).upper;
    result.upper.push_back(upper);
    if (!(upper <= 0)) result.passed = false;
  }
  return result;
}

}  // namespace seldon::engine

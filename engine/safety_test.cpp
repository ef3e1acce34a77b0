#include "engine/safety_test.h"

#include <cmath>

namespace seldon::engine {

SafetyResult safety_test(const Problem& problem, Predictor& predictor,
                         std::span<const std::uint32_t> safety_rows) {
  NodeScores scores(*problem.data, predictor, safety_rows);
  SafetyResult result;
  result.passed = true;
  std::vector<Interval> bounds;
  for (const ConstraintSpec& constraint : problem.constraints) {
    const bool corrected = constraint.tree.variant() == Variant::default_;
    bool unbounded = false;  // a side that the tree needs has no bound: too few rows
    bounds.clear();
    for (const BaseNode& node : constraint.tree.base_nodes()) {
      NodeValues values;
      values.z = scores.values(node, constraint.hard);
      const NodeStatistics sample = values.statistics();
      const auto limit = [&](Side side, double delta) {
        const BoundRequest request{
            side,     delta, sample.n, 1.0, range_of(constraint, node), corrected && node.measure->rate,
            corrected};
        const double value = bound(constraint.bound, sample, request).value;
        if (std::isinf(value) && sample.n < 5) unbounded = true;
        return value;
      };
      Interval interval;
      if (node.needs_lower) interval.lower = limit(Side::lower, node.delta_lower);
      if (node.needs_upper) interval.upper = limit(Side::upper, node.delta_upper);
      bounds.push_back(interval);
      result.nodes.push_back({sample.n, sample.mean, sample.sd, interval.lower, interval.upper});
    }
    const double upper = constraint.tree.propagate(bounds).upper;
    result.upper.push_back(upper);
    if (upper <= 0) continue;
    result.passed = false;
    if (unbounded) result.group_too_small = true;
  }
  return result;
}

}  // namespace seldon::engine

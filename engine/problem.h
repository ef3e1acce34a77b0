#pragma once
// What a model is trained for: the objective and the constraints, shared by all its trials.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/constraint/bound.h"
#include "engine/constraint/constraint.h"
#include "engine/dataset/dataset.h"
#include "engine/objective/objective.h"

namespace seldon::engine {

struct ConstraintSpec {
  std::string name;
  Constraint tree;
  bool hard = false;  ///< the constraint bounds rates of decisions, not mean probabilities
  BoundKind bound = BoundKind::student_t;
  std::array<double, 2> range = {0, 1};  ///< hoeffding, for measures that are no rates
};

struct Problem {
  const Dataset* data = nullptr;
  std::vector<ConstraintSpec> constraints;
  const Objective* objective = nullptr;
  double l2 = 0;
  double frac_in_safety = 0.6;

  /// Base nodes of all constraints; a flat index runs over constraints, then over nodes.
  std::size_t node_count() const {
    std::size_t count = 0;
    for (const ConstraintSpec& c : constraints) count += c.tree.base_nodes().size();
    return count;
  }
};

/// The range that Hoeffding's bound takes for a base node: [0, 1] for rates whatever the config says.
inline std::array<double, 2> range_of(const ConstraintSpec& constraint, const BaseNode& node) {
  return node.measure->rate ? std::array<double, 2>{0, 1} : constraint.range;
}

/// Whether a row of the table is in all the groups that a base node names (its label not asked).
class GroupMask {
 public:
  GroupMask(const Dataset& data, const BaseNode& node);
  bool operator()(std::uint32_t row) const {
    for (const auto& member : members_)
      if (!member[row]) return false;
    return true;
  }
  bool conditional() const { return !members_.empty(); }

 private:
  std::vector<std::span<const std::uint8_t>> members_;
};

/// The values z of a base node over some rows, from scores (or decisions) gathered at `positions`.
struct NodeValues {
  std::vector<double> z, dz, labels, gathered;
  bool contiguous = false;  ///< the rows lie side by side: nothing is gathered
  /// Sets the rows by their labels, which stay while the same rows are scored again.
  void choose(std::span<const double> labels_of_pass, std::span<const std::uint32_t> positions);
  /// After `choose` with the same positions. dz is computed only if `derivatives`.
  void compute(const BaseNode& node, std::span<const double> scores_of_pass, std::size_t columns,
               std::span<const std::uint32_t> positions, bool derivatives);
  NodeStatistics statistics() const { return engine::statistics(z); }
};

/// The same rows in an order in which those behind the same base nodes lie side by side, so that iterations
/// over all of them gather nothing. Sums then run in another order; nothing else depends on it.
Rows side_by_side(const Problem& problem, Rows rows);

/// Positions in `rows` of those behind a base node: in its groups and selected by its measure.
std::vector<std::uint32_t> node_positions(const Dataset& data, const BaseNode& node,
                                          std::span<const std::uint32_t> rows);

}  // namespace seldon::engine

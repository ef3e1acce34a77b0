#pragma once
// How long a cell takes: at first in the plan's own unit, then learnt from what finished.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "orchestrator/plan.h"

namespace seldon::orchestrator {

/// A model at a data fraction: its cells cost about the same.
using Group = std::uint32_t;

class CostModel {
 public:
  /// Reads the plan's costs, `together` and `known_seconds`; the plan need not live on.
  explicit CostModel(const Plan& plan);

  std::uint32_t groups() const { return static_cast<std::uint32_t>(groups_.size()); }
  Group group(const Pack& pack) const { return pack.model * fractions_ + pack.fraction; }
  /// A pack of this model takes as long for one of its cells as for all.
  bool together(std::uint32_t model) const { return together_[model]; }
  /// Cells that a worker computes for `wanted` cells of a pack.
  std::uint32_t computed(const Pack& pack, std::size_t wanted) const;

  /// Takes in that `cells` computed cells took `seconds` altogether. The groups whose estimate has changed:
  /// an estimate moves when the number of samples behind it reaches a power of two, so that whoever keeps
  /// groups in order does O(log n) for each sample on average.
  std::vector<Group> learn(Group group, std::uint32_t cells, double seconds);

  /// Of one cell: in seconds once anything has been learnt, until then in the plan's unit.
  double estimate(Group group) const { return groups_[group].estimate; }
  bool learnt() const { return all_.samples > 0; }
  /// Seconds of one cell by what this model's cells took; none where none has finished.
  std::optional<double> measured(Group group) const;

 private:
  struct Sum {
    double seconds = 0, units = 0;  // units: cells of a group; else the plan's costs of the samples
    std::uint64_t samples = 0;
    double ratio = 0;  // seconds / units when the number of samples was last a power of two
    /// True if the ratio has moved.
    bool add(double more_seconds, double more_units);
  };
  struct GroupCost {
    std::uint32_t model = 0;
    double unit = 0;  // the plan's cost of one cell
    Sum own;
    double estimate = 0;
  };
  void estimate_anew(GroupCost& group) const;

  std::uint32_t fractions_ = 0;
  std::vector<bool> together_;
  std::vector<GroupCost> groups_;  // model-major
  std::vector<Sum> models_;
  Sum all_;
};

}  // namespace seldon::orchestrator

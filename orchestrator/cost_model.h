#pragma once
// How long a cell takes: at first in the plan's own unit, then learnt from what finished.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "orchestrator/plan.h"

namespace seldon::orchestrator {

/// A model at a data fraction: its cells cost about the same. Groups of a model are consecutive, and so are
/// those of an experiment.
using Group = std::uint32_t;

/// A model of one of the experiments. Those of an experiment are consecutive.
using Family = std::uint32_t;

class CostModel {
 public:
  /// Reads the plan's costs, `together` and `known_seconds`; the plan need not live on.
  explicit CostModel(const Plan& plan);

  std::uint32_t groups() const { return static_cast<std::uint32_t>(groups_.size()); }
  Group group(const Pack& pack) const { return group(pack.experiment, pack.model, pack.fraction); }
  Group group(std::uint32_t experiment, std::uint32_t model, std::uint32_t fraction) const {
    return experiments_[experiment].groups.first + model * experiments_[experiment].fractions + fraction;
  }
  std::uint32_t families() const { return static_cast<std::uint32_t>(families_.size()); }
  Family family(const Pack& pack) const { return groups_[group(pack)].family; }
  Family family(Group group) const { return groups_[group].family; }
  std::uint32_t experiment(Family family) const { return families_[family].experiment; }
  /// Workers that a pack takes at once.
  std::uint32_t ranks(Family family) const { return families_[family].ranks; }
  std::uint32_t ranks(const Pack& pack) const { return ranks(family(pack)); }
  /// A pack of this model takes as long for one of its cells as for all.
  bool together(const Pack& pack) const { return families_[family(pack)].together; }
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
  struct Range {
    Group first = 0, end = 0;
  };
  struct GroupCost {
    Family family = 0;
    double unit = 0;  // the plan's cost of one cell
    Sum own;
    double estimate = 0;
  };
  struct FamilyCost {
    std::uint32_t experiment = 0;
    bool together = false;
    std::uint32_t ranks = 1;
    Range groups;
    Sum sum;
  };
  struct ExperimentCost {
    std::uint32_t fractions = 0;
    Range groups;
    Sum sum;
  };
  void number_groups(const Plan& plan);
  void learn_from_earlier_runs(const Plan& plan);
  void estimate_anew(GroupCost& group) const;

  std::vector<ExperimentCost> experiments_;
  std::vector<FamilyCost> families_;
  std::vector<GroupCost> groups_;  // by experiment, model and fraction
  Sum all_;
};

}  // namespace seldon::orchestrator

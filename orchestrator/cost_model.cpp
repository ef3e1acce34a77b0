#include "orchestrator/cost_model.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace seldon::orchestrator {

bool CostModel::Sum::add(double more_seconds, double more_units) {
  seconds += more_seconds;
  units += more_units;
  if (!std::has_single_bit(++samples) || units <= 0) return false;
  ratio = seconds / units;
  return true;
}

CostModel::CostModel(const Plan& plan) : experiments_(plan.experiments.size()) {
  number_groups(plan);
  for (std::size_t i = 0; i < plan.packs.size(); ++i)
    if (GroupCost& of_pack = groups_[group(plan.packs[i])]; of_pack.unit == 0)
      of_pack.unit = plan.costs[i] / plan.packs[i].width;
  for (GroupCost& each : groups_) each.estimate = each.unit;
  learn_from_earlier_runs(plan);
}

void CostModel::number_groups(const Plan& plan) {
  for (const Pack& pack : plan.packs)
    experiments_[pack.experiment].fractions =
        std::max(experiments_[pack.experiment].fractions, pack.fraction + 1);
  for (std::uint32_t number = 0; number < experiments_.size(); ++number) {
    ExperimentCost& experiment = experiments_[number];
    const ExperimentPlan& planned = plan.experiments[number];
    experiment.groups.first = groups();
    for (std::size_t model = 0; model < planned.models.size(); ++model) {
      const Family family = families();
      const bool together = model < planned.together.size() && planned.together[model];
      const std::uint32_t ranks = model < planned.ranks.size() ? std::max(1U, planned.ranks[model]) : 1;
      families_.push_back({number, together, ranks, {groups(), groups() + experiment.fractions}, {}});
      groups_.resize(groups_.size() + experiment.fractions, GroupCost{family, 0, {}, 0});
    }
    experiment.groups.end = groups();
  }
}

void CostModel::learn_from_earlier_runs(const Plan& plan) {
  for (std::uint32_t number = 0; number < experiments_.size(); ++number) {
    const auto& known = plan.experiments[number].known_seconds;
    const std::size_t models = std::min(known.size(), plan.experiments[number].models.size());
    for (std::uint32_t model = 0; model < models; ++model)
      for (std::uint32_t fraction = 0; fraction < experiments_[number].fractions; ++fraction) {
        const Group each = group(number, model, fraction);
        if (groups_[each].unit <= 0 || fraction >= known[model].size()) continue;
        const double seconds = known[model][fraction];
        if (std::isfinite(seconds) && seconds > 0) learn(each, 1, seconds);
      }
  }
}

std::uint32_t CostModel::computed(const Pack& pack, std::size_t wanted) const {
  return together(pack) ? pack.width : static_cast<std::uint32_t>(wanted);
}

std::vector<Group> CostModel::learn(Group group, std::uint32_t cells, double seconds) {
  GroupCost& learnt = groups_[group];
  FamilyCost& family = families_[learnt.family];
  ExperimentCost& experiment = experiments_[family.experiment];
  const double units = learnt.unit * cells;
  const bool moves = learnt.own.add(seconds, cells);
  const bool moves_family = family.sum.add(seconds, units);
  const bool moves_experiment = experiment.sum.add(seconds, units);
  const bool moves_all = all_.add(seconds, units);

  Range range{group, group + (moves ? 1 : 0)};
  if (moves_family) range = family.groups;
  if (moves_experiment) range = experiment.groups;
  if (moves_all) range = {0, groups()};
  std::vector<Group> changed;
  for (Group each = range.first; each < range.end; ++each) {
    estimate_anew(groups_[each]);
    changed.push_back(each);
  }
  return changed;
}

/// By the nearest of what has finished: its own cells, its model's, its experiment's, any.
void CostModel::estimate_anew(GroupCost& group) const {
  const FamilyCost& family = families_[group.family];
  const Sum& experiment = experiments_[family.experiment].sum;
  if (group.own.samples > 0)
    group.estimate = group.own.ratio;
  else
    group.estimate = group.unit * (family.sum.samples > 0   ? family.sum.ratio
                                   : experiment.samples > 0 ? experiment.ratio
                                                            : all_.ratio);
}

std::optional<double> CostModel::measured(Group group) const {
  if (families_[groups_[group].family].sum.samples == 0) return std::nullopt;
  return groups_[group].estimate;
}

}  // namespace seldon::orchestrator

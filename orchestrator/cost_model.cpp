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

CostModel::CostModel(const Plan& plan) : together_(plan.together), models_(plan.models.size()) {
  for (const Pack& pack : plan.packs) fractions_ = std::max(fractions_, pack.fraction + 1);
  groups_.resize(plan.models.size() * fractions_);
  together_.resize(plan.models.size(), false);
  for (std::size_t i = 0; i < plan.packs.size(); ++i) {
    GroupCost& of_pack = groups_[group(plan.packs[i])];
    of_pack.model = plan.packs[i].model;
    if (of_pack.unit == 0) of_pack.unit = plan.costs[i] / plan.packs[i].width;
  }
  for (GroupCost& each : groups_) each.estimate = each.unit;

  for (Group each = 0; each < groups(); ++each) {
    const std::uint32_t model = each / fractions_, fraction = each % fractions_;
    if (groups_[each].unit <= 0 || model >= plan.known_seconds.size()) continue;
    const std::vector<double>& known = plan.known_seconds[model];
    if (fraction < known.size() && std::isfinite(known[fraction]) && known[fraction] > 0)
      learn(each, 1, known[fraction]);
  }
}

std::uint32_t CostModel::computed(const Pack& pack, std::size_t wanted) const {
  return together_[pack.model] ? pack.width : static_cast<std::uint32_t>(wanted);
}

std::vector<Group> CostModel::learn(Group group, std::uint32_t cells, double seconds) {
  GroupCost& learnt = groups_[group];
  const double units = learnt.unit * cells;
  const bool moves = learnt.own.add(seconds, cells);
  const bool moves_model = models_[learnt.model].add(seconds, units);
  const bool moves_all = all_.add(seconds, units);

  std::vector<Group> changed;
  if (moves_model || moves_all) {
    for (Group each = 0; each < groups(); ++each)
      if (moves_all || groups_[each].model == learnt.model) changed.push_back(each);
  } else if (moves) {
    changed.push_back(group);
  }
  for (const Group each : changed) estimate_anew(groups_[each]);
  return changed;
}

void CostModel::estimate_anew(GroupCost& group) const {
  const Sum& model = models_[group.model];
  if (group.own.samples > 0)
    group.estimate = group.own.ratio;
  else
    group.estimate = group.unit * (model.samples > 0 ? model.ratio : all_.ratio);
}

std::optional<double> CostModel::measured(Group group) const {
  if (models_[groups_[group].model].samples == 0) return std::nullopt;
  return groups_[group].estimate;
}

}  // namespace seldon::orchestrator

#include "engine/tensor/regime.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>

#include "core/error.h"
#include "engine/tensor/constants.h"
#include "engine/tensor/regimes.h"

namespace seldon::engine::tensor {
namespace {

template <std::size_t n>
bool among(std::string_view name, const std::string_view (&names)[n]) {
  return std::ranges::find(names, name) != std::end(names);
}

/// Names tell: no two measures of a regime, nor two objectives, share one.
bool knows_measure(const Measure& measure) {
  switch (measure.regime) {
    case Regime::classification:
      return among(measure.name, {"PR", "NR", "TPR", "FPR", "TNR", "FNR", "ACC"});
    case Regime::multiclass_classification:
      return among(measure.name, {"PR", "NR", "TPR", "FPR", "TNR", "FNR", "CM", "ACC"});
    case Regime::regression:
      return among(measure.name, {"Mean_Error", "Mean_Squared_Error"});
    case Regime::reinforcement_learning:
      break;
  }
  return false;
}

bool knows_labels(const Dataset& data) {
  if (data.regime == Regime::regression) return true;
  const bool binary = data.regime == Regime::classification;
  return std::ranges::all_of(data.labels, [&](double label) {
    return binary ? label == 0 || label == 1 : label >= 0 && std::floor(label) == label;
  });
}

/// The rows that a node's groups share; undefined: all.
at::Tensor group_mask(const Dataset& data, const DeviceTable& table, const BaseNode& node) {
  at::Tensor mask;
  for (const std::string& name : node.groups) {
    const auto group = std::ranges::find(data.groups, name, &Group::name);
    if (group == data.groups.end())
      throw InternalError("base node '" + node.name + "' names group '" + name + "', which the data lack");
    const at::Tensor member = table.groups.select(0, group - data.groups.begin());
    mask = mask.defined() ? mask.logical_and(member) : member;
  }
  return mask;
}

/// The rows whose label the measure selects; undefined: all.
at::Tensor label_mask(Regime regime, const DeviceTable& table, const BaseNode& node) {
  const std::string& name = node.measure->name;
  const double wanted = regime == Regime::classification ? 1.0 : node.index.first;
  if (regime == Regime::regression) return {};
  if (among(name, {"TPR", "FNR", "CM"})) return table.labels.eq(wanted);
  if (among(name, {"FPR", "TNR"})) return table.labels.ne(wanted);
  return {};
}

}  // namespace

std::optional<std::string> unsupported_in_regime(const Problem& problem) {
  const Regime regime = problem.data->regime;
  if (regime == Regime::reinforcement_learning) return "the regime reinforcement_learning";
  const std::string& objective = problem.objective->name;
  if (!among(objective, {"log_loss", "mean_squared_error", "mean_error"}))
    return "the objective '" + objective + "', which was registered from outside";
  if (!knows_labels(*problem.data)) return "labels that are no numbers of classes";
  for (const ConstraintSpec& constraint : problem.constraints) {
    if (constraint.hard && regime == Regime::regression)
      return "decisions of a regression (constraint '" + constraint.name + "')";
    for (const BaseNode& node : constraint.tree.base_nodes())
      if (node.measure->regime != regime || !knows_measure(*node.measure))
        return "the measure '" + node.measure->name + "', which was registered from outside";
  }
  return std::nullopt;
}

std::unique_ptr<RegimeProgram> make_regime_program(const Problem& problem, const DeviceTable& table,
                                                   std::span<const RegimeNode> nodes) {
  switch (problem.data->regime) {
    case Regime::classification:
      return make_binary_program(table, nodes);
    case Regime::multiclass_classification:
      return make_multiclass_program(*problem.data, table, nodes);
    case Regime::regression:
      return make_regression_program(*problem.objective, table, nodes);
    case Regime::reinforcement_learning:
      break;
  }
  throw InternalError("no tensor program for reinforcement learning");
}

at::Tensor membership(const Dataset& data, const DeviceTable& table, std::span<const RegimeNode> nodes) {
  const at::Tensor all = at::ones({table.labels.size(0)}, table.labels.options().dtype(at::kBool));
  std::vector<at::Tensor> members;
  for (const RegimeNode& node : nodes) {
    const at::Tensor group = group_mask(data, table, *node.base);
    const at::Tensor label = label_mask(data.regime, table, *node.base);
    const at::Tensor of_group = group.defined() ? group : all;
    members.push_back(label.defined() ? of_group.logical_and(label) : of_group);
  }
  return at::stack(members, 0);
}

}  // namespace seldon::engine::tensor

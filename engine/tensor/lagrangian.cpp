#include "engine/tensor/lagrangian.h"

#include <algorithm>
#include <limits>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/amin.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "engine/tensor/bounds.h"
#include "engine/tensor/constants.h"
#include "engine/tensor/forest.h"
#include "engine/tensor/moments.h"
#include "engine/tensor/regime.h"

namespace seldon::engine::tensor {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// A constraint in one of its two roles: where decisions count, a value comes from them and a gradient from
/// mean probabilities and their t bound, as decisions have no useful derivative.
struct Role {
  const ConstraintSpec* constraint = nullptr;
  bool decisions = false;

  BoundKind kind() const { return constraint->hard && !decisions ? BoundKind::student_t : constraint->bound; }
};

/// Constraints on decisions, for their values; then all constraints, for the gradient and, but for the hard
/// ones, for their values.
std::vector<Role> roles_of(const Problem& problem) {
  std::vector<Role> roles;
  for (const ConstraintSpec& constraint : problem.constraints)
    if (constraint.hard) roles.push_back({&constraint, true});
  for (const ConstraintSpec& constraint : problem.constraints) roles.push_back({&constraint, false});
  return roles;
}

std::vector<RegimeNode> regime_nodes(const std::vector<Role>& roles) {
  std::vector<RegimeNode> nodes;
  for (const Role& role : roles)
    for (const BaseNode& base : role.constraint->tree.base_nodes()) nodes.push_back({&base, role.decisions});
  return nodes;
}

std::vector<BoundedNode> bounded_nodes(const std::vector<Role>& roles) {
  std::vector<BoundedNode> nodes;
  for (const Role& role : roles)
    for (const BaseNode& base : role.constraint->tree.base_nodes())
      nodes.push_back({&base, role.constraint, role.kind()});
  return nodes;
}

std::vector<ForestTree> forest_trees(const std::vector<Role>& roles) {
  std::vector<ForestTree> trees;
  for (const Role& role : roles) trees.push_back({&role.constraint->tree, !role.decisions});
  return trees;
}

/// NaN is not. Two operations; at::isfinite takes four.
at::Tensor is_finite(const at::Tensor& x) {
  return x.abs().lt(infinity);
}

std::vector<std::size_t> node_counts(const std::vector<Role>& roles) {
  std::vector<std::size_t> counts;
  for (const Role& role : roles) counts.push_back(role.constraint->tree.base_nodes().size());
  return counts;
}

}  // namespace

/// What there is only if there are constraints.
class ConstraintProgram {
 public:
  ConstraintProgram(const Problem& problem, const std::vector<Role>& roles, const DeviceTable& table,
                    double safety_rows)
      : device_(table.labels.device()),
        constraints_(extent(problem.constraints.size())),
        nodes_(extent(problem.node_count())),
        roles_(extent(roles.size())),
        member_(membership(*problem.data, table, regime_nodes(roles))),
        bounds_(bounded_nodes(roles), safety_rows, device_),
        moments_(bounds_.needs_extremes(), device_),
        forest_(forest_trees(roles), device_),
        segments_(node_counts(roles), device_),
        zero_(constant(0, device_)),
        nan_(constant(std::numeric_limits<double>::quiet_NaN(), device_)) {
    std::vector<std::int64_t> value_roles, constraint_of_node;
    std::int64_t hard = 0;
    for (std::int64_t i = 0; i < constraints_; ++i) {
      const ConstraintSpec& constraint = problem.constraints[static_cast<std::size_t>(i)];
      value_roles.push_back(constraint.hard ? hard++ : roles_ - constraints_ + i);
      constraint_of_node.insert(constraint_of_node.end(), constraint.tree.base_nodes().size(), i);
    }
    if (hard > 0) value_roles_ = indices(std::move(value_roles), device_);
    if (constraints_ > 1) constraint_of_node_ = indices(std::move(constraint_of_node), device_);
  }

  void evaluate(const at::Tensor& rows, const at::Tensor& z, TensorLagrangian::Value& value) {
    const std::int64_t trials = z.size(1), batch = z.size(2);
    batch_member_ = member_.index_select(1, rows).view({member_.size(0), trials, batch});
    sample_ = moments_(z, batch_member_);
    bound_ = bounds_.evaluate(sample_, batch);
    results_ = forest_.evaluate(bound_.base);

    const at::Tensor fewest =
        at::amin(segments_.split(sample_.n), 1).narrow(0, roles_ - constraints_, constraints_);
    usable_ = fewest.ge(2);
    const at::Tensor all = results_.select(0, 0);
    const at::Tensor upper = value_roles_.defined() ? all.index_select(0, value_roles_) : all;
    value.upper = at::where(usable_, upper, nan_).t().contiguous();
    value.usable = usable_.t().contiguous();
    constexpr double least_rows = 5;  // that Student's t takes
    value.small_group = at::amin(fewest, 0).lt(least_rows);
  }

  /// The derivative [nodes, T, B] of sum_i multipliers[t, i] U_i by the nodes' soft values.
  at::Tensor gradient(const at::Tensor& multipliers) {
    const at::Tensor upper = results_.select(0, 0).narrow(0, roles_ - constraints_, constraints_);
    const at::Tensor on_means = results_.select(0, 1).narrow(0, roles_ - constraints_, constraints_);
    const at::Tensor multiplier = multipliers.t(), counts = usable_.logical_and(multiplier.gt(0));
    const at::Tensor finite = is_finite(upper);
    // An infinite bound has no derivative: the constraint's value on means says where to go.
    const at::Tensor by_bounds = counts.logical_and(finite);
    const at::Tensor by_means = counts.logical_and(is_finite(on_means)).logical_and_(finite.logical_not());
    const at::Tensor bound_multiplier = of_nodes(at::where(by_bounds, multiplier, zero_));
    const at::Tensor mean_multiplier = of_nodes(at::where(by_means, multiplier, zero_));

    // Derivatives are finite by now, so that a multiplier of 0 takes them out.
    const at::Tensor d = forest_.derivative().narrow(1, first_node(), nodes_);
    const at::Tensor d_moments = bounds_.derivative(bound_, d.narrow(0, 0, 2)).mul_(bound_multiplier);
    const at::Tensor d_mean = at::addcmul(d_moments.select(0, 0), mean_multiplier, d.select(0, 2));

    // mean = sum z / n; sd^2 = sum (z - mean)^2 / (n - 1), so d sd / d z_j = (z_j - mean) / ((n - 1) sd).
    const at::Tensor n = soft(sample_.n), sd = soft(sample_.sd);
    const at::Tensor by_mean = d_mean.div(n);
    const at::Tensor by_sd = at::where(sd.gt(0), d_moments.select(0, 1).div(n.sub(1).mul_(sd)), zero_);
    const at::Tensor chosen =
        soft(batch_member_).logical_and(of_nodes(by_bounds.logical_or(by_means)).unsqueeze(-1));
    return at::where(chosen, at::addcmul(by_mean.unsqueeze(-1), by_sd.unsqueeze(-1), soft(sample_.centred)),
                     zero_);
  }

 private:
  std::int64_t first_node() const { return member_.size(0) - nodes_; }
  at::Tensor soft(const at::Tensor& of_nodes) const { return of_nodes.narrow(0, first_node(), nodes_); }
  /// [C, T] of constraints as [nodes, T], or [1, T].
  at::Tensor of_nodes(const at::Tensor& of_constraints) const {
    return constraint_of_node_.defined() ? of_constraints.index_select(0, constraint_of_node_)
                                         : of_constraints;
  }

  at::Device device_;
  std::int64_t constraints_, nodes_, roles_;
  at::Tensor member_;  ///< [nodes of all roles, N] bool
  Bounds bounds_;
  MomentProgram moments_;
  Forest forest_;
  Segments segments_;
  at::Tensor zero_, nan_, value_roles_, constraint_of_node_;

  // Of the last batch.
  at::Tensor batch_member_, usable_, results_;
  Moments sample_;
  Bounds::Result bound_;
};

class TensorLagrangian::Program {
 public:
  Program(const Problem& problem, const DeviceTable& table, double safety_rows)
      : regime_(make_regime_program(problem, table, regime_nodes(roles_of(problem)))) {
    if (!problem.constraints.empty())
      constraints_ = std::make_unique<ConstraintProgram>(problem, roles_of(problem), table, safety_rows);
  }

  Value evaluate(const at::Tensor& rows, const at::Tensor& predictors) {
    const at::Tensor flat = rows.reshape({-1});
    Value value;
    value.loss = regime_->loss(flat, predictors);
    if (constraints_) {
      constraints_->evaluate(flat, regime_->values(), value);
      return value;
    }
    const std::int64_t trials = rows.size(0);
    value.upper = at::empty({trials, 0}, value.loss.options());
    value.usable = at::empty({trials, 0}, value.loss.options().dtype(at::kBool));
    value.small_group = at::zeros({trials}, value.usable.options());
    return value;
  }

  at::Tensor gradient(const at::Tensor& multipliers) {
    return regime_->gradient(constraints_ ? constraints_->gradient(multipliers) : at::Tensor());
  }

 private:
  std::unique_ptr<RegimeProgram> regime_;
  std::unique_ptr<ConstraintProgram> constraints_;
};

std::optional<std::string> TensorLagrangian::unsupported(const Problem& problem) {
  if (auto reason = unsupported_in_regime(problem)) return reason;
  for (const BoundedNode& node : bounded_nodes(roles_of(problem)))
    if (auto reason = Bounds::unsupported(node))
      return *reason + " (constraint '" + node.constraint->name + "')";
  return std::nullopt;
}

TensorLagrangian::TensorLagrangian(const Problem& problem, const DeviceTable& table, double safety_rows) {
  const at::NoGradGuard no_grad;
  program_ = std::make_unique<Program>(problem, table, safety_rows);
}

TensorLagrangian::~TensorLagrangian() = default;

TensorLagrangian::Value TensorLagrangian::evaluate(const at::Tensor& rows, const at::Tensor& predictors) {
  const at::NoGradGuard no_grad;
  return program_->evaluate(rows, predictors);
}

at::Tensor TensorLagrangian::gradient(const at::Tensor& multipliers) {
  const at::NoGradGuard no_grad;
  return program_->gradient(multipliers);
}

at::Tensor TensorLagrangian::Value::feasible() const {
  return usable.logical_and(upper.le(0)).all(1);
}

at::Tensor TensorLagrangian::Value::not_a_number() const {
  return usable.logical_and(upper.isnan()).any(1);
}

at::Tensor TensorLagrangian::Value::infinite() const {
  return upper.isfinite().logical_not().any(1);
}

at::Tensor TensorLagrangian::Value::violation(bool toolkit) const {
  const at::Tensor known = upper.masked_fill(usable.logical_not(), infinity);
  const at::Tensor counted = toolkit ? known : known.clamp_min(0);
  return counted.mul(counted).sum(1).sqrt_();
}

}  // namespace seldon::engine::tensor

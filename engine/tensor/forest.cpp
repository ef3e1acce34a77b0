#include "engine/tensor/forest.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

#include <ATen/ops/abs.h>
#include <ATen/ops/add.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/argmin.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/fmod.h>
#include <ATen/ops/log.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/nan_to_num.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/signbit.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>

#include "engine/tensor/constants.h"

namespace seldon::engine::tensor {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// What is kept of a node: the ends of its interval, and its value on means.
enum End : std::size_t { lower_end, upper_end, mean_end };
constexpr std::size_t ends = 3;
/// The root slab of adjoints_: a row of zeros and a row of ones.
constexpr std::int64_t zero_row = 0, one_row = 1, root_rows = 2;

/// In which order an operation reads the ends of its arguments. Operations on corners read all four pairs of
/// ends, in the order of engine/constraint/interval.cpp, and then the means; a quotient sees its divisor's
/// ends swapped, since they are swapped in the reciprocal.
struct Reads {
  std::vector<End> a, b;
};

Reads reads_of(Op op) {
  const std::vector<End> straight = {lower_end, upper_end, mean_end};
  const std::vector<End> swapped = {upper_end, lower_end, mean_end};
  switch (op) {
    case Op::constant:
    case Op::base:
      return {};
    case Op::add:
    case Op::minimum:
    case Op::maximum:
      return {straight, straight};
    case Op::subtract:
      return {straight, swapped};
    case Op::absolute:  // it reads its one argument in both orders
      return {straight, swapped};
    case Op::exponential:
    case Op::logarithm:
      return {straight, {}};
    case Op::multiply:
    case Op::power:
      return {{lower_end, lower_end, upper_end, upper_end, mean_end},
              {lower_end, upper_end, lower_end, upper_end, mean_end}};
    case Op::divide:
      return {{lower_end, lower_end, upper_end, upper_end, mean_end},
              {upper_end, lower_end, upper_end, lower_end, mean_end}};
  }
  return {};
}

bool swaps_second(Op op) {
  return op == Op::subtract || op == Op::divide;
}

/// Whether an end of a result can depend on the other end of an argument.
bool mixes_ends(Op op) {
  return op == Op::absolute || op == Op::multiply || op == Op::divide || op == Op::power;
}

at::Tensor finite_or_zero(const at::Tensor& x) {
  return at::nan_to_num(x, 0.0, 0.0, 0.0);
}

/// An end without a value (inf - inf) says nothing on its side.
void mend(const at::Tensor& out) {
  at::Tensor lower = out.select(0, lower_end), upper = out.select(0, upper_end);
  lower.nan_to_num_(-infinity, infinity, -infinity);
  upper.nan_to_num_(infinity, infinity, -infinity);
}

/// [4, ...] corners, or any four, as a pair of pairs.
at::Tensor pairs(const at::Tensor& corners) {
  return corners.narrow(0, 0, 4).view({2, 2, corners.size(1), corners.size(2)});
}

/// Minimum and maximum of four corners, and the mean of the fifth row, as a node's three rows.
void hull(at::Tensor out, const at::Tensor& corners, const at::Tensor& mean) {
  at::Tensor lower = out.select(0, lower_end), upper = out.select(0, upper_end);
  at::aminmax_out(lower, upper, corners.narrow(0, 0, 4), 0);
  out.select(0, mean_end).copy_(mean);
}

}  // namespace

// ---- Trees to groups
// -----------------------------------------------------------------------------------------

Segments::Segments(const std::vector<std::size_t>& sizes, const at::Device& device)
    : trees_(extent(sizes.size())), most_(0) {
  for (std::size_t size : sizes) most_ = std::max(most_, extent(size));
  std::vector<std::int64_t> nodes;
  std::int64_t first = 0;
  for (std::size_t size : sizes) {
    for (std::int64_t i = 0; i < most_; ++i) nodes.push_back(first + (i < extent(size) ? i : 0));
    first += extent(size);
  }
  if (first != trees_ * most_) nodes_ = indices(std::move(nodes), device);
}

at::Tensor Segments::split(const at::Tensor& x) const {
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = most_;
  shape[shape.size() - 2] = trees_;
  shape.push_back(x.size(-1));
  return nodes_.defined() ? x.index_select(-2, nodes_).view(shape) : x.view(shape);
}

/// Finds places for all nodes, then fills the groups' lists of rows.
struct Forest::Builder {
  struct Node {
    std::size_t tree = 0, index = 0;
  };
  /// What is known of a node of a tree.
  struct Known {
    std::int64_t height = 0;
    bool lower = false, upper = false;  ///< ends that have a derivative
    bool tame = false;                  ///< a rate or a constant: its ends are no infinite point
    std::array<std::int64_t, ends> value{}, adjoint{};
  };
  using Key = std::tuple<std::int64_t, Op, bool>;  // height, operation, even powers: in order of evaluation

  Forest& forest;
  std::span<const ForestTree> trees;
  std::vector<std::vector<Known>> known;
  std::map<Key, std::vector<Node>> groups;
  std::vector<double> constants;
  std::vector<std::vector<std::array<std::int64_t, ends>>> occurrences;  ///< adjoints, by base node

  const std::vector<TreeNode>& nodes(std::size_t tree) const { return trees[tree].constraint->tree().nodes; }
  Known& at(std::size_t tree, std::int32_t index) { return known[tree][static_cast<std::size_t>(index)]; }

  void build(const at::Device& device) {
    for (const ForestTree& tree : trees) forest.bases_ += extent(tree.constraint->base_nodes().size());
    occurrences.resize(static_cast<std::size_t>(forest.bases_));
    forest.value_rows_ = extent(ends) * forest.bases_;
    std::int64_t first_base = 0;
    for (std::size_t tree = 0; tree < trees.size(); ++tree) {
      known.emplace_back(nodes(tree).size());
      find_heights(tree);
      find_ends(tree);
      place_leaves(tree, first_base);
      first_base += extent(trees[tree].constraint->base_nodes().size());
    }
    forest.value_rows_ += extent(constants.size());
    forest.constants_ = constant(constants, {extent(constants.size()), 1}, device);
    place_groups();
    fill_groups(device);
    fill_roots_and_bases(device);
  }

  void find_heights(std::size_t tree) {
    for (std::size_t i = 0; i < nodes(tree).size(); ++i) {
      const TreeNode& node = nodes(tree)[i];
      if (arity(node.op) == 0) continue;
      const std::int64_t left = at(tree, node.left).height;
      const std::int64_t right = node.right < 0 ? 0 : at(tree, node.right).height;
      known[tree][i].height = 1 + std::max(left, right);
      groups[{known[tree][i].height, node.op, trees[tree].constraint->tree().even_powers}].push_back(
          {tree, i});
    }
  }

  /// From the root's upper end down.
  void find_ends(std::size_t tree) {
    if (!trees[tree].differentiate) return;
    known[tree].back().upper = true;
    for (std::size_t i = nodes(tree).size(); i-- > 0;) {
      const TreeNode& node = nodes(tree)[i];
      const Known& mine = known[tree][i];
      const bool any = mine.lower || mine.upper, mixed = mixes_ends(node.op);
      for (const std::int32_t child : {node.left, node.right}) {
        if (child < 0) continue;
        const bool swapped = child == node.right && node.op == Op::subtract;
        at(tree, child).lower = mixed ? any : swapped ? mine.upper : mine.lower;
        at(tree, child).upper = mixed ? any : swapped ? mine.lower : mine.upper;
      }
    }
  }

  void place_leaves(std::size_t tree, std::int64_t first_base) {
    for (std::size_t i = 0; i < nodes(tree).size(); ++i) {
      const TreeNode& node = nodes(tree)[i];
      Known& mine = known[tree][i];
      if (node.op == Op::constant) {
        mine.value.fill(forest.value_rows_ + extent(constants.size()));
        constants.push_back(node.constant);
        mine.tame = true;
      } else if (node.op == Op::base) {
        for (std::size_t end = 0; end < ends; ++end)
          mine.value[end] = extent(end) * forest.bases_ + first_base + node.base;
        mine.tame = trees[tree].constraint->base_nodes()[static_cast<std::size_t>(node.base)].measure->rate;
      }
    }
  }

  void place_groups() {
    forest.adjoint_rows_ = root_rows;
    for (auto& [key, members] : groups) {
      Group group;
      group.op = std::get<1>(key);
      group.even_powers = std::get<2>(key);
      group.count = extent(members.size());
      group.first_value = forest.value_rows_;
      forest.value_rows_ += extent(ends) * group.count;
      group.first_adjoint = forest.adjoint_rows_;
      forest.adjoint_rows_ += arity(group.op) * extent(ends) * group.count;
      for (std::size_t i = 0; i < members.size(); ++i)
        for (std::size_t end = 0; end < ends; ++end)
          known[members[i].tree][members[i].index].value[end] =
              group.first_value + extent(end) * group.count + extent(i);
      forest.groups_.push_back(std::move(group));
    }
  }

  /// Gives the arguments of a group's nodes their places among the adjoints.
  void place_adjoints(const Group& group, const std::vector<Node>& members) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      const auto [tree, index] = members[i];
      if (!trees[tree].differentiate) continue;
      const TreeNode& node = nodes(tree)[index];
      for (std::int64_t argument = 0; argument < arity(group.op); ++argument) {
        Known& child = at(tree, argument == 0 ? node.left : node.right);
        const bool swapped = argument == 1 && swaps_second(group.op);
        for (std::size_t end = 0; end < ends; ++end) {
          const std::size_t place = swapped && end != mean_end ? 1 - end : end;
          child.adjoint[end] =
              group.first_adjoint + (argument * extent(ends) + extent(place)) * group.count + extent(i);
        }
      }
    }
  }

  std::vector<std::int64_t> argument_rows(const Group& group, const std::vector<Node>& members) {
    const Reads reads = reads_of(group.op);
    std::vector<std::int64_t> rows;
    for (const bool first : {true, false})
      for (const End end : first ? reads.a : reads.b)
        for (const auto& [tree, index] : members) {
          const TreeNode& node = nodes(tree)[index];
          const bool left = first || group.op == Op::absolute;
          rows.push_back(at(tree, left ? node.left : node.right).value[end]);
        }
    return rows;
  }

  void fill_groups(const at::Device& device) {
    // Parents before their arguments, whose adjoints they place.
    for (std::size_t tree = 0; tree < trees.size(); ++tree)
      if (trees[tree].differentiate) known[tree].back().adjoint = {zero_row, one_row, one_row};
    auto group = forest.groups_.rbegin();
    for (auto members = groups.rbegin(); members != groups.rend(); ++members, ++group) {
      place_adjoints(*group, members->second);
      group->arguments = indices(argument_rows(*group, members->second), device);
      std::vector<std::int64_t> own;
      for (std::size_t end = 0; end < ends; ++end)
        for (const auto& [tree, index] : members->second) own.push_back(known[tree][index].adjoint[end]);
      group->adjoints = indices(std::move(own), device);
      for (const auto& [tree, index] : members->second) {
        const TreeNode& node = nodes(tree)[index];
        const Known& mine = known[tree][index];
        group->tame &= at(tree, node.left).tame && (node.right < 0 || at(tree, node.right).tame);
        group->differentiate |= trees[tree].differentiate;
        group->lower |= mine.lower;
        group->upper |= mine.upper;
      }
    }
  }

  void fill_roots_and_bases(const at::Device& device) {
    std::vector<std::int64_t> roots;
    for (const End end : {upper_end, mean_end})
      for (const auto& tree : known) roots.push_back(tree.back().value[end]);
    forest.roots_ = indices(std::move(roots), device);

    std::size_t first_base = 0, most = 1;
    for (std::size_t tree = 0; tree < trees.size(); ++tree) {
      for (std::size_t i = 0; i < nodes(tree).size(); ++i)
        if (nodes(tree)[i].op == Op::base) {
          auto& all = occurrences[first_base + static_cast<std::size_t>(nodes(tree)[i].base)];
          all.push_back(known[tree][i].adjoint);
          most = std::max(most, all.size());
        }
      first_base += trees[tree].constraint->base_nodes().size();
    }
    std::vector<std::int64_t> rows;
    for (std::size_t repetition = 0; repetition < most; ++repetition)
      for (std::size_t end = 0; end < ends; ++end)
        for (const auto& all : occurrences)
          rows.push_back(repetition < all.size() ? all[repetition][end] : zero_row);
    forest.repetitions_ = extent(most);
    forest.base_adjoints_ = indices(std::move(rows), device);
  }
};

namespace {
std::vector<std::size_t> base_counts(std::span<const ForestTree> trees) {
  std::vector<std::size_t> counts;
  for (const ForestTree& tree : trees) counts.push_back(tree.constraint->base_nodes().size());
  return counts;
}
}  // namespace

Forest::Forest(std::span<const ForestTree> trees, const at::Device& device)
    : segments_(base_counts(trees), device),
      trees_(extent(trees.size())),
      zero_(constant(0, device)),
      nan_(constant(std::numeric_limits<double>::quiet_NaN(), device)),
      zero_and_one_(constant({0, 1}, {2, 1}, device)),
      signs_(constant({1, -1}, {2, 1, 1, 1}, device)),
      unknown_(constant({-infinity, infinity, -infinity, infinity}, {4, 1, 1}, device)),
      no_quotient_(constant({-infinity, infinity, -infinity, infinity, infinity}, {5, 1, 1}, device)),
      corner_(indices({0, 1, 2, 3}, {4, 1, 1}, device)) {
  Builder{*this, trees, {}, {}, {}, {}}.build(device);
}

// ---- Forwards
// ------------------------------------------------------------------------------------------------

at::Tensor Forest::evaluate(const at::Tensor& base) {
  const std::int64_t trials = base.size(2), leaves = extent(ends) * bases_ + constants_.size(0);
  values_ = at::empty({value_rows_, trials}, base.options());
  at::Tensor slab = values_.narrow(0, 0, leaves);
  at::cat_out(slab, {base.reshape({-1, trials}), constants_.expand({-1, trials})}, 0);
  for (Group& group : groups_) forward(group);
  const at::Tensor not_a_number = at::amax(segments_.split(base.isnan()), {0, 2});
  return at::where(not_a_number, nan_, values_.index_select(0, roots_).view({2, trees_, trials}));
}

void Forest::forward(Group& group) {
  const std::int64_t trials = values_.size(1);
  const at::Tensor read = values_.index_select(0, group.arguments).view({-1, group.count, trials});
  at::Tensor out = values_.narrow(0, group.first_value, extent(ends) * group.count)
                       .view({extent(ends), group.count, trials});
  const bool one = group.op == Op::exponential || group.op == Op::logarithm;
  const std::int64_t rows = one ? read.size(0) : read.size(0) / 2;
  group.a = read.narrow(0, 0, rows);
  if (!one) group.b = read.narrow(0, rows, rows);
  switch (group.op) {
    case Op::constant:
    case Op::base:
      return;
    case Op::add:
    case Op::subtract:
      return add(group, out);
    case Op::minimum:
    case Op::maximum:
      return minimum(group, out);
    case Op::absolute:
      return absolute(group, out);
    case Op::multiply:
      return multiply(group, out);
    case Op::divide:
      return divide(group, out);
    case Op::power:
      return power(group, out);
    case Op::exponential:
      at::exp_out(out, group.a);
      group.corners = out;
      return;
    case Op::logarithm:
      at::log_out(out, group.a);
      mend(out);
      return;
  }
}

void Forest::add(Group& group, at::Tensor out) const {
  if (group.op == Op::add)
    at::add_out(out, group.a, group.b);
  else
    at::sub_out(out, group.a, group.b);
  if (!group.tame) mend(out);
}

void Forest::minimum(Group& group, at::Tensor out) const {
  if (group.op == Op::minimum)
    at::minimum_out(out, group.a, group.b);
  else
    at::maximum_out(out, group.a, group.b);
}

/// With lower <= upper: [max(lower, -upper, 0), max(upper, -lower)]. A mean's zero gets no sign, by which one
/// could divide.
void Forest::absolute(Group& group, at::Tensor out) const {
  at::maximum_out(out, group.a, group.b.neg());
  out.narrow(0, 0, 2).clamp_min_(0);
  at::Tensor mean = out.select(0, mean_end);
  at::abs_out(mean, group.a.select(0, mean_end));
  mean.add_(0.0);  // takes the sign that abs leaves to some zeros in LibTorch 2.11
}

void Forest::multiply(Group& group, at::Tensor out) const {
  group.corners = group.a.mul(group.b);
  group.corners.narrow(0, 0, 4).nan_to_num_(0.0, infinity, -infinity);  // 0 times an unbounded end is 0
  hull(out, group.corners, group.corners.select(0, 4));
}

/// The divisor's rows have its ends swapped. With lower <= upper the reciprocals' ends (an end of 0 gives an
/// infinite one, of the sign that zero is approached with) differ in sign exactly where the divisor has zero
/// inside or is [0, 0].
void Forest::divide(Group& group, at::Tensor out) const {
  const at::Tensor &a = group.a, &b = group.b;
  group.reciprocal = at::where(b.eq(0), no_quotient_, b.reciprocal());
  const at::Tensor negative = group.reciprocal.narrow(0, 0, 2).signbit();
  group.without_value = negative.select(0, 0).ne(negative.select(0, 1));
  if (!group.tame) {  // two infinite ends say nothing about their quotient
    const at::Tensor point = b.select(0, 0).eq(b.select(0, 1)).logical_and_(b.select(0, 0).isinf());
    const at::Tensor unbounded = a.select(0, 0).isinf().logical_or_(a.select(0, 2).isinf());
    group.without_value = group.without_value.logical_or(point.logical_and_(unbounded));
  }
  group.corners = a.mul(group.reciprocal);
  group.corners.narrow(0, 0, 4).nan_to_num_(0.0, infinity, -infinity);
  at::Tensor mean = group.corners.select(0, 4);
  at::div_out(mean, a.select(0, 4), b.select(0, 4));
  hull(out, at::where(group.without_value, unknown_, group.corners.narrow(0, 0, 4)), mean);
}

void Forest::power(Group& group, at::Tensor out) const {
  const at::Tensor &b = group.b, &mean = group.a.select(0, 4);
  const at::Tensor lower = group.a.select(0, 0), upper = group.a.select(0, 2);
  const at::Tensor least = b.select(0, 0), most = b.select(0, 1);
  at::Tensor refused = lower.lt(0);
  if (group.even_powers)
    refused.logical_and_(least.eq(most).logical_and_(at::fmod(least, 2).eq(0)).logical_not_());
  const at::Tensor holds_zero = lower.le(0).logical_and_(upper.ge(0));
  refused.logical_or_(most.lt(1).logical_or_(least.lt(0)).logical_and_(holds_zero));
  group.without_value = refused;
  // Of a base that reaches below zero, and is not refused, |base| counts.
  const at::Tensor low = at::maximum(lower, upper.neg()).clamp_min_(0),
                   high = at::maximum(upper, lower.neg());
  group.reciprocal = at::stack({low, low, high, high, mean}, 0);
  group.corners = at::pow(group.reciprocal, b);
  hull(out, at::where(refused, unknown_, group.corners.narrow(0, 0, 4)), group.corners.select(0, 4));
}

// ---- Backwards
// -----------------------------------------------------------------------------------------------

at::Tensor Forest::derivative() {
  const std::int64_t trials = values_.size(1);
  adjoints_ = at::empty({adjoint_rows_, trials}, values_.options());
  adjoints_.narrow(0, 0, root_rows).copy_(zero_and_one_);
  for (auto group = groups_.rbegin(); group != groups_.rend(); ++group)
    if (group->differentiate) backward(*group);
  const at::Tensor all =
      adjoints_.index_select(0, base_adjoints_).view({repetitions_, extent(ends), bases_, trials});
  return finite_or_zero(repetitions_ == 1 ? all.select(0, 0) : all.sum(0));
}

/// The adjoint of an end goes to the first corner that holds it: [4, count, T], and the mean's as fifth row.
at::Tensor Forest::select_corners(const Group& group, const at::Tensor& adjoint) const {
  const at::Tensor corners = group.corners.narrow(0, 0, 4);
  at::Tensor weights;
  if (group.upper)
    weights =
        at::where(at::argmax(corners, 0, /*keepdim=*/true).eq(corner_), adjoint.select(0, upper_end), zero_);
  if (group.lower) {
    const at::Tensor low =
        at::where(at::argmin(corners, 0, /*keepdim=*/true).eq(corner_), adjoint.select(0, lower_end), zero_);
    weights = weights.defined() ? weights.add(low) : low;
  }
  if (group.without_value.defined()) weights = at::where(group.without_value, zero_, weights);
  return at::cat({weights, adjoint.narrow(0, mean_end, 1)}, 0);
}

/// Of |a|: [3, count, T], for ends with lower <= upper. Without `lower` the adjoint of the lower end is zero.
at::Tensor Forest::absolute_adjoint(const at::Tensor& a, const at::Tensor& adjoint, bool lower) const {
  const at::Tensor low = a.select(0, 0), high = a.select(0, 1), mean = a.select(0, 2);
  const at::Tensor by_low = adjoint.select(0, 0), by_high = adjoint.select(0, 1);
  const at::Tensor mean_adjoint = at::where(mean.ge(0), adjoint.select(0, 2), adjoint.select(0, 2).neg());
  const at::Tensor positive = low.ge(0);
  const at::Tensor from_below = low.neg().ge(high);  // |lower end| is the greater, or equal: it comes first
  at::Tensor to_low = at::where(from_below, by_high.neg(), zero_);
  at::Tensor to_high = at::where(from_below, zero_, by_high);
  if (lower) to_high = at::where(high.le(0), by_low.neg(), to_high);
  to_low = at::where(positive, lower ? by_low : zero_, to_low);
  to_high = at::where(positive, by_high, to_high);
  return at::stack({to_low, to_high, mean_adjoint}, 0);
}

namespace {

/// Derivatives of the corners by the ends they are made of, and of the mean's row, into the arguments' places
/// [2, 3, count, T]: weights [5, count, T], `by_a` and `by_b` [5, count, T].
void scatter(at::Tensor out, const at::Tensor& weights, const at::Tensor& by_a, const at::Tensor& by_b) {
  const at::Tensor a = weights.mul(finite_or_zero(by_a)), b = weights.mul(finite_or_zero(by_b));
  at::Tensor a_ends = out.select(0, 0).narrow(0, 0, 2), b_ends = out.select(0, 1).narrow(0, 0, 2);
  at::sum_out(a_ends, pairs(a), 1);
  at::sum_out(b_ends, pairs(b), 0);
  out.select(0, 0).select(0, mean_end).copy_(a.select(0, 4));
  out.select(0, 1).select(0, mean_end).copy_(b.select(0, 4));
}

}  // namespace

void Forest::backward(const Group& group) {
  const std::int64_t trials = values_.size(1), arguments = arity(group.op);
  const at::Tensor adjoint =
      adjoints_.index_select(0, group.adjoints).view({extent(ends), group.count, trials});
  at::Tensor out = adjoints_.narrow(0, group.first_adjoint, arguments * extent(ends) * group.count)
                       .view({arguments, extent(ends), group.count, trials});
  at::Tensor first = out.select(0, 0);
  const at::Tensor &a = group.a, &b = group.b;
  switch (group.op) {
    case Op::constant:
    case Op::base:
      return;
    case Op::add:
      out.copy_(adjoint);
      return;
    case Op::subtract:  // the second argument's rows are swapped as they were read
      at::mul_out(out, adjoint, signs_);
      return;
    case Op::minimum:
    case Op::maximum: {
      const at::Tensor takes_first = group.op == Op::minimum ? a.le(b) : a.ge(b);
      at::stack_out(out, {at::where(takes_first, adjoint, zero_), at::where(takes_first, zero_, adjoint)}, 0);
      return;
    }
    case Op::absolute:
      first.copy_(absolute_adjoint(a, adjoint, group.lower));
      return;
    case Op::exponential:
      at::mul_out(first, adjoint, finite_or_zero(group.corners));
      return;
    case Op::logarithm:
      at::mul_out(first, adjoint, finite_or_zero(a.reciprocal()));
      return;
    case Op::multiply:
      return scatter(out, select_corners(group, adjoint), b, a);
    case Op::divide:  // a r by r, and r = 1 / b by b: a -r r
      return scatter(out, select_corners(group, adjoint), group.reciprocal,
                     group.corners.mul(group.reciprocal).neg_());
    case Op::power: {
      const at::Tensor &x = group.reciprocal, &powers = group.corners;
      scatter(out, select_corners(group, adjoint), at::where(b.eq(0), zero_, b.mul(at::pow(x, b.sub(1)))),
              at::where(x.eq(0), zero_, powers.mul(at::log(x))));
      const at::Tensor base = at::stack({a.select(0, 0), a.select(0, 2), a.select(0, 4)}, 0);
      // The mean is raised as it is: its row is left alone.
      first.narrow(0, 0, 2).copy_(absolute_adjoint(base, first, true).narrow(0, 0, 2));
      return;
    }
  }
}

}  // namespace seldon::engine::tensor

#include "engine/tensor/bounds.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <tuple>

#include <ATen/ops/add.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/round.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include "engine/dataset/sampling.h"
#include "engine/tensor/constants.h"

namespace seldon::engine::tensor {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double least_rows_of_student_t = 5;

/// t_{1-delta, m-1} for m = 0 .. count - 1, 0 where m <= 1. Kept for the process: a pack asks for
/// thousands, at some microseconds each, and the next pack for the same again.
std::vector<double> quantiles(double delta, std::size_t count) {
  static std::mutex mutex;
  static std::map<double, std::vector<double>> known;
  const std::scoped_lock lock(mutex);
  std::vector<double>& all = known[delta];
  for (std::size_t m = all.size(); m < count; ++m)
    all.push_back(m <= 1 ? 0.0 : student_t_quantile(1 - delta, static_cast<double>(m) - 1));
  return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)};
}

/// What a bound's distance from the mean is a multiple of, by m; with the sign of the side.
struct Factor {
  BoundKind kind;
  double delta, signed_inflation, width;
  auto key() const { return std::tuple(kind, delta, signed_inflation, width); }
  bool operator<(const Factor& other) const { return key() < other.key(); }

  std::vector<double> table(std::size_t count) const {
    std::vector<double> factors(count, 0.0);
    if (kind == BoundKind::student_t) {
      const std::vector<double> t = quantiles(delta, count);
      for (std::size_t m = 2; m < count; ++m)
        factors[m] = signed_inflation * t[m] / std::sqrt(static_cast<double>(m));
    } else {
      for (std::size_t m = 1; m < count; ++m)
        factors[m] = signed_inflation * width * std::sqrt(std::log(1 / delta) / (2 * static_cast<double>(m)));
    }
    return factors;
  }
};

bool valid(double inflation) {
  return inflation >= 0 && std::isfinite(inflation);
}

/// [2, K, 1] of what `lower` and `upper` say of each node.
template <class Lower, class Upper>
std::vector<double> sides(std::span<const BoundedNode> nodes, Lower lower, Upper upper) {
  std::vector<double> values;
  for (const BoundedNode& node : nodes) values.push_back(lower(node));
  for (const BoundedNode& node : nodes) values.push_back(upper(node));
  return values;
}

}  // namespace

std::optional<std::string> Bounds::unsupported(const BoundedNode& node) {
  if (node.kind == BoundKind::clopper_pearson)
    return "the bound clopper_pearson, whose quantile of the beta distribution has no tensor form";
  const BaseNode& base = *node.base;
  for (const bool lower : {true, false}) {
    if (!(lower ? base.needs_lower : base.needs_upper)) continue;
    const double delta = lower ? base.delta_lower : base.delta_upper;
    // Intervals must not be turned around, nor infinite where there are rows.
    if (!(delta <= 0.5)) return "a bound of '" + base.name + "' with a delta over a half";
    if (!(1 - delta < 1)) return "a bound of '" + base.name + "' whose delta vanishes beside 1";
    if (!valid(lower ? base.inflation_lower : base.inflation_upper))
      return "a bound of '" + base.name + "' whose inflation is negative or not finite";
  }
  return std::nullopt;
}

Bounds::Bounds(std::span<const BoundedNode> nodes, double safety_rows, const at::Device& device)
    : nodes_(extent(nodes.size())), safety_rows_(safety_rows) {
  const std::size_t count = round_half_even(safety_rows) + 1;
  std::vector<double> table;
  std::map<Factor, std::int64_t> begins;
  std::vector<std::int64_t> first;
  for (const bool lower : {true, false})
    for (const BoundedNode& node : nodes) {
      const auto range = range_of(*node.constraint, *node.base);
      const bool needed = lower ? node.base->needs_lower : node.base->needs_upper;
      const double delta = lower ? node.base->delta_lower : node.base->delta_upper;
      const double inflation = lower ? -node.base->inflation_lower : node.base->inflation_upper;
      // A side that is not needed has no delta; inflation 0 makes harmless factors of 0.
      const Factor factor{node.kind, needed ? delta : 0.5, needed ? inflation : 0.0,
                          node.kind == BoundKind::hoeffding ? range[1] - range[0] : 0.0};
      const auto [at, added] = begins.emplace(factor, extent(table.size()));
      if (added) {
        const std::vector<double> factors = factor.table(count);
        table.insert(table.end(), factors.begin(), factors.end());
      }
      first.push_back(at->second);
    }
  table_ = constant(std::move(table), {extent(begins.size() * count)}, device);
  first_ = indices(std::move(first), {2, nodes_, 1}, device);

  std::vector<bool> unneeded, student_t, checked;
  std::vector<double> least_rows, most_missing;
  for (const BoundedNode& node : nodes) unneeded.push_back(!node.base->needs_lower);
  for (const BoundedNode& node : nodes) {
    unneeded.push_back(!node.base->needs_upper);
    student_t.push_back(node.kind == BoundKind::student_t);
    checked.push_back(student_t.back() && node.corrected());
    least_rows.push_back(student_t.back() ? least_rows_of_student_t : 1);
    most_missing.push_back(student_t.back() ? 1 : 0);
    any_hoeffding_ |= !student_t.back();
    any_outside_ |= !student_t.back() && !node.base->measure->rate;
    any_constant_ |= checked.back();
    all_constant_ &= checked.back();
  }
  unneeded_ = flags(unneeded, {2, nodes_, 1}, device);
  student_t_ = flags(student_t, {nodes_, 1}, device);
  constant_ = flags(checked, {nodes_, 1}, device);
  least_rows_ = constant(least_rows, {nodes_, 1}, device);
  most_missing_ = constant(most_missing, {nodes_, 1}, device);
  const auto cuts = [](const BoundedNode& node) { return node.corrected() && node.base->measure->rate; };
  cut_ = constant(sides(
                      nodes, [&](const BoundedNode& node) { return cuts(node) ? 0.0 : -infinity; },
                      [&](const BoundedNode& node) { return cuts(node) ? 1.0 : infinity; }),
                  {2, nodes_, 1}, device);
  // Student's t asks for no range.
  const auto end = [](const BoundedNode& node, std::size_t side) {
    if (node.kind == BoundKind::student_t) return side == 0 ? -infinity : infinity;
    return range_of(*node.constraint, *node.base)[side];
  };
  range_ = constant(sides(
                        nodes, [&](const BoundedNode& node) { return end(node, 0); },
                        [&](const BoundedNode& node) { return end(node, 1); }),
                    {2, nodes_, 1}, device);
  outward_ = constant({-infinity, infinity}, {2, 1, 1}, device);
  one_ = constant(1, device);
  zero_ = constant(0, device);
}

Bounds::Result Bounds::evaluate(const Moments& moments, std::int64_t rows) const {
  const at::Tensor& n = moments.n;
  // A divisor on the device: by a number of the host LibTorch multiplies with its reciprocal on a GPU, which
  // could round a half the other way. round is half to even here, as round_half_even.
  const at::Tensor m =
      n.div(at::full({}, static_cast<double>(rows), n.options())).mul_(safety_rows_).round_();
  const at::Tensor place = first_.add(m.to(at::kLong));
  const at::Tensor factor = table_.index_select(0, place.reshape({-1})).view_as(place);

  at::Tensor infinite = n.lt(least_rows_).logical_or_(m.le(most_missing_));
  if (any_constant_) {
    const at::Tensor equal = moments.min.eq(moments.max);
    infinite.logical_or_(all_constant_ ? equal : equal.logical_and(constant_));
  }
  if (any_outside_)
    infinite.logical_or_(
        moments.min.lt(range_.select(0, 0)).logical_or_(moments.max.gt(range_.select(0, 1))));
  infinite = infinite.logical_or(unneeded_);  // [2, K, T]

  const at::Tensor spread = any_hoeffding_ ? at::where(student_t_, moments.sd, one_) : moments.sd;
  const at::Tensor uncut = at::addcmul(moments.mean, factor, spread);
  const at::Tensor cut = at::clamp(uncut, cut_.select(0, 0), cut_.select(0, 1));
  const at::Tensor bounds = at::where(infinite, outward_, cut);
  return {at::cat({bounds, moments.mean.unsqueeze(0)}, 0), factor,
          cut.eq(uncut).logical_and_(infinite.logical_not())};
}

at::Tensor Bounds::derivative(const Result& result, const at::Tensor& d_bounds) const {
  const std::int64_t count = d_bounds.size(1), first = nodes_ - count;
  const at::Tensor by_mean = at::where(result.active.narrow(1, first, count), d_bounds, zero_);
  at::Tensor by_sd = by_mean.mul(result.factor.narrow(1, first, count)).sum(0);
  if (any_hoeffding_) by_sd = at::where(student_t_.narrow(0, first, count), by_sd, zero_);
  return at::stack({by_mean.sum(0), by_sd}, 0);
}

}  // namespace seldon::engine::tensor

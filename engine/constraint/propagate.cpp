// Evaluation of a tree, forwards on intervals or on means, and backwards for derivatives (reverse
// accumulation; Griewank and Walther, "Evaluating Derivatives", 2nd ed. 2008, section 3.2).

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/constraint/constraint.h"
#include "engine/constraint/tree.h"

namespace seldon::engine {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

double finite_or_zero(double x) {
  return std::isfinite(x) ? x : 0.0;
}

// ---- Intervals
// -------------------------------------------------------------------------------------------------

Interval apply(Op op, Interval a, Interval b, bool even_powers) {
  switch (op) {
    case Op::constant:
    case Op::base:
      break;
    case Op::add:
      return add(a, b);
    case Op::subtract:
      return subtract(a, b);
    case Op::multiply:
      return multiply(a, b);
    case Op::divide:
      return has_quotient(b) ? divide(a, b) : Interval{};
    case Op::power:
      return has_power(a, b, even_powers) ? power(a, b, even_powers) : Interval{};
    case Op::minimum:
      return minimum(a, b);
    case Op::maximum:
      return maximum(a, b);
    case Op::absolute:
      return absolute(a);
    case Op::exponential:
      return exponential(a);
    case Op::logarithm:
      return logarithm(a);
  }
  return {};
}

/// Ends of an interval, or what they are worth in a derivative, without a default value: arrays of it cost
/// nothing.
struct Ends {
  double lower, upper;
};

/// Derivatives of one end of a result by the ends of its arguments.
struct EndDerivative {
  Ends a = {0, 0}, b = {0, 0};
};
struct IntervalDerivative {
  EndDerivative lower, upper;
};

/// Of the four corners, the first that holds the result's end.
int corner(const std::array<double, 4>& values, bool upper) {
  const auto at =
      upper ? std::max_element(values.begin(), values.end()) : std::min_element(values.begin(), values.end());
  return static_cast<int>(at - values.begin());
}

EndDerivative at_corner(int index, double d_a, double d_b) {
  EndDerivative d;
  (index < 2 ? d.a.lower : d.a.upper) = d_a;
  (index % 2 == 0 ? d.b.lower : d.b.upper) = d_b;
  return d;
}

EndDerivative multiply_end(Interval a, Interval b, bool upper) {
  const auto product = [](double x, double y) { return x == 0 || y == 0 ? 0.0 : x * y; };
  const int c = corner({product(a.lower, b.lower), product(a.lower, b.upper), product(a.upper, b.lower),
                        product(a.upper, b.upper)},
                       upper);
  return at_corner(c, c % 2 == 0 ? b.lower : b.upper, c < 2 ? a.lower : a.upper);
}

EndDerivative divide_end(Interval a, Interval b, bool upper) {
  if (b.lower < 0 && b.upper > 0) return {};
  const double infinity = std::numeric_limits<double>::infinity();
  const Interval reciprocal = {b.upper == 0 ? -infinity : 1 / b.upper, b.lower == 0 ? infinity : 1 / b.lower};
  EndDerivative d = multiply_end(a, reciprocal, upper);
  const Ends by_reciprocal = d.b;
  d.b.upper = by_reciprocal.lower * -reciprocal.lower * reciprocal.lower;
  d.b.lower = by_reciprocal.upper * -reciprocal.upper * reciprocal.upper;
  return d;
}

double power_by_base(double x, double y) {
  return y == 0 ? 0.0 : y * std::pow(x, y - 1);
}
double power_by_exponent(double x, double y) {
  return x == 0 ? 0.0 : std::pow(x, y) * std::log(x);
}

IntervalDerivative absolute_derivative(Interval a) {
  IntervalDerivative d;
  if (a.lower >= 0) {
    d.lower.a.lower = d.upper.a.upper = 1;
  } else if (a.upper <= 0) {
    d.lower.a.upper = d.upper.a.lower = -1;
  } else if (-a.lower >= a.upper) {
    d.upper.a.lower = -1;
  } else {
    d.upper.a.upper = 1;
  }
  return d;
}

EndDerivative power_end(Interval a, Interval b, bool upper) {
  const Interval base = a.lower < 0 ? absolute(a) : a;
  const int c = corner({std::pow(base.lower, b.lower), std::pow(base.lower, b.upper),
                        std::pow(base.upper, b.lower), std::pow(base.upper, b.upper)},
                       upper);
  const double x = c < 2 ? base.lower : base.upper;
  const double y = c % 2 == 0 ? b.lower : b.upper;
  EndDerivative d = at_corner(c, power_by_base(x, y), power_by_exponent(x, y));
  if (a.lower < 0) {
    const IntervalDerivative inner = absolute_derivative(a);
    const Ends by_base = d.a;
    d.a.lower = by_base.lower * inner.lower.a.lower + by_base.upper * inner.upper.a.lower;
    d.a.upper = by_base.lower * inner.lower.a.upper + by_base.upper * inner.upper.a.upper;
  }
  return d;
}

IntervalDerivative derivative(Op op, Interval a, Interval b, Interval result, bool even_powers) {
  IntervalDerivative d;
  switch (op) {
    case Op::constant:
    case Op::base:
      break;
    case Op::add:
      d.lower.a.lower = d.lower.b.lower = d.upper.a.upper = d.upper.b.upper = 1;
      break;
    case Op::subtract:
      d.lower.a.lower = d.upper.a.upper = 1;
      d.lower.b.upper = d.upper.b.lower = -1;
      break;
    case Op::multiply:
      return {multiply_end(a, b, false), multiply_end(a, b, true)};
    case Op::divide:
      if (has_quotient(b)) return {divide_end(a, b, false), divide_end(a, b, true)};
      break;
    case Op::power:
      if (has_power(a, b, even_powers)) return {power_end(a, b, false), power_end(a, b, true)};
      break;
    case Op::minimum:
      (a.lower <= b.lower ? d.lower.a : d.lower.b).lower = 1;
      (a.upper <= b.upper ? d.upper.a : d.upper.b).upper = 1;
      break;
    case Op::maximum:
      (a.lower >= b.lower ? d.lower.a : d.lower.b).lower = 1;
      (a.upper >= b.upper ? d.upper.a : d.upper.b).upper = 1;
      break;
    case Op::absolute:
      return absolute_derivative(a);
    case Op::exponential:
      d.lower.a.lower = result.lower;
      d.upper.a.upper = result.upper;
      break;
    case Op::logarithm:
      d.lower.a.lower = 1 / a.lower;
      d.upper.a.upper = 1 / a.upper;
      break;
  }
  return d;
}

void accumulate(Ends& adjoint, const EndDerivative& d, bool of_a, double weight) {
  const Ends& local = of_a ? d.a : d.b;
  adjoint.lower += weight * finite_or_zero(local.lower);
  adjoint.upper += weight * finite_or_zero(local.upper);
}

using IntervalValues = std::array<Ends, max_tree_nodes>;

Interval argument(const IntervalValues& values, std::int32_t index) {
  if (index < 0) return {0, 0};
  const Ends& ends = values[static_cast<std::size_t>(index)];
  return {ends.lower, ends.upper};
}

/// Fills values[0..n) and returns the root's interval.
Interval forward(const Constraint::Tree& tree, std::span<const Interval> bounds, IntervalValues& values) {
  Interval result;
  for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
    const TreeNode& node = tree.nodes[i];
    if (node.op == Op::constant)
      result = {node.constant, node.constant};
    else if (node.op == Op::base)
      result = bounds[static_cast<std::size_t>(node.base)];
    else
      result = apply(node.op, argument(values, node.left), argument(values, node.right), tree.even_powers);
    values[i] = {result.lower, result.upper};
  }
  return result;
}

bool any_nan(std::span<const double> means) {
  return std::any_of(means.begin(), means.end(), [](double mean) { return std::isnan(mean); });
}

bool any_nan(std::span<const Interval> bounds) {
  return std::any_of(bounds.begin(), bounds.end(),
                     [](const Interval& b) { return std::isnan(b.lower) || std::isnan(b.upper); });
}

// ---- Means
// -----------------------------------------------------------------------------------------------------

struct ValueDerivative {
  double a = 0, b = 0;
};

ValueDerivative derivative(Op op, double a, double b, double result) {
  switch (op) {
    case Op::constant:
    case Op::base:
      break;
    case Op::add:
      return {1, 1};
    case Op::subtract:
      return {1, -1};
    case Op::multiply:
      return {b, a};
    case Op::divide:
      return {1 / b, -result / b};
    case Op::power:
      return {power_by_base(a, b), power_by_exponent(a, b)};
    case Op::minimum:
      return a <= b ? ValueDerivative{1, 0} : ValueDerivative{0, 1};
    case Op::maximum:
      return a >= b ? ValueDerivative{1, 0} : ValueDerivative{0, 1};
    case Op::absolute:
      return {a >= 0 ? 1.0 : -1.0, 0};
    case Op::exponential:
      return {result, 0};
    case Op::logarithm:
      return {1 / a, 0};
  }
  return {};
}

using MeanValues = std::array<double, max_tree_nodes>;

double forward(const Constraint::Tree& tree, std::span<const double> means, MeanValues& values) {
  double result = not_a_number;
  for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
    const TreeNode& node = tree.nodes[i];
    if (node.op == Op::constant)
      result = node.constant;
    else if (node.op == Op::base)
      result = means[static_cast<std::size_t>(node.base)];
    else
      result = apply(node.op, values[static_cast<std::size_t>(node.left)],
                     node.right < 0 ? 0.0 : values[static_cast<std::size_t>(node.right)]);
    values[i] = result;
  }
  return result;
}

}  // namespace

double apply(Op op, double a, double b) {
  switch (op) {
    case Op::constant:
    case Op::base:
      break;
    case Op::add:
      return a + b;
    case Op::subtract:
      return a - b;
    case Op::multiply:
      return a * b;
    case Op::divide:
      return a / b;
    case Op::power:
      return std::pow(a, b);
    case Op::minimum:
      return std::isnan(a) || a <= b ? a : b;
    case Op::maximum:
      return std::isnan(a) || a >= b ? a : b;
    case Op::absolute:
      return std::abs(a);
    case Op::exponential:
      return std::exp(a);
    case Op::logarithm:
      return std::log(a);
  }
  return not_a_number;
}

Interval Constraint::propagate(std::span<const Interval> bounds) const {
  if (any_nan(bounds)) return {not_a_number, not_a_number};
  IntervalValues values;
  return forward(*tree_, bounds, values);
}

double Constraint::upper(std::span<const Interval> bounds, std::span<Interval> d_bounds) const {
  std::fill(d_bounds.begin(), d_bounds.end(), Interval{0, 0});
  if (any_nan(bounds)) return not_a_number;
  IntervalValues values, adjoints;
  const double result = forward(*tree_, bounds, values).upper;

  const std::vector<TreeNode>& nodes = tree_->nodes;
  std::fill_n(adjoints.begin(), nodes.size(), Ends{0, 0});
  adjoints[nodes.size() - 1].upper = 1;
  for (std::size_t i = nodes.size(); i-- > 0;) {
    const TreeNode& node = nodes[i];
    const Ends adjoint = adjoints[i];
    if (adjoint.lower == 0 && adjoint.upper == 0) continue;
    if (node.op == Op::base) {
      Interval& d = d_bounds[static_cast<std::size_t>(node.base)];
      d.lower += adjoint.lower;
      d.upper += adjoint.upper;
    } else if (node.op != Op::constant) {
      const IntervalDerivative d =
          derivative(node.op, argument(values, node.left), argument(values, node.right),
                     argument(values, static_cast<std::int32_t>(i)), tree_->even_powers);
      for (const bool of_a : {true, false}) {
        const std::int32_t child = of_a ? node.left : node.right;
        if (child < 0) continue;
        accumulate(adjoints[static_cast<std::size_t>(child)], d.lower, of_a, adjoint.lower);
        accumulate(adjoints[static_cast<std::size_t>(child)], d.upper, of_a, adjoint.upper);
      }
    }
  }
  for (Interval& d : d_bounds) d = {finite_or_zero(d.lower), finite_or_zero(d.upper)};
  return result;
}

double Constraint::value(std::span<const double> means) const {
  if (any_nan(means)) return not_a_number;
  MeanValues values;
  return forward(*tree_, means, values);
}

double Constraint::value(std::span<const double> means, std::span<double> d_means) const {
  std::fill(d_means.begin(), d_means.end(), 0.0);
  if (any_nan(means)) return not_a_number;
  MeanValues values, adjoints;
  const double result = forward(*tree_, means, values);

  const std::vector<TreeNode>& nodes = tree_->nodes;
  std::fill_n(adjoints.begin(), nodes.size(), 0.0);
  adjoints[nodes.size() - 1] = 1;
  for (std::size_t i = nodes.size(); i-- > 0;) {
    const TreeNode& node = nodes[i];
    if (node.op == Op::base) {
      d_means[static_cast<std::size_t>(node.base)] += adjoints[i];
    } else if (node.op != Op::constant && adjoints[i] != 0) {
      const double a = values[static_cast<std::size_t>(node.left)];
      const double b = node.right < 0 ? 0.0 : values[static_cast<std::size_t>(node.right)];
      const ValueDerivative d = derivative(node.op, a, b, values[i]);
      adjoints[static_cast<std::size_t>(node.left)] += adjoints[i] * finite_or_zero(d.a);
      if (node.right >= 0)
        adjoints[static_cast<std::size_t>(node.right)] += adjoints[i] * finite_or_zero(d.b);
    }
  }
  for (double& d : d_means) d = finite_or_zero(d);
  return result;
}

}  // namespace seldon::engine

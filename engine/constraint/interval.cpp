#include "engine/constraint/interval.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace seldon::engine {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Where an end has no value, nothing is known on that side.
Interval known(double lower, double upper) {
  return {std::isnan(lower) ? -infinity : lower, std::isnan(upper) ? infinity : upper};
}

Interval hull(const std::array<double, 4>& values) {
  for (double value : values)
    if (std::isnan(value)) return {};
  return {*std::min_element(values.begin(), values.end()), *std::max_element(values.begin(), values.end())};
}

/// An infinite end stands for an unbounded, but finite, quantity.
double product(double x, double y) {
  return x == 0 || y == 0 ? 0.0 : x * y;
}

}  // namespace

Interval add(Interval a, Interval b) {
  return known(a.lower + b.lower, a.upper + b.upper);
}

Interval subtract(Interval a, Interval b) {
  return known(a.lower - b.upper, a.upper - b.lower);
}

Interval multiply(Interval a, Interval b) {
  return hull({product(a.lower, b.lower), product(a.lower, b.upper), product(a.upper, b.lower),
               product(a.upper, b.upper)});
}

bool has_quotient(Interval b) {
  return !(b.lower == 0 && b.upper == 0);
}

Interval divide(Interval a, Interval b) {
  if (!has_quotient(b)) throw IntervalError("division by an interval that is exactly zero");
  if (b.lower < 0 && b.upper > 0) return {};
  // Two infinite ends say nothing about their quotient; 1 / inf = 0 would claim that they do.
  if (std::isinf(b.lower) && b.lower == b.upper && (std::isinf(a.lower) || std::isinf(a.upper))) return {};
  return multiply(a, {b.upper == 0 ? -infinity : 1 / b.upper, b.lower == 0 ? infinity : 1 / b.lower});
}

bool is_even_integer(Interval b) {
  return b.lower == b.upper && std::fmod(b.lower, 2.0) == 0;
}

bool has_power(Interval a, Interval b, bool even_powers) {
  if (a.lower < 0 && !(even_powers && is_even_integer(b))) return false;
  const bool holds_zero = a.lower <= 0 && a.upper >= 0;
  return !(holds_zero && b.upper < 1) && !(holds_zero && b.lower < 0);
}

Interval power(Interval a, Interval b, bool even_powers) {
  if (!has_power(a, b, even_powers))
    throw IntervalError(a.lower < 0 ? "power of an interval that reaches below zero"
                                    : "power of an interval that holds zero, with an exponent below one");
  if (a.lower < 0) a = absolute(a);
  return hull({std::pow(a.lower, b.lower), std::pow(a.lower, b.upper), std::pow(a.upper, b.lower),
               std::pow(a.upper, b.upper)});
}

Interval minimum(Interval a, Interval b) {
  return {std::min(a.lower, b.lower), std::min(a.upper, b.upper)};
}

Interval maximum(Interval a, Interval b) {
  return {std::max(a.lower, b.lower), std::max(a.upper, b.upper)};
}

Interval absolute(Interval a) {
  if (a.lower >= 0) return a;
  if (a.upper <= 0) return {-a.upper, -a.lower};
  return {0, std::max(-a.lower, a.upper)};
}

Interval exponential(Interval a) {
  return {std::exp(a.lower), std::exp(a.upper)};
}

Interval logarithm(Interval a) {
  return known(std::log(a.lower), std::log(a.upper));
}

}  // namespace seldon::engine

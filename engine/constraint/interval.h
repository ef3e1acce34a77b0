#pragma once
// Interval arithmetic of constraint trees: endpoint arithmetic as in Moore, Kearfott and Cloud, "Introduction
// to Interval Analysis" (2009), chapter 2. An end that would be NaN (inf - inf) becomes infinite; 0 times an
// unbounded end is 0.

#include <limits>
#include <stdexcept>

namespace seldon::engine {

struct Interval {
  double lower = -std::numeric_limits<double>::infinity();
  double upper = std::numeric_limits<double>::infinity();
  bool operator==(const Interval&) const = default;
};

/// An operation that has no value on these intervals (division by [0, 0], a power of a negative base).
struct IntervalError : std::domain_error {
  using std::domain_error::domain_error;
};

Interval add(Interval a, Interval b);
Interval subtract(Interval a, Interval b);
Interval multiply(Interval a, Interval b);
/// (-inf, inf) where b has zero inside; throws IntervalError where b is [0, 0].
Interval divide(Interval a, Interval b);
/// Throws IntervalError where a reaches below 0 (but for an even integer exponent, if `even_powers`), or
/// where it holds 0 and the exponent reaches below 1.
Interval power(Interval a, Interval b, bool even_powers = true);
Interval minimum(Interval a, Interval b);
Interval maximum(Interval a, Interval b);
Interval absolute(Interval a);
Interval exponential(Interval a);
Interval logarithm(Interval a);

/// Whether `divide` by b, or `power` of a and b, has a value.
bool has_quotient(Interval b);
bool has_power(Interval a, Interval b, bool even_powers = true);
/// Whether b is one even integer: then the power depends on |a| only.
bool is_even_integer(Interval b);

}  // namespace seldon::engine

#pragma once
// Interval arithmetic of constraint trees (toolkit-semantics of the Seldonian Toolkit: docs/semantics.md, "Intervals").

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
Interval divide(Interval a, Interval b);   ///< throws IntervalError where b is [0, 0]
/// Throws IntervalError where a reaches below 0 (but for an even integer exponent, if `even_powers`), or where it
/// holds 0 and the exponent reaches below 1.
Interval power(Interval a, Interval b, bool even_powers = true);
Interval minimum(Interval a, Interval b);
Interval maximum(Interval a, Interval b);
Interval absolute(Interval a);
Interval exponential(Interval a);
Interval logarithm(Interval a);

}  // namespace seldon::engine

// Constraint expressions. The first byte chooses regime and variant, the rest is the expression: it is
// refused with a ParseError or InputError, or gives a tree whose bounds and values can be had from any base
// nodes.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "engine/constraint/constraint.h"

using namespace seldon;
using namespace seldon::engine;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  ConstraintOptions options;
  options.groups = {"M", "F", "A-b.1"};
  options.regime = (data[0] & 1) != 0 ? Regime::regression : Regime::classification;
  options.variant = (data[0] & 2) != 0 ? Variant::toolkit : Variant::default_;
  const std::string_view expression(reinterpret_cast<const char*>(data + 1), size - 1);
  try {
    const Constraint constraint = Constraint::parse(expression, options);
    const std::size_t nodes = constraint.base_nodes().size();
    constexpr double infinity = std::numeric_limits<double>::infinity();
    for (const Interval side : {Interval{0.25, 0.75}, Interval{-infinity, infinity}, Interval{0, 0}}) {
      const std::vector<Interval> bounds(nodes, side);
      std::vector<Interval> d_bounds(nodes);
      const Interval root = constraint.propagate(bounds);
      if (root.lower > root.upper) std::abort();
      if (const double upper = constraint.upper(bounds, d_bounds);
          upper != root.upper && !(std::isnan(upper) && std::isnan(root.upper)))
        std::abort();
      for (const Interval& d : d_bounds)
        if (!std::isfinite(d.lower) || !std::isfinite(d.upper)) std::abort();
    }
    std::vector<double> d_means(nodes);
    constraint.value(std::vector<double>(nodes, 0.5), d_means);
    for (const double d : d_means)
      if (!std::isfinite(d)) std::abort();
  } catch (const InputError&) {
    // refused, as it should be
  }
  return 0;
}

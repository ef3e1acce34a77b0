#pragma once
// A behavioural constraint "g <= 0": its expression as a tree, the base nodes that the tree needs, and the
// confidence that each of them gets.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/regime.h"
#include "engine/constraint/interval.h"
#include "engine/measure/measure.h"

namespace seldon::engine {

/// default_: both sides of repeated nodes, [M,F] == [F,M], constants cost no side, delta split over one-sided
/// bounds, weights normalised, even powers. toolkit: the Python toolkit's rules, defects included, for
/// conformance and paired replay (docs/semantics.md).
enum class Variant { default_, toolkit };

/// An expression that is refused; the message shows the expression with a caret under the place.
class ParseError : public InputError {
 public:
  ParseError(std::string_view expression, std::size_t column, const std::string& problem,
             const Location& where = {});
  /// Zero-based column in the expression.
  std::size_t column() const { return column_; }

 private:
  std::size_t column_;
};

struct BaseNode {
  std::string name;  ///< "PR | [M]", "CM_[2,3] | [A,B]"
  const Measure* measure = nullptr;
  MeasureIndex index;
  std::vector<std::string> groups;  ///< all must hold; empty: every row
  bool needs_lower = false, needs_upper = false;
  double delta_lower = 0, delta_upper = 0;          ///< 0 where the side is not needed
  double inflation_lower = 1, inflation_upper = 1;  ///< of the half-width in candidate selection
};

struct ConstraintOptions {
  Regime regime = Regime::classification;
  std::vector<std::string> groups;  ///< names that conditionals may use
  double delta = 0.05;
  std::vector<double>
      delta_weights;  ///< empty: equal; else one for each needed one-sided bound, in pre-order, lower first
  std::vector<double> inflation = {
      2.0};                          ///< one for all, or one for each needed one-sided bound (same order)
  bool inflation_per_bound = false;  ///< a single factor, too, is meant for a single bound
  Variant variant = Variant::default_;
  Location where;  ///< of the expression in the config
};

class Constraint {
 public:
  struct Tree;  ///< engine/constraint/tree.h

  /// Throws ParseError (syntax, unknown measure or group) or InputError (delta, weights, inflation).
  static Constraint parse(std::string_view expression, const ConstraintOptions& options);
  Constraint(Constraint&&) noexcept;
  Constraint& operator=(Constraint&&) noexcept;
  ~Constraint();

  /// The expression as "... <= 0": "0.8-(min(...))".
  const std::string& canonical() const;
  /// Unique base nodes in pre-order.
  const std::vector<BaseNode>& base_nodes() const;
  /// Nodes of the tree in all, base nodes with repetitions: for `seldon check`.
  std::size_t node_count() const;
  std::size_t base_node_occurrences() const;
  std::size_t bound_count() const;    ///< needed one-sided bounds
  std::string root_operator() const;  ///< "sub", "min", "FPR" ...
  double delta() const;
  Variant variant() const;
  /// The parse tree itself, for other ways to evaluate it (engine/tensor/forest.h).
  const Tree& tree() const { return *tree_; }

  /// Interval propagation: `bounds[i]` is the interval of base node i; a side that is not needed is infinite.
  /// An operation without a value (a quotient by [0, 0], inf - inf, a power of a negative base) gives (-inf,
  /// inf); a NaN among the bounds makes both ends NaN, whatever the tree. Neither throws nor allocates.
  Interval propagate(std::span<const Interval> bounds) const;

  /// The upper end and its derivatives by each base node's bounds (d_bounds[i].lower, .upper). At a tie of
  /// min, max or abs the first argument's derivative; a derivative that is not finite is given as 0.
  double upper(std::span<const Interval> bounds, std::span<Interval> d_bounds) const;

  /// The same tree on means: the constraint's value g; NaN where an operation has none (0/0). Neither throws
  /// nor allocates.
  double value(std::span<const double> means) const;
  /// With its derivatives, as for `upper`.
  double value(std::span<const double> means, std::span<double> d_means) const;

 private:
  explicit Constraint(std::unique_ptr<Tree> tree);
  std::unique_ptr<Tree> tree_;
};

}  // namespace seldon::engine

#pragma once
// The parse tree of an expression as a flat array, arguments before what they are arguments of; the root is
// the last.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/constraint/constraint.h"

namespace seldon::engine {

/// Propagation keeps its intermediate values on the stack, so trees have a greatest size.
inline constexpr std::size_t max_tree_nodes = 512;

enum class Op : std::uint8_t {
  constant,
  base,
  add,
  subtract,
  multiply,
  divide,
  power,
  minimum,
  maximum,
  absolute,
  exponential,
  logarithm,
};

constexpr int arity(Op op) {
  if (op == Op::constant || op == Op::base) return 0;
  return op == Op::absolute || op == Op::exponential || op == Op::logarithm ? 1 : 2;
}

/// The operation on numbers (b is ignored by functions of one argument); NaN where it has no value.
double apply(Op op, double a, double b);

/// The toolkit's name of an operation: "sub", "min".
std::string name_of(Op op);

struct TreeNode {
  Op op = Op::constant;
  std::int32_t left = -1, right = -1;  ///< arguments; a function of one argument has `left`
  double constant = 0;
  std::int32_t base = -1;  ///< which base node
  std::size_t column = 0;  ///< of the operator, name or number in the expression
};

struct ParsedExpression {
  std::string canonical;
  std::vector<TreeNode> nodes;
  std::vector<BaseNode> occurrences;  ///< of base nodes, as in the text; sides and deltas still open
};

/// Reads an expression; names are resolved among the measures of the regime and the groups of the options.
ParsedExpression parse_expression(std::string_view expression, const ConstraintOptions& options);

struct Constraint::Tree {
  std::string canonical;
  std::vector<TreeNode> nodes;
  std::vector<BaseNode> bases;
  double delta = 0;
  Variant variant = Variant::default_;
  bool even_powers = true;
};

}  // namespace seldon::engine

#include "engine/constraint/constraint.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "engine/constraint/tree.h"

namespace seldon::engine {
namespace {

std::string text_of(double number) {
  std::ostringstream out;
  out.precision(10);
  out << number;
  return out.str();
}

// ---- Parts without a measure
// -----------------------------------------------------------------------------------

/// The value of each node that depends on no measure; NaN for the others.
std::vector<double> constant_values(const std::vector<TreeNode>& nodes, std::string_view expression,
                                    const Location& where) {
  constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> values(nodes.size(), unknown);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const TreeNode& node = nodes[i];
    if (node.op == Op::base) continue;
    const double a = node.left >= 0 ? values[static_cast<std::size_t>(node.left)] : 0;
    const double b = node.right >= 0 ? values[static_cast<std::size_t>(node.right)] : 0;
    if (node.op == Op::divide && b == 0)
      throw ParseError(expression, node.column, "this divides by zero; mend the divisor", where);
    if (std::isnan(a) || std::isnan(b)) continue;
    values[i] = node.op == Op::constant ? node.constant : apply(node.op, a, b);
    if (!std::isfinite(values[i]))
      throw ParseError(expression, node.column, "this part is a constant without a finite value; mend it",
                       where);
  }
  return values;
}

// ---- Which sides of which base node are needed
// -----------------------------------------------------------------

struct Sides {
  bool lower = false, upper = false;
  Sides swapped() const { return {upper, lower}; }
};
constexpr Sides both = {true, true};

/// Walks the tree in pre-order with the sides that the node's parent asks for. In the default variant a base
/// node that occurs again gets the union, in the toolkit variant the first occurrence decides.
class SideAnalysis {
 public:
  SideAnalysis(Constraint::Tree& tree, const std::vector<double>& constants)
      : tree_(tree), constants_(constants) {}

  void visit(std::int32_t index, Sides wanted) {
    if (index < 0) return;
    const TreeNode& node = tree_.nodes[static_cast<std::size_t>(index)];
    if (node.op == Op::base) return reach(tree_.bases[static_cast<std::size_t>(node.base)], wanted);
    const auto [left, right] = arguments(node, wanted);
    visit(node.left, left);
    visit(node.right, right);
  }

 private:
  void reach(BaseNode& base, Sides wanted) {
    const bool reached = base.needs_lower || base.needs_upper;
    if (reached && tree_.variant == Variant::toolkit) return;
    base.needs_lower |= wanted.lower;
    base.needs_upper |= wanted.upper;
  }

  std::pair<Sides, Sides> arguments(const TreeNode& node, Sides wanted) const {
    switch (node.op) {
      case Op::constant:
      case Op::base:
        break;
      case Op::add:
      case Op::minimum:
      case Op::maximum:
        return {wanted, wanted};
      case Op::subtract:
        return {wanted, wanted.swapped()};
      case Op::exponential:
      case Op::logarithm:
        return {wanted, {}};
      case Op::absolute:
        return {both, {}};
      case Op::power:
        return {both, both};
      case Op::multiply:
      case Op::divide:
        return scaled(node, wanted);
    }
    return {};
  }

  /// A constant factor or divisor keeps the side, or swaps it if negative (default variant).
  std::pair<Sides, Sides> scaled(const TreeNode& node, Sides wanted) const {
    if (tree_.variant == Variant::toolkit) return {both, both};
    const double left = constants_[static_cast<std::size_t>(node.left)];
    const double right = constants_[static_cast<std::size_t>(node.right)];
    if (!std::isnan(right)) return {right < 0 ? wanted.swapped() : wanted, {}};
    if (!std::isnan(left) && node.op == Op::multiply) return {{}, left < 0 ? wanted.swapped() : wanted};
    return {both, both};
  }

  Constraint::Tree& tree_;
  const std::vector<double>& constants_;
};

// ---- One base node for all its occurrences
// ---------------------------------------------------------------------

/// In the default variant "[M,F]" and "[F,M]" are one condition.
std::vector<std::string> condition_key(const BaseNode& base, Variant variant) {
  std::vector<std::string> key = base.groups;
  if (variant == Variant::default_) {
    std::sort(key.begin(), key.end());
    key.erase(std::unique(key.begin(), key.end()), key.end());
  }
  return key;
}

bool same_node(const BaseNode& a, const BaseNode& b, Variant variant) {
  return a.measure == b.measure && a.index == b.index &&
         condition_key(a, variant) == condition_key(b, variant);
}

/// Numbers the unique base nodes in pre-order.
void unite(Constraint::Tree& tree, const std::vector<BaseNode>& occurrences, std::int32_t index) {
  if (index < 0) return;
  TreeNode& node = tree.nodes[static_cast<std::size_t>(index)];
  if (node.op == Op::base) {
    const BaseNode& occurrence = occurrences[static_cast<std::size_t>(node.base)];
    const auto known = std::find_if(tree.bases.begin(), tree.bases.end(), [&](const BaseNode& base) {
      return same_node(base, occurrence, tree.variant);
    });
    node.base = static_cast<std::int32_t>(known - tree.bases.begin());
    if (known == tree.bases.end()) tree.bases.push_back(occurrence);
    return;
  }
  unite(tree, occurrences, node.left);
  unite(tree, occurrences, node.right);
}

// ---- Delta and inflation
// ---------------------------------------------------------------------------------------

std::size_t needed_bounds(const std::vector<BaseNode>& bases) {
  std::size_t count = 0;
  for (const BaseNode& base : bases) count += (base.needs_lower ? 1 : 0) + (base.needs_upper ? 1 : 0);
  return count;
}

void check_delta(double delta, const Location& where) {
  if (!(delta > 0 && delta < 1))
    throw InputError(where,
                     "delta is " + text_of(delta) +
                         ", but a failure probability lies strictly between 0 and 1; write, say, 0.05");
}

void check_length(const std::vector<double>& values, std::size_t needed, const std::string& what,
                  const Location& where) {
  if (values.size() == needed) return;
  std::string list;
  for (double value : values) list += (list.empty() ? "" : ", ") + text_of(value);
  throw InputError(where, what + " = [" + list + "] has " + std::to_string(values.size()) +
                              (values.size() == 1 ? " value" : " values") + ", but the constraint needs " +
                              std::to_string(needed) +
                              " one-sided bounds; give one value for each, lower before upper");
}

/// Gives each needed one-sided bound its value, in pre-order, lower first.
template <class Assign>
void for_each_bound(std::vector<BaseNode>& bases, Assign assign) {
  std::size_t bound = 0;
  for (BaseNode& base : bases) {
    if (base.needs_lower) assign(bound++, base.delta_lower, base.inflation_lower);
    if (base.needs_upper) assign(bound++, base.delta_upper, base.inflation_upper);
  }
}

/// Shares of delta from weights: w / sum w, or in the toolkit variant exp(w) / sum exp(w).
std::vector<double> shares(const std::vector<double>& weights, Variant variant, const Location& where) {
  std::vector<double> result(weights);
  double sum = 0;
  for (double& share : result) {
    const double weight = share;
    if (variant == Variant::toolkit) share = std::exp(weight);
    if (!(share > 0) || !std::isfinite(share))
      throw InputError(where,
                       "delta_weights holds " + text_of(weight) +
                           (variant == Variant::toolkit
                                ? ", whose exponential is no positive finite number; choose smaller weights"
                                : ", but a weight is a positive finite number; mend it"));
    sum += share;
  }
  for (double& share : result) share /= sum;
  return result;
}

void allocate_delta(Constraint::Tree& tree, const ConstraintOptions& options) {
  if (options.delta_weights.empty() && tree.variant == Variant::toolkit) {
    // Equal over unique base nodes, then halved where both sides are needed.
    const double per_node = tree.delta / static_cast<double>(tree.bases.size());
    for (BaseNode& base : tree.bases) {
      const double per_side = base.needs_lower && base.needs_upper ? per_node / 2 : per_node;
      if (base.needs_lower) base.delta_lower = per_side;
      if (base.needs_upper) base.delta_upper = per_side;
    }
    return;
  }
  const std::size_t needed = needed_bounds(tree.bases);
  std::vector<double> weights = options.delta_weights;
  if (weights.empty())
    weights.assign(needed, 1.0);
  else
    check_length(weights, needed, "delta_weights", options.where);
  const std::vector<double> share = shares(weights, tree.variant, options.where);
  for_each_bound(tree.bases, [&](std::size_t i, double& delta, double&) { delta = tree.delta * share[i]; });
}

void assign_inflation(Constraint::Tree& tree, const ConstraintOptions& options) {
  std::vector<double> factors = options.inflation;
  const std::size_t needed = needed_bounds(tree.bases);
  if (factors.size() == 1 && !options.inflation_per_bound) factors.assign(needed, factors[0]);
  check_length(factors, needed, "inflation", options.where);
  for (double factor : factors)
    if (!(factor >= 0) || !std::isfinite(factor))
      throw InputError(options.where,
                       "inflation holds " + text_of(factor) +
                           ", but a factor of a half-width is finite and not negative; mend it");
  for_each_bound(tree.bases, [&](std::size_t i, double&, double& inflation) { inflation = factors[i]; });
}

}  // namespace

std::string name_of(Op op) {
  switch (op) {
    case Op::constant:
      return "constant";
    case Op::base:
      return "base";
    case Op::add:
      return "add";
    case Op::subtract:
      return "sub";
    case Op::multiply:
      return "mult";
    case Op::divide:
      return "div";
    case Op::power:
      return "pow";
    case Op::minimum:
      return "min";
    case Op::maximum:
      return "max";
    case Op::absolute:
      return "abs";
    case Op::exponential:
      return "exp";
    case Op::logarithm:
      return "log";
  }
  return "?";
}

Constraint Constraint::parse(std::string_view expression, const ConstraintOptions& options) {
  check_delta(options.delta, options.where);
  ParsedExpression parsed = parse_expression(expression, options);
  auto tree = std::make_unique<Tree>();
  tree->canonical = std::move(parsed.canonical);
  tree->nodes = std::move(parsed.nodes);
  tree->delta = options.delta;
  tree->variant = options.variant;
  tree->even_powers = options.variant == Variant::default_;

  const auto root = static_cast<std::int32_t>(tree->nodes.size() - 1);
  const std::vector<double> constants = constant_values(tree->nodes, expression, options.where);
  unite(*tree, parsed.occurrences, root);
  SideAnalysis(*tree, constants).visit(root, {.lower = false, .upper = true});
  allocate_delta(*tree, options);
  assign_inflation(*tree, options);
  return Constraint(std::move(tree));
}

Constraint::Constraint(std::unique_ptr<Tree> tree) : tree_(std::move(tree)) {}
Constraint::Constraint(Constraint&&) noexcept = default;
Constraint& Constraint::operator=(Constraint&&) noexcept = default;
Constraint::~Constraint() = default;

const std::string& Constraint::canonical() const {
  return tree_->canonical;
}
const std::vector<BaseNode>& Constraint::base_nodes() const {
  return tree_->bases;
}
std::size_t Constraint::node_count() const {
  return tree_->nodes.size();
}
std::size_t Constraint::bound_count() const {
  return needed_bounds(tree_->bases);
}
double Constraint::delta() const {
  return tree_->delta;
}
Variant Constraint::variant() const {
  return tree_->variant;
}

std::size_t Constraint::base_node_occurrences() const {
  return static_cast<std::size_t>(std::count_if(tree_->nodes.begin(), tree_->nodes.end(),
                                                [](const TreeNode& node) { return node.op == Op::base; }));
}

std::string Constraint::root_operator() const {
  const TreeNode& root = tree_->nodes.back();
  return root.op == Op::base ? tree_->bases[static_cast<std::size_t>(root.base)].name : name_of(root.op);
}

}  // namespace seldon::engine

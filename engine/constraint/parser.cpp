// The grammar of constraint expressions, Python's precedence throughout:
//
//   relation   = sum [ ("<=" | ">=") sum ]
//   sum        = product { ("+" | "-") product }
//   product    = unary { ("*" | "/") unary }
//   unary      = "-" unary | power
//   power      = atom [ "**" unary ]
//   atom       = number | "(" sum ")" | NAME "(" sum { "," sum } ")" | measure
//   measure    = NAME [ "[" integer { "," integer } "]" ] [ "|" "[" GROUP { "," GROUP } "]" ]
//
// A measure with a condition stands in parentheses or is the whole argument of a function.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numbers>
#include <numeric>

#include <tao/pegtl.hpp>

#include "engine/constraint/tree.h"

namespace seldon::engine {
namespace {

constexpr std::size_t max_expression_length = 4000;
constexpr std::size_t max_nesting = 100;

// ---- Messages
// ------------------------------------------------------------------------------------------------

std::string printable(std::string_view text) {
  std::string shown(text);
  for (char& c : shown)
    if (c < ' ' || c > '~') c = (c == '\t' || c == '\n' || c == '\r') ? ' ' : '?';
  return shown;
}

/// The expression with a caret under `column`; of a long one only the neighbourhood.
std::string show_place(std::string_view expression, std::size_t column) {
  constexpr std::size_t reach = 60;
  const std::size_t begin = column > reach ? column - reach : 0;
  const std::size_t end = std::min(expression.size(), column + reach);
  return "  " + printable(expression.substr(begin, end - begin)) + "\n  " + std::string(column - begin, ' ') +
         "^";
}

std::string in_quotes(std::string_view text) {
  return "'" + printable(text) + "'";
}

std::string joined(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all.empty() ? "none" : all;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substitution, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

/// " Did you mean X?" where a known name is near, else "".
std::string suggestion(std::string_view name, const std::vector<std::string>& known) {
  const std::string* best = nullptr;
  std::size_t least = 3;  // more than two slips is another word
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < least && distance < candidate.size()) {
      least = distance;
      best = &candidate;
    }
  }
  return best ? " Did you mean " + *best + "?" : "";
}

constexpr std::array known_regimes = {Regime::classification, Regime::regression,
                                      Regime::multiclass_classification, Regime::reinforcement_learning};

struct Function {
  std::string_view name;
  Op op;
};
constexpr std::array functions = {Function{"min", Op::minimum}, Function{"max", Op::maximum},
                                  Function{"abs", Op::absolute}, Function{"exp", Op::exponential},
                                  Function{"log", Op::logarithm}};

// ---- What the grammar's actions build
// ------------------------------------------------------------------------

/// A name whose brackets or arguments are still being read.
struct Name {
  std::string text;
  std::size_t column = 0;
  std::vector<int> indices;
  std::vector<std::string> groups;
  std::vector<std::size_t> arguments;  ///< columns
};

/// A finished part of the expression.
struct Part {
  std::int32_t node;
  std::size_t begin;            ///< column where it starts
  bool literal = false;         ///< a number as written: minus folds into it
  bool bare_condition = false;  ///< a condition that no parentheses enclose yet
};

struct Builder {
  std::string_view expression;
  const ConstraintOptions& options;
  ParsedExpression parsed{};
  std::vector<Part> parts{};
  std::vector<Name> names{};
  std::size_t nesting = 0;
  std::size_t relation_column = 0;
  std::string relation{};

  [[noreturn]] void fail(std::size_t column, const std::string& problem) const {
    throw ParseError(expression, column, problem, options.where);
  }

  std::int32_t add(TreeNode node) {
    if (parsed.nodes.size() == max_tree_nodes)
      fail(node.column, "the expression has more than " + std::to_string(max_tree_nodes) +
                            " parts; split it into several constraints");
    parsed.nodes.push_back(node);
    return static_cast<std::int32_t>(parsed.nodes.size() - 1);
  }

  Part pop() {
    const Part part = parts.back();
    parts.pop_back();
    if (part.bare_condition)
      fail(part.begin, "a measure with a condition needs parentheses around it here; write (" +
                           parsed
                               .occurrences[static_cast<std::size_t>(
                                   parsed.nodes[static_cast<std::size_t>(part.node)].base)]
                               .name +
                           ")");
    return part;
  }

  void number(std::string_view text, std::size_t column) {
    double value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec != std::errc() || !std::isfinite(value))
      fail(column, in_quotes(text) + " is too large or too small for a double; write a number that is not");
    parts.push_back({add({.op = Op::constant, .constant = value, .column = column}), column, true});
  }

  void unary(Op op, std::size_t begin) {
    const Part argument = pop();
    parts.push_back({add({.op = op, .left = argument.node, .column = begin}), begin});
  }

  void binary(Op op, std::size_t column) {
    const Part right = pop();
    const Part left = pop();
    parts.push_back({add({.op = op, .left = left.node, .right = right.node, .column = column}), left.begin});
  }

  /// A minus folds into a number; before anything else it is a multiplication by -1.
  void negate(std::size_t column) {
    if (parts.back().literal) {
      TreeNode& node = parsed.nodes[static_cast<std::size_t>(parts.back().node)];
      node.constant = -node.constant;
      parts.back().begin = column;
      return;
    }
    const Part argument = pop();
    const std::int32_t factor = add({.op = Op::constant, .constant = -1, .column = column});
    parts.push_back(
        {add({.op = Op::multiply, .left = factor, .right = argument.node, .column = column}), column});
  }

  void call() {
    const Name name = std::move(names.back());
    names.pop_back();
    const auto* function = std::find_if(functions.begin(), functions.end(),
                                        [&](const Function& f) { return f.name == name.text; });
    if (function == functions.end()) {
      std::vector<std::string> known;
      for (const Function& f : functions) known.emplace_back(f.name);
      fail(name.column, in_quotes(name.text) + " is not a function; known are " + joined(known) + "." +
                            suggestion(name.text, known));
    }
    const std::size_t wanted = static_cast<std::size_t>(arity(function->op));
    if (name.arguments.size() != wanted)
      fail(name.arguments.size() > wanted ? name.arguments[wanted] : name.column,
           name.text + " takes " + (wanted == 1 ? "one argument" : "two arguments") + ", not " +
               std::to_string(name.arguments.size()) +
               (wanted == 2 && name.arguments.size() > 2 ? "; nest it: min(a, min(b, c))" : ""));
    if (wanted == 1)
      unary(function->op, name.column);
    else
      binary(function->op, name.column);
    parts.back().begin = name.column;
  }

  void measure() {
    Name name = std::move(names.back());
    names.pop_back();
    if (name.text == "e" && name.indices.empty() && name.groups.empty()) {
      parts.push_back(
          {add({.op = Op::constant, .constant = std::numbers::e, .column = name.column}), name.column});
      return;
    }
    BaseNode base = resolve(name);
    const auto index = static_cast<std::int32_t>(parsed.occurrences.size());
    parsed.occurrences.push_back(std::move(base));
    parts.push_back({add({.op = Op::base, .base = index, .column = name.column}), name.column, false,
                     !name.groups.empty()});
  }

  BaseNode resolve(const Name& name) const {
    const std::string stem = name.indices.empty() ? name.text : name.text.substr(0, name.text.size() - 1);
    if (!name.indices.empty() && name.text.back() != '_')
      fail(name.column, "an index follows the measure's name after an underscore; write " + name.text + "_[" +
                            std::to_string(name.indices[0]) + "]");
    BaseNode base;
    base.measure = MeasureRegistry::instance().find(stem, options.regime);
    if (!base.measure) fail(name.column, unknown_measure(stem));
    check_indices(name, *base.measure);
    base.name = stem;
    if (!name.indices.empty()) {
      base.index.first = name.indices[0];
      base.name += "_[" + std::to_string(name.indices[0]);
      if (name.indices.size() > 1) {
        base.index.second = name.indices[1];
        base.name += "," + std::to_string(name.indices[1]);
      }
      base.name += "]";
    }
    base.groups = name.groups;
    std::string list;
    for (const std::string& group : name.groups) list += (list.empty() ? "" : ",") + group;
    if (!list.empty()) base.name += " | [" + list + "]";
    return base;
  }

  void check_indices(const Name& name, const Measure& measure) const {
    const std::size_t given = name.indices.size();
    bool right = false;
    std::string wanted;
    switch (measure.index) {
      case IndexKind::none:
        right = given == 0;
        wanted = "takes no index; write " + measure.name;
        break;
      case IndexKind::one:
        right = given == 1;
        wanted = "needs one class; write " + measure.name + "_[0]";
        break;
      case IndexKind::two:
        right = given == 2;
        wanted = "needs a true and a predicted class; write " + measure.name + "_[0,1]";
        break;
      case IndexKind::optional_one:
        right = given <= 1;
        wanted = "takes at most one index; write " + measure.name + "_[1]";
        break;
    }
    if (!right) fail(name.column, measure.name + " " + wanted);
  }

  std::string unknown_measure(const std::string& name) const {
    const MeasureRegistry& registry = MeasureRegistry::instance();
    const std::string regime(seldon::name_of(options.regime));
    for (Regime other : known_regimes)
      if (other != options.regime && registry.find(name, other))
        return in_quotes(name) + " is a measure of " + std::string(seldon::name_of(other)) +
               ", and this experiment is " + regime + "; its measures are " +
               joined(registry.names(options.regime));
    std::vector<std::string> known = registry.names(options.regime);
    std::string message =
        in_quotes(name) + " is not a measure of " + regime + "; known are " + joined(known) + ".";
    for (const Function& f : functions) known.emplace_back(f.name);
    return message + suggestion(name, known);
  }

  void group(std::string_view text, std::size_t column) {
    const std::string name(text);
    if (std::find(options.groups.begin(), options.groups.end(), name) == options.groups.end())
      fail(column, in_quotes(name) + " is not a declared group; known are " + joined(options.groups) + "." +
                       suggestion(name, options.groups));
    names.back().groups.push_back(name);
  }

  void index(std::string_view text, std::size_t column) {
    int value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc())
      fail(column, "index " + in_quotes(text) + " is too large; an index counts classes or rewards");
    names.back().indices.push_back(value);
  }

  void relate(std::size_t column, std::string_view op) {
    relation_column = column;
    relation = op;
  }

  void finish();
  void drop_first_node();
  [[noreturn]] void unexpected(std::size_t column, const std::string& wanted) const;
};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

void Builder::drop_first_node() {
  parsed.nodes.erase(parsed.nodes.begin());
  for (TreeNode& node : parsed.nodes) {
    if (node.left >= 0) --node.left;
    if (node.right >= 0) --node.right;
  }
}

/// "L <= R" becomes "L-(R)", "L >= R" becomes "R-(L)"; a side that is literally 0 is left out.
void Builder::finish() {
  if (relation.empty()) {
    pop();
    parsed.canonical = trimmed(expression);
  } else {
    const bool at_most = relation == "<=";
    const std::string left(trimmed(expression.substr(0, relation_column)));
    const std::string right(trimmed(expression.substr(relation_column + 2)));
    const Part right_part = pop();
    const Part left_part = pop();
    if (at_most && right == "0") {
      parsed.nodes.pop_back();
      parsed.canonical = left;
    } else if (!at_most && left == "0") {
      drop_first_node();
      parsed.canonical = right;
    } else {
      add({.op = Op::subtract,
           .left = at_most ? left_part.node : right_part.node,
           .right = at_most ? right_part.node : left_part.node,
           .column = relation_column});
      parsed.canonical = at_most ? left + "-(" + right + ")" : right + "-(" + left + ")";
    }
  }
  if (parsed.occurrences.empty())
    fail(0, "there is no measure in it, so there is nothing to bound; write, say, FPR <= 0.2");
}

[[noreturn]] void Builder::unexpected(std::size_t column, const std::string& wanted) const {
  const std::string_view rest = column < expression.size() ? expression.substr(column) : std::string_view();
  if (rest.empty()) fail(column, "the expression ends where " + wanted + " should stand");
  const auto starts = [&](std::string_view text) { return rest.substr(0, text.size()) == text; };
  const char c = rest[0];
  std::string problem;
  if ((starts("<=") || starts(">=")) && !relation.empty())
    problem = "a constraint has at most one comparison; give the second one a [[constraint]] of its own";
  else if (starts("<=") || starts(">="))
    problem =
        in_quotes(rest.substr(0, 2)) + " stands where " + wanted + " should; compare only once, at the top";
  else if (c == '<' || c == '>')
    problem = in_quotes(rest.substr(0, 1)) + " is not an operator here; write " + std::string(1, c) + "=";
  else if (c == '=')
    problem = "'=' is not an operator here; a constraint is written with <= or >=";
  else if (c == '+')
    problem = "a plus sign before a value is not in the language; leave it out";
  else if (c == '/')
    problem = "'//' is not an operator here; write / for a quotient";
  else if (c == '^')
    problem = "'^' is not an operator here; write ** for a power";
  else if (c == '|')
    problem = "a condition follows a measure's name directly, in parentheses; write, say, (PR | [M])";
  else if (std::string_view("%&~!@").find(c) != std::string_view::npos)
    problem = in_quotes(rest.substr(0, 1)) + " is not an operator here; known are + - * / ** <= >=";
  else
    problem = in_quotes(rest.substr(0, 1)) + " stands where " + wanted + " should";
  fail(column, problem);
}

// ---- The grammar
// ---------------------------------------------------------------------------------------------

namespace grammar {
using namespace tao::pegtl;

/// Counts how deep the recursion is, so that no input overflows the stack.
template <class Rule>
struct Nested {
  using rule_t = Nested;
  using subs_t = type_list<Rule>;

  template <apply_mode A, rewind_mode M, template <class...> class Action, template <class...> class Control,
            class Input>
  static bool match(Input& in, Builder& builder) {
    if (builder.nesting == max_nesting)
      builder.fail(in.position().byte, "the expression is nested more than " + std::to_string(max_nesting) +
                                           " deep; write it flatter");
    ++builder.nesting;
    const bool matched = Control<Rule>::template match<A, M, Action, Control>(in, builder);
    --builder.nesting;
    return matched;
  }
};

struct blanks : star<one<' ', '\t', '\r', '\n'>> {};
struct sum;
struct unary;

struct digits : plus<digit> {};
struct exponent : seq<one<'e', 'E'>, opt<one<'+', '-'>>, digits> {};
struct number : seq<sor<seq<digits, opt<one<'.'>>, star<digit>>, seq<one<'.'>, digits>>, opt<exponent>> {};

struct index : digits {};
struct close_index : one<']'> {};
struct next_index : if_must<one<','>, blanks, index, blanks> {};
struct indices : if_must<one<'['>, blanks, index, blanks, star<next_index>, close_index, blanks> {};

struct group : plus<ranges<'a', 'z', 'A', 'Z', '0', '9', '_', '_', '-', '-', '.'>> {};
struct open_groups : one<'['> {};
struct close_groups : one<']'> {};
struct next_group : if_must<one<','>, blanks, group, blanks> {};
struct condition
    : if_must<one<'|'>, blanks, open_groups, blanks, group, blanks, star<next_group>, close_groups, blanks> {
};

struct name : identifier {};
struct argument : seq<sum> {};
struct next_argument : if_must<one<','>, blanks, argument> {};
struct close_call : one<')'> {};
struct call : if_must<one<'('>, blanks, argument, star<next_argument>, close_call> {};
struct measure : seq<opt<indices>, opt<condition>> {};
struct named : seq<name, blanks, sor<call, measure>> {};

struct close_paren : one<')'> {};
struct paren : if_must<one<'('>, blanks, sum, close_paren> {};
struct atom : sor<number, paren, named> {};

struct power_sign : string<'*', '*'> {};
struct raised : if_must<power_sign, blanks, unary> {};
struct power : seq<atom, blanks, opt<raised>> {};
struct negated : if_must<one<'-'>, blanks, unary> {};
struct unary : Nested<sor<negated, power>> {};

struct times : if_must<one<'*'>, blanks, unary> {};
struct over : if_must<one<'/'>, blanks, unary> {};
struct product : seq<unary, star<sor<times, over>>> {};
struct plus_ : if_must<one<'+'>, blanks, product> {};
struct minus_ : if_must<one<'-'>, blanks, product> {};
struct sum : seq<product, star<sor<plus_, minus_>>> {};

struct relation_sign : sor<string<'<', '='>, string<'>', '='>> {};
struct related : if_must<relation_sign, blanks, sum> {};
struct relation : must<blanks, sum, opt<related>, eof> {};

template <class Rule>
inline constexpr const char* wanted = "a value (a number, a measure, a function or a parenthesis)";
template <>
inline constexpr const char* wanted<eof> = "an operator or the end";
template <>
inline constexpr const char* wanted<close_paren> = "an operator or ')'";
template <>
inline constexpr const char* wanted<close_call> = "an operator, ',' or ')'";
template <>
inline constexpr const char* wanted<index> = "an index (a whole number)";
template <>
inline constexpr const char* wanted<close_index> = "',' or ']' (an index is a whole number)";
template <>
inline constexpr const char* wanted<open_groups> = "'[' and the names of groups";
template <>
inline constexpr const char* wanted<group> = "the name of a group";
template <>
inline constexpr const char* wanted<close_groups> = "',' or ']'";

template <class Rule>
struct Control : normal<Rule> {
  template <class Input>
  [[noreturn]] static void raise(const Input& in, Builder& builder) {
    builder.unexpected(in.position().byte, wanted<Rule>);
  }
};

template <class Rule>
struct Action : nothing<Rule> {};

template <class Input>
std::size_t column(const Input& in) {
  return in.position().byte;
}

template <>
struct Action<number> {
  template <class Input>
  static void apply(const Input& in, Builder& builder) {
    builder.number(in.string_view(), column(in));
  }
};
template <>
struct Action<name> {
  template <class Input>
  static void apply(const Input& in, Builder& builder) {
    builder.names.push_back({in.string(), column(in), {}, {}, {}});
  }
};
template <>
struct Action<index> {
  template <class Input>
  static void apply(const Input& in, Builder& builder) {
    builder.index(in.string_view(), column(in));
  }
};
template <>
struct Action<group> {
  template <class Input>
  static void apply(const Input& in, Builder& builder) {
    builder.group(in.string_view(), column(in));
  }
};
template <>
struct Action<argument> {
  static void apply0(Builder& builder) {
    builder.parts.back().bare_condition = false;
    builder.names.back().arguments.push_back(builder.parts.back().begin);
  }
};
template <>
struct Action<call> {
  static void apply0(Builder& builder) { builder.call(); }
};
template <>
struct Action<measure> {
  static void apply0(Builder& builder) { builder.measure(); }
};
template <>
struct Action<paren> {
  template <class Input>
  static void apply(const Input& in, Builder& builder) {
    builder.parts.back().bare_condition = false;
    builder.parts.back().begin = column(in);
  }
};

/// The operator's column is where its rule starts.
template <Op op>
struct BinaryAction {
  template <class Input>
  static void apply(const Input& in, Builder& builder) {
    builder.binary(op, column(in));
  }
};
template <>
struct Action<raised> : BinaryAction<Op::power> {};
template <>
struct Action<times> : BinaryAction<Op::multiply> {};
template <>
struct Action<over> : BinaryAction<Op::divide> {};
template <>
struct Action<plus_> : BinaryAction<Op::add> {};
template <>
struct Action<minus_> : BinaryAction<Op::subtract> {};
template <>
struct Action<negated> {
  template <class Input>
  static void apply(const Input& in, Builder& builder) {
    builder.negate(column(in));
  }
};
template <>
struct Action<relation_sign> {
  template <class Input>
  static void apply(const Input& in, Builder& builder) {
    builder.relate(column(in), in.string_view());
  }
};

}  // namespace grammar
}  // namespace

ParseError::ParseError(std::string_view expression, std::size_t column, const std::string& problem,
                       const Location& where)
    : InputError((where.file.empty() ? std::string() : where.str() + ": ") +
                 "the constraint's expression, column " + std::to_string(column + 1) + ": " + problem + "\n" +
                 show_place(expression, column)),
      column_(column) {}

ParsedExpression parse_expression(std::string_view expression, const ConstraintOptions& options) {
  Builder builder{.expression = expression, .options = options};
  if (expression.size() > max_expression_length)
    builder.fail(0, "the expression is " + std::to_string(expression.size()) + " bytes long, and at most " +
                        std::to_string(max_expression_length) +
                        " are read; split it into several constraints");
  tao::pegtl::memory_input in(expression.data(), expression.size(), "expression");
  tao::pegtl::parse<grammar::relation, grammar::Action, grammar::Control>(in, builder);
  builder.finish();
  return std::move(builder.parsed);
}

}  // namespace seldon::engine

// The categories about the constraint language: interval, tree, parse_error.

#include <algorithm>
#include <map>

#include "engine/constraint/tree.h"
#include "programs/conformance/check.h"

namespace seldon::conformance {
namespace {

engine::Interval interval(const Json& pair) {
  return {number(pair[0]), number(pair[1])};
}

engine::Interval apply(const std::string& op, engine::Interval a, engine::Interval b, bool even_powers) {
  using Binary = engine::Interval (*)(engine::Interval, engine::Interval);
  using Unary = engine::Interval (*)(engine::Interval);
  static const std::map<std::string, Binary> binary = {{"add", engine::add},       {"sub", engine::subtract},
                                                       {"mult", engine::multiply}, {"div", engine::divide},
                                                       {"min", engine::minimum},   {"max", engine::maximum}};
  static const std::map<std::string, Unary> unary = {
      {"abs", engine::absolute}, {"exp", engine::exponential}, {"log", engine::logarithm}};
  if (op == "pow") return engine::power(a, b, even_powers);
  if (binary.contains(op)) return binary.at(op)(a, b);
  if (unary.contains(op)) return unary.at(op)(a);
  throw InputError("'" + op + "' is not an operation that is known here");
}

void check_bases(const Json& wanted, const engine::Constraint& constraint, Check& check) {
  for (const auto& [name, fields] : wanted.items()) {
    const auto& bases = constraint.base_nodes();
    const auto base = std::find_if(bases.begin(), bases.end(),
                                   [&, &key = name](const engine::BaseNode& b) { return b.name == key; });
    if (base == bases.end()) {
      check.differ("base node", name, "none of that name");
      continue;
    }
    const auto side = [&, &f = fields, &key = name](const std::string& end, bool needed, double delta,
                                                    double inflation) {
      check.equal(key + " " + end + " needed", f.at(end + "_needed").get<bool>(), needed);
      if (!f.at("delta_" + end).is_null()) check.near(key + " delta_" + end, f["delta_" + end], delta);
      if (!f.at("infl_" + end).is_null()) check.near(key + " infl_" + end, f["infl_" + end], inflation);
    };
    side("lower", base->needs_lower, base->delta_lower, base->inflation_lower);
    side("upper", base->needs_upper, base->delta_upper, base->inflation_upper);
  }
}

}  // namespace

void check_interval(const Json& c, const Setting& setting, Check& check) {
  const Json& inputs = c.at("inputs");
  const Json& expected = c.at("expected");
  const bool even_powers = setting.variant == engine::Variant::default_;
  try {
    const engine::Interval got =
        apply(inputs.at("op"), interval(inputs.at("a")),
              inputs.contains("b") ? interval(inputs["b"]) : engine::Interval{}, even_powers);
    if (expected.contains("error")) {
      check.differ("result", "an error (" + expected["error"].get<std::string>() + ")",
                   text_of(got.lower) + " to " + text_of(got.upper));
      return;
    }
    check.near("lower", expected.at("lower"), got.lower);
    check.near("upper", expected.at("upper"), got.upper);
  } catch (const engine::IntervalError& error) {
    if (!expected.contains("error"))
      check.differ("result", expected.dump(), std::string("an error: ") + error.what());
  }
}

void check_tree(const Json& c, const Setting& setting, Check& check) {
  const Json& expected = c.at("expected");
  const auto constraint = engine::Constraint::parse(c.at("constraint").get<std::string>(),
                                                    constraint_options(c.at("inputs"), setting.variant));
  const engine::BaseNode& first = constraint.base_nodes().front();
  const std::map<std::string, Json> got = {
      {"n_nodes", constraint.node_count()},
      {"n_base_nodes", constraint.base_node_occurrences()},
      {"n_unique_base_nodes", constraint.base_nodes().size()},
      {"n_unique_bounds", constraint.bound_count()},
      {"canonical_string", constraint.canonical()},
      {"root_op", constraint.root_operator()},
      {"node_name", first.name},
      {"measure_function", first.measure->name},
      {"class_index", first.index.first},
      {"cm_true_index", first.index.first},
      {"cm_pred_index", first.index.second},
      {"alt_reward_number", first.index.first},
  };
  for (const auto& [key, wanted] : expected.items()) {
    if (key == "base_nodes")
      check_bases(wanted, constraint, check);
    else if (!got.contains(key))
      check.differ(key, wanted.dump(), "nothing of that name");
    else if (got.at(key) != wanted)
      check.differ(key, wanted.dump(), got.at(key).dump());
  }
}

/// Refused with a caret under the place, or, for a bad number beside the expression, with that number named.
void check_parse_error(const Json& c, const Setting& setting, Check& check) {
  const auto expression = c.at("constraint").get<std::string>();
  const engine::ConstraintOptions options = constraint_options(c.at("inputs"), setting.variant);
  try {
    engine::Constraint::parse(expression, options);
    check.differ("expression", "to be refused", "a tree");
  } catch (const engine::ParseError& error) {
    const std::string message = error.what();
    const std::size_t last_line = message.rfind('\n') + 1;
    const bool caret =
        message.ends_with('^') && message.find_first_not_of(' ', last_line) == message.size() - 1;
    if (!caret || error.column() > expression.size())
      check.differ("message", "one that points at the place", message);
  } catch (const InputError& error) {
    std::vector<double> values = options.delta_weights;
    values.insert(values.end(), options.inflation.begin(), options.inflation.end());
    values.push_back(options.delta);
    const std::string message = error.what();
    const bool named = std::any_of(values.begin(), values.end(), [&](double value) {
      return message.find(Json(value).dump()) != std::string::npos ||
             message.find(std::to_string(static_cast<long>(value))) != std::string::npos;
    });
    if (!named) check.differ("message", "one that names the bad value", message);
  }
}

}  // namespace seldon::conformance

#include "programs/conformance/check.h"

#include <cmath>
#include <limits>
#include <sstream>

namespace seldon::conformance {

double number(const Json& value) {
  if (value.is_number()) return value.get<double>();
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  throw InputError("'" + text + "' stands where a number should");
}

std::vector<double> numbers(const Json& list) {
  std::vector<double> result;
  for (const Json& value : list) result.push_back(number(value));
  return result;
}

std::string text_of(double value) {
  std::ostringstream out;
  out.precision(17);
  out << value;
  return out.str();
}

void Check::differ(const std::string& what, const std::string& wanted, const std::string& got) {
  differences_.push_back(what + " wanted " + wanted + ", got " + got);
}

void Check::within(const std::string& what, double wanted, double got, double tolerance) {
  const bool same = wanted == got || (std::isnan(wanted) && std::isnan(got));
  if (!same && !(std::abs(wanted - got) <= tolerance)) differ(what, text_of(wanted), text_of(got));
}

void Check::near(const std::string& what, double wanted, double got) {
  within(what, wanted, got, std::isfinite(wanted) ? rtol_ * std::abs(wanted) + least_ : 0.0);
}

void Check::all_near(const std::string& what, const Json& wanted, const std::vector<double>& got) {
  equal(what + ".size", wanted.size(), got.size());
  for (std::size_t i = 0; i < wanted.size() && i < got.size(); ++i)
    near(what + "[" + std::to_string(i) + "]", wanted[i], got[i]);
}

Regime regime_of(const Json& inputs) {
  if (inputs.value("regime", "") == "reinforcement_learning") return Regime::reinforcement_learning;
  const std::string name = inputs.value("sub_regime", "classification");
  if (name == "classification" || name == "binary_classification") return Regime::classification;
  if (name == "regression") return Regime::regression;
  if (name == "multiclass_classification") return Regime::multiclass_classification;
  if (name == "all") return Regime::reinforcement_learning;
  throw InputError("'" + name + "' is not a sub_regime that is known here");
}

engine::ConstraintOptions constraint_options(const Json& inputs, engine::Variant variant) {
  engine::ConstraintOptions options;
  options.variant = variant;
  options.regime = regime_of(inputs);
  if (inputs.contains("columns")) options.groups = inputs["columns"].get<std::vector<std::string>>();
  if (inputs.contains("delta")) options.delta = number(inputs["delta"]);
  if (inputs.contains("delta_vector")) options.delta_weights = numbers(inputs["delta_vector"]);
  for (const char* key : {"infl_factors", "infl"})
    if (inputs.contains(key))
      options.inflation = inputs[key].is_array() ? numbers(inputs[key]) : std::vector{number(inputs[key])};
  options.inflation_per_bound = inputs.value("infl_factor_method", "") == "manual";
  return options;
}

}  // namespace seldon::conformance

#include "programs/conformance/linear.h"

#include <algorithm>

#include "engine/model/fit.h"
#include "engine/objective/link.h"

namespace seldon::conformance {
namespace {

double zero_objective(std::span<const double>, std::span<const double>, std::size_t, std::span<const double>,
                      std::span<double> d_predictors) {
  std::fill(d_predictors.begin(), d_predictors.end(), 0.0);
  return 0;
}

}  // namespace

void FixedModel::predictors(std::span<const std::uint32_t> rows, std::span<double> out) const {
  if (theta_.size() != table_.width + 1)
    throw InputError("theta has " + std::to_string(theta_.size()) + " values, but " + table_.name + " has " +
                     std::to_string(table_.width) + " features and an intercept");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double* x = table_.features.data() + rows[i] * table_.width;
    double sum = theta_[0];
    for (std::size_t j = 0; j < table_.width; ++j) sum += x[j] * theta_[j + 1];
    out[i] = sum;
  }
}

void FixedModel::scores(std::span<const std::uint32_t> rows, std::span<double> out) {
  predictors(rows, out);
  if (!linear_) engine::apply_link(table_.regime, 1, out, out);
}

std::vector<double> theta_of(const Json& inputs, const Table& table, const engine::Rows& rows) {
  const Json& theta = inputs.at("theta");
  if (theta.is_array()) return numbers(theta);
  const auto text = theta.get<std::string>();
  if (text.starts_with("zeros")) return std::vector<double>(table.width + 1, 0.0);
  if (text != "OLS") throw InputError("theta '" + text + "' is not known here");
  engine::PanelMatrix x(rows.size(), table.width);
  std::vector<double> labels;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < table.width; ++j) x.at(i, j) = table.features[rows[i] * table.width + j];
    labels.push_back(table.labels[rows[i]]);
  }
  return engine::fit_least_squares(x, labels);
}

FixedModel model_of(const Json& inputs, const Table& table, const engine::Rows& rows) {
  const bool linear = inputs.value("model", "").starts_with("LINEAR") || table.regime == Regime::regression;
  return {table, theta_of(inputs, table, rows), linear};
}

OneConstraint::OneConstraint(const Json& c, const Table& table, engine::Variant variant)
    : data(table.dataset()) {
  objective = {"none", {table.regime}, zero_objective};
  engine::ConstraintOptions options = constraint_options(c.at("inputs"), variant);
  options.regime = table.regime;
  options.groups = table.group_names();
  problem.data = &data;
  problem.objective = &objective;
  problem.constraints.push_back(
      {.name = "g", .tree = engine::Constraint::parse(c.at("constraint").get<std::string>(), options)});
}

}  // namespace seldon::conformance

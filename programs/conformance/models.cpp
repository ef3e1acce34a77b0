// The categories about models, measures and objectives on small data: measure, model, primary.

#include <algorithm>
#include <numeric>

#include "engine/model/fit.h"
#include "engine/objective/link.h"
#include "programs/conformance/linear.h"

namespace seldon::conformance {
namespace {

/// Rows of features, and a linear model with one column of parameters per output.
struct SmallModel {
  std::size_t rows, width, columns;
  std::vector<double> features, theta;  ///< theta: (1 + width) x columns, intercepts first

  explicit SmallModel(const Json& inputs) {
    const Json& x = inputs.at("X");
    const Json& parameters = inputs.at("theta");
    rows = x.size();
    width = x.at(0).size();
    columns = parameters.at(0).is_array() ? parameters[0].size() : 1;
    for (const Json& row : x)
      for (double value : numbers(row)) features.push_back(value);
    for (const Json& row : parameters)
      for (double value : row.is_array() ? numbers(row) : std::vector{number(row)}) theta.push_back(value);
    if (theta.size() != (1 + width) * columns)
      throw InputError("theta does not fit " + std::to_string(width) + " features");
  }

  std::vector<double> predictors() const {
    std::vector<double> out(rows * columns);
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t k = 0; k < columns; ++k) {
        out[i * columns + k] = theta[k];
        for (std::size_t j = 0; j < width; ++j)
          out[i * columns + k] += features[i * width + j] * theta[(j + 1) * columns + k];
      }
    return out;
  }

  /// One column: the prediction, unless the case calls the model logistic; several: a softmax.
  Regime regime(const Json& inputs) const {
    if (columns > 1) return Regime::multiclass_classification;
    return inputs.value("model", "") == "logistic" ? Regime::classification : Regime::regression;
  }

  std::vector<double> scores(Regime regime) const {
    std::vector<double> out = predictors();
    engine::apply_link(regime, columns, out, out);
    return out;
  }
};

/// z of a measure over the rows that it selects.
std::vector<double> values_of(const std::string& name, Regime regime, const std::vector<double>& scores,
                              std::size_t columns, const std::vector<double>& labels,
                              engine::MeasureIndex index) {
  const engine::Measure* measure = engine::MeasureRegistry::instance().find(name, regime);
  if (!measure) throw InputError("'" + name + "' is not a measure that is known here");
  std::vector<double> kept, kept_labels;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (measure->selects && !measure->selects(labels[i], index)) continue;
    kept_labels.push_back(labels[i]);
    for (std::size_t k = 0; k < columns; ++k) kept.push_back(scores[i * columns + k]);
  }
  std::vector<double> z(kept_labels.size());
  measure->values(kept, columns, kept_labels, index, z, {});
  return z;
}

double mean(const std::vector<double>& z) {
  return std::accumulate(z.begin(), z.end(), 0.0) / static_cast<double>(z.size());
}

}  // namespace

void check_measure(const Json& c, const Setting&, Check& check) {
  const Json& inputs = c.at("inputs");
  const SmallModel model(inputs);
  const Regime regime = model.columns > 1 ? Regime::multiclass_classification : Regime::classification;
  const std::vector<double> scores = model.scores(regime), labels = numbers(inputs.at("Y"));
  const auto values = [&](const std::string& name, engine::MeasureIndex index) {
    return values_of(name, regime, scores, model.columns, labels, index);
  };
  for (const auto& [key, wanted] : c.at("expected").items()) {
    if (key == "error_rate") {
      check.near(key, wanted, 1 - mean(values("ACC", {})));
    } else if (key == "ACC_vector") {
      check.all_near(key, wanted, values("ACC", {}));
    } else if (key == "CM") {
      for (int i = 0; i < static_cast<int>(wanted.size()); ++i)
        for (int j = 0; j < static_cast<int>(wanted[static_cast<std::size_t>(i)].size()); ++j)
          check.near("CM_[" + std::to_string(i) + "," + std::to_string(j) + "]",
                     wanted[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)],
                     mean(values("CM", {i, j})));
    } else {
      check.near(key, wanted, mean(values(key, {inputs.value("class_index", -1), -1})));
    }
  }
}

void check_model(const Json& c, const Setting&, Check& check) {
  const Json& inputs = c.at("inputs");
  const SmallModel model(inputs);
  for (const auto& [key, wanted] : c.at("expected").items()) {
    if (key == "predict") {
      Json flat = Json::array();
      for (const Json& row : wanted)
        for (double value : row.is_array() ? numbers(row) : std::vector{number(row)}) flat.push_back(value);
      check.all_near(key, flat, model.scores(model.regime(inputs)));
    } else if (key == "ols_min_norm_fit") {
      engine::PanelMatrix x(model.rows, model.width);
      for (std::size_t i = 0; i < model.rows; ++i)
        for (std::size_t j = 0; j < model.width; ++j) x.at(i, j) = model.features[i * model.width + j];
      check.all_near(key, wanted, engine::fit_least_squares(x, numbers(inputs.at("Y"))));
    } else {
      check.differ(key, wanted.dump(), "nothing of that name");
    }
  }
}

void check_primary(const Json& c, const Setting& setting, Check& check) {
  const Json& inputs = c.at("inputs");
  const auto reference = inputs.at("data").get<std::string>();
  const Table& table = setting.data.table(reference);
  const DataReference named = setting.data.resolve(reference);
  const engine::Rows& rows = !named.rows.empty()        ? named.rows
                             : !named.candidate.empty() ? named.candidate
                                                        : named.safety;

  const auto name = inputs.value("objective", "MSE");
  const engine::Objective* objective = engine::ObjectiveRegistry::instance().find(
      name == "MSE" || name == "Mean_Squared_Error" ? "mean_squared_error"
      : name == "Mean_Error"                        ? "mean_error"
                                                    : "log_loss");
  FixedModel model = model_of(inputs, table, rows);
  std::vector<double> predictors(rows.size()), scores(rows.size()), labels, d(rows.size());
  model.predictors(rows, predictors);
  model.scores(rows, scores);
  for (std::uint32_t row : rows) labels.push_back(table.labels[row]);
  const double got = objective->value(predictors, scores, 1, labels, d);

  const Json& expected = c.at("expected");
  if (expected.is_number()) return check.near("objective", expected, got);
  for (const auto& [key, wanted] : expected.items()) {
    if (key == "ols_theta")
      check.all_near(key, wanted, theta_of(inputs, table, rows));
    else
      check.near(key, wanted, got);
  }
}

}  // namespace seldon::conformance

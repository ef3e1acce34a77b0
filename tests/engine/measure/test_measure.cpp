#include <cmath>

#include <gtest/gtest.h>

#include "core/error.h"
#include "engine/measure/measure.h"

namespace seldon::engine {
namespace {

const Measure& measure(const char* name, Regime regime) {
  const Measure* found = MeasureRegistry::instance().find(name, regime);
  if (!found) throw InternalError(std::string("no measure ") + name);
  return *found;
}

/// The mean of z over the rows that the measure selects.
double mean_of(const Measure& m, const std::vector<double>& scores, std::size_t columns,
               const std::vector<double>& labels, MeasureIndex index = {}) {
  std::vector<double> kept_scores, kept_labels;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    if (m.selects && !m.selects(labels[row], index)) continue;
    kept_labels.push_back(labels[row]);
    for (std::size_t k = 0; k < columns; ++k) kept_scores.push_back(scores[row * columns + k]);
  }
  std::vector<double> z(kept_labels.size());
  m.values(kept_scores, columns, kept_labels, index, z, {});
  double sum = 0;
  for (double value : z) sum += value;
  return sum / static_cast<double>(z.size());
}

TEST(Measure, BinaryRates) {
  const std::vector<double> p = {0.1, 0.9, 0.6, 0.3}, y = {0, 1, 0, 1};
  const auto rate = [&](const char* name) { return mean_of(measure(name, Regime::classification), p, 1, y); };
  EXPECT_DOUBLE_EQ(rate("PR"), 1.9 / 4);
  EXPECT_DOUBLE_EQ(rate("NR"), 1 - 1.9 / 4);
  EXPECT_DOUBLE_EQ(rate("FPR"), 0.35);
  EXPECT_DOUBLE_EQ(rate("TNR"), 0.65);
  EXPECT_DOUBLE_EQ(rate("TPR"), 0.6);
  EXPECT_DOUBLE_EQ(rate("FNR"), 0.4);
  EXPECT_DOUBLE_EQ(rate("ACC"), (0.9 + 0.9 + 0.4 + 0.3) / 4);
}

TEST(Measure, RegressionErrors) {
  const std::vector<double> prediction = {1, 2, 4}, y = {1.5, 2, 2};
  EXPECT_DOUBLE_EQ(mean_of(measure("Mean_Error", Regime::regression), prediction, 1, y), 0.5);
  EXPECT_DOUBLE_EQ(mean_of(measure("Mean_Squared_Error", Regime::regression), prediction, 1, y), 4.25 / 3);
}

TEST(Measure, MulticlassRatesUseTheirClass) {
  const std::vector<double> p = {0.7, 0.2, 0.1, 0.1, 0.3, 0.6, 0.25, 0.5, 0.25};
  const std::vector<double> y = {0, 1, 1};
  const auto rate = [&](const char* name, MeasureIndex index) {
    return mean_of(measure(name, Regime::multiclass_classification), p, 3, y, index);
  };
  EXPECT_DOUBLE_EQ(rate("PR", {1}), 1.0 / 3);
  EXPECT_DOUBLE_EQ(rate("NR", {2}), 1 - 0.95 / 3);
  EXPECT_DOUBLE_EQ(rate("TPR", {1}), 0.4);
  EXPECT_DOUBLE_EQ(rate("FNR", {1}), 0.6);
  EXPECT_DOUBLE_EQ(rate("FPR", {1}), 0.2);
  EXPECT_DOUBLE_EQ(rate("TNR", {1}), 0.8);
  EXPECT_DOUBLE_EQ(rate("CM", {1, 2}), 0.425);
  EXPECT_DOUBLE_EQ(rate("ACC", {}), 0.5);
  EXPECT_THROW(rate("PR", {3}), InputError);
  EXPECT_THROW(rate("CM", {1, 3}), InputError);
}

TEST(Measure, DerivativesAgreeWithDifferences) {
  const std::vector<double> labels = {0, 1, 1, 2};
  for (Regime regime : {Regime::classification, Regime::regression, Regime::multiclass_classification}) {
    const std::size_t columns = regime == Regime::multiclass_classification ? 3 : 1;
    for (const std::string& name : MeasureRegistry::instance().names(regime)) {
      SCOPED_TRACE(name);
      const Measure& m = measure(name.c_str(), regime);
      const MeasureIndex index = {1, 2};
      std::vector<double> scores(labels.size() * columns), z(labels.size()), moved(labels.size()),
          dz(scores.size());
      for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = 0.1 + 0.07 * static_cast<double>(i);
      m.values(scores, columns, labels, index, z, dz);
      for (std::size_t i = 0; i < scores.size(); ++i) {
        const double h = 1e-6;
        scores[i] += h;
        m.values(scores, columns, labels, index, moved, {});
        scores[i] -= h;
        for (std::size_t row = 0; row < labels.size(); ++row)
          EXPECT_NEAR((moved[row] - z[row]) / h, row == i / columns ? dz[i] : 0.0, 1e-5);
      }
    }
  }
}

TEST(Measure, RegistryRefusesASecondOfTheSameName) {
  MeasureRegistry& registry = MeasureRegistry::instance();
  EXPECT_THROW(registry.add({"PR", Regime::classification, IndexKind::none, true, nullptr, nullptr}),
               InternalError);
  EXPECT_EQ(registry.find("PR", Regime::regression), nullptr);
}

TEST(Measure, PointersSurviveLaterRegistrations) {
  MeasureRegistry& registry = MeasureRegistry::instance();
  const Measure* before = registry.find("PR", Regime::classification);
  for (int i = 0; i < 100; ++i)
    registry.add({"Test_" + std::to_string(i), Regime::regression, IndexKind::none, false, nullptr,
                  measure("Mean_Error", Regime::regression).values});
  EXPECT_EQ(registry.find("PR", Regime::classification), before);
}

}  // namespace
}  // namespace seldon::engine

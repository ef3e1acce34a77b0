#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "engine/baseline/baseline.h"
#include "engine/evaluation.h"
#include "toy.h"

namespace seldon::engine {
namespace {

using toy::Fixed;
using toy::Table;

std::vector<double> some_scores(std::size_t n) {
  std::vector<double> scores(n);
  for (std::size_t i = 0; i < n; ++i) scores[i] = Stream(Purpose::synthetic_data, 9).uniform(i);
  return scores;
}

EvaluationOptions all_measures() {
  EvaluationOptions options;
  for (const char* name : {"log_loss", "accuracy", "probabilistic_accuracy"})
    options.performance.push_back(PerformanceRegistry::instance().find(name));
  return options;
}

TEST(Evaluate, SumsGiveEveryRateBack) {
  const Table table(500, 1, 0.5);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(toy::constraint("(TPR | [M]) - (TPR | [F])"));
  const std::vector<double> p = some_scores(500);
  Fixed model(p);
  const TruthResult result = evaluate(problem, {"original", table.every_row()}, model, all_measures());

  // By hand, from the definitions.
  double correct = 0, right_probability = 0, loss = 0;
  std::map<bool, double> soft, hard, positives;  // by "is a man"
  for (std::size_t i = 0; i < 500; ++i) {
    const bool one = table.labels[i] > 0.5, says_one = p[i] >= 0.5;
    correct += one == says_one;
    right_probability += one ? p[i] : 1 - p[i];
    loss -= std::log(one ? p[i] : 1 - p[i]);
    if (!one) continue;
    soft[table.men[i]] += p[i];
    hard[table.men[i]] += says_one;
    positives[table.men[i]] += 1;
  }
  EXPECT_NEAR(result.performance[0], loss / 500, 1e-12);
  EXPECT_NEAR(result.performance[1], correct / 500, 1e-15);
  EXPECT_NEAR(result.performance[2], right_probability / 500, 1e-12);
  EXPECT_NEAR(result.g[0][0], soft[true] / positives[true] - soft[false] / positives[false], 1e-12);
  EXPECT_NEAR(result.g[0][1], hard[true] / positives[true] - hard[false] / positives[false], 1e-12);

  const SubgroupSums &all = result.subgroups[0], &men = result.subgroups[1], &women = result.subgroups[2];
  EXPECT_NEAR((all.hard_counts[0] + all.hard_counts[3]) / 500, result.performance[1], 1e-15);
  EXPECT_NEAR((all.soft_sums[0] + all.soft_sums[3]) / 500, result.performance[2], 1e-12);
  EXPECT_NEAR(all.log_loss[0] / 500, result.performance[0], 1e-12);
  EXPECT_NEAR(men.hard_counts[3], hard[true], 0);
  EXPECT_NEAR(women.soft_sums[3], soft[false], 1e-12);
  for (std::size_t k = 0; k < 4; ++k) {
    EXPECT_EQ(men.hard_counts[k] + women.hard_counts[k], all.hard_counts[k]);
    EXPECT_NEAR(men.soft_squares[k] + women.soft_squares[k], all.soft_squares[k], 1e-10);
  }
  double in_bins = 0, sum_of_scores = 0;
  for (std::size_t k = 0; k < all.histogram.size(); k += 2) {
    in_bins += all.histogram[k];
    sum_of_scores += all.histogram[k + 1];
  }
  EXPECT_EQ(in_bins, 500);
  EXPECT_NEAR(sum_of_scores, all.soft_sums[1] + all.soft_sums[3], 1e-10);
}

TEST(Evaluate, RegressionSums) {
  const Table table(50, 1, 0.5, Regime::regression);
  Problem problem = toy::problem(table, "mean_squared_error");
  problem.constraints.push_back(toy::constraint("Mean_Squared_Error <= 2", 0.05, false, Regime::regression));
  Fixed model(std::vector<double>(50, 0.25));
  EvaluationOptions options;
  options.performance = {PerformanceRegistry::instance().find("mean_squared_error")};
  const TruthResult result = evaluate(problem, {"original", table.every_row()}, model, options);
  double mse = 0;
  for (double y : table.labels) mse += (0.25 - y) * (0.25 - y) / 50;
  EXPECT_NEAR(result.performance[0], mse, 1e-12);
  ASSERT_EQ(result.g[0].size(), 1U) << "regression has one rule";
  EXPECT_NEAR(result.g[0][0], mse - 2, 1e-12);
  EXPECT_EQ(result.subgroups[0].residuals[0], 50);
  EXPECT_NEAR(result.subgroups[0].residuals[5] / 50, mse, 1e-12);
}

TEST(RandomClassifier, DrawsLabelsOncePerRowAndTrial) {
  const Table table(2000, 1, 0.0);
  BaselineRequest request;
  request.data = &table.data;
  request.options = {{"probability", 0.3}};
  request.trial = 4;
  const BaselineKind* kind = BaselineRegistry::instance().find("weighted_random");
  const auto decide_all = [&](std::uint32_t trial) {
    request.trial = trial;
    const auto model = kind->fit(request);
    const Rows rows = table.every_row();
    std::vector<double> p(rows.size()), labels(rows.size());
    model->scores(rows, p);
    model->decisions(Regime::classification, rows, p, labels);
    for (double value : p) EXPECT_EQ(value, 0.3);
    return labels;
  };
  const auto first = decide_all(4);
  EXPECT_EQ(first, decide_all(4));
  EXPECT_NE(first, decide_all(5));
  EXPECT_NEAR(std::accumulate(first.begin(), first.end(), 0.0) / 2000, 0.3, 0.04);  // four standard errors
  request.options = {{"probability", 1.5}};
  EXPECT_THROW(kind->fit(request), InputError);
}

}  // namespace
}  // namespace seldon::engine

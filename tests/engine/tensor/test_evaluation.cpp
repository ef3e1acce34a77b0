#include <cmath>
#include <limits>
#include <numeric>

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "core/random.h"
#include "engine/evaluation.h"
#include "engine/tensor/evaluation.h"

namespace seldon::engine::tensor {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

/// A model that says the given scores, a row of the table each.
class Given final : public Predictor {
 public:
  Given(std::span<const double> scores, std::size_t columns) : scores_(scores), columns_(columns) {}
  std::size_t columns() const override { return columns_; }
  void scores(std::span<const std::uint32_t> rows, std::span<double> out) override {
    for (std::size_t i = 0; i < rows.size(); ++i)
      std::ranges::copy(scores_.subspan(rows[i] * columns_, columns_),
                        out.begin() + static_cast<std::ptrdiff_t>(i * columns_));
  }

 private:
  std::span<const double> scores_;
  std::size_t columns_;
};

/// Rows with labels, two groups that cover them, one without a row and one of two rows; scores of T trials.
struct World {
  Regime regime;
  std::size_t rows, classes, columns, trials;
  std::vector<double> labels, scores;  ///< scores [trial][row of the table][column]
  std::vector<std::uint8_t> all, even, odd, none, two;
  Dataset data;
  Problem problem;
  Truth truth;
  EvaluationOptions options;

  World(Regime of, std::size_t n, std::size_t k, std::size_t t)
      : regime(of),
        rows(n),
        classes(k),
        columns(of == Regime::multiclass_classification ? k : 1),
        trials(t),
        all(n, 1),
        even(n),
        odd(n),
        none(n),
        two(n) {
    const Stream draws(Purpose::synthetic_data, 3);
    for (std::size_t i = 0; i < n; ++i) {
      labels.push_back(of == Regime::regression ? draws.normal(i)
                                                : std::floor(draws.uniform(i) * static_cast<double>(k)));
      even[i] = i % 2 == 0;
      odd[i] = i % 2 == 1;
      two[i] = i == 3 || i == 4;
    }
    for (std::size_t trial = 0; trial < t; ++trial)
      for (std::size_t i = 0; i < n; ++i) draw_row(Stream(Purpose::synthetic_data, 4, {trial}), i);
    data.regime = regime;
    data.rows = n;
    data.labels = labels;
    data.subgroups = {{"all", all}, {"even", even}, {"none", none}, {"odd", odd}, {"two", two}};
    problem.data = &data;
    truth.name = "original";
    // Not all rows, not in order, one of them twice.
    for (std::size_t i = n; i-- > 0;)
      if (i % 7 != 5) truth.rows.push_back(static_cast<std::uint32_t>(i));
    truth.rows.push_back(3);
    options.classes = k;
    for (const std::string& name : PerformanceRegistry::instance().names(of))
      options.performance.push_back(PerformanceRegistry::instance().find(name));
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  std::span<const double> scores_of(std::size_t trial) const {
    return std::span(scores).subspan(trial * rows * columns, rows * columns);
  }
  double* score(std::size_t trial, std::size_t row) { return &scores[(trial * rows + row) * columns]; }
  void poison(std::size_t trial, std::size_t row, double value) {
    std::fill_n(score(trial, row), columns, value);
  }

  /// [T, n, columns] over the truth's rows.
  at::Tensor scores_of_truth() const {
    std::vector<double> values;
    for (std::size_t t = 0; t < trials; ++t)
      for (std::uint32_t row : truth.rows)
        for (std::size_t k = 0; k < columns; ++k) values.push_back(scores_of(t)[row * columns + k]);
    const auto size = [](std::size_t s) { return static_cast<std::int64_t>(s); };
    return at::from_blob(values.data(), {size(trials), size(truth.rows.size()), size(columns)}, at::kDouble)
        .clone();
  }
  at::Tensor truth_rows() const {
    std::vector<std::int64_t> values(truth.rows.begin(), truth.rows.end());
    return at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, at::kLong).clone();
  }

 private:
  void draw_row(const Stream& draws, std::size_t row) {
    double sum = 0;
    for (std::size_t k = 0; k < columns; ++k) {
      const std::uint64_t at = row * columns + k;
      scores.push_back(regime == Regime::regression ? draws.normal(at) : draws.uniform(at));
      sum += scores.back();
    }
    if (columns == 1) return;
    for (std::size_t k = 0; k < columns; ++k) scores[scores.size() - 1 - k] /= sum;
  }
};

::testing::AssertionResult near(std::span<const double> ours, std::span<const double> host) {
  if (ours.size() != host.size())
    return ::testing::AssertionFailure() << ours.size() << " values instead of " << host.size();
  for (std::size_t i = 0; i < host.size(); ++i) {
    if (std::isnan(ours[i]) && std::isnan(host[i])) continue;
    if (ours[i] == host[i]) continue;
    if (std::fabs(ours[i] - host[i]) <= 1e-12 * std::max(1.0, std::fabs(host[i]))) continue;
    return ::testing::AssertionFailure() << "value " << i << " is " << ours[i] << ", the host's " << host[i];
  }
  return ::testing::AssertionSuccess();
}

void expect_near(const SubgroupSums& ours, const SubgroupSums& host) {
  EXPECT_TRUE(near(ours.hard_counts, host.hard_counts));
  EXPECT_TRUE(near(ours.soft_sums, host.soft_sums));
  EXPECT_TRUE(near(ours.soft_squares, host.soft_squares));
  EXPECT_TRUE(near(ours.log_loss, host.log_loss));
  EXPECT_TRUE(near(ours.residuals, host.residuals));
  EXPECT_TRUE(near(ours.histogram, host.histogram));
}

void compare_with_host(World& world) {
  const auto table = table_on(world.data, at::Device(at::kCPU));
  const auto sums =
      subgroup_sums(world.regime, *table, world.truth_rows(), world.scores_of_truth(), world.options);
  ASSERT_EQ(sums.size(), world.trials);
  for (std::size_t t = 0; t < world.trials; ++t) {
    Given model(world.scores_of(t), world.columns);
    const TruthResult host = evaluate(world.problem, world.truth, model, world.options);
    ASSERT_EQ(sums[t].size(), host.subgroups.size());
    for (std::size_t s = 0; s < host.subgroups.size(); ++s) {
      SCOPED_TRACE("trial " + std::to_string(t) + ", subgroup " + world.data.subgroups[s].name);
      expect_near(sums[t][s], host.subgroups[s]);
    }
  }
}

TEST(TensorEvaluation, BinarySums) {
  World world(Regime::classification, 500, 2, 3);
  compare_with_host(world);
  world.options.histograms = false;
  compare_with_host(world);
}

TEST(TensorEvaluation, SumsOfFourClasses) {
  World world(Regime::multiclass_classification, 500, 4, 3);
  for (std::size_t k = 0; k < 4; ++k) world.score(1, 11)[k] = 0.25;  // the lowest of equals is decided
  compare_with_host(world);
}

TEST(TensorEvaluation, RegressionSums) {
  World world(Regime::regression, 500, 0, 3);
  compare_with_host(world);
}

// A NaN belongs to its own row: the sums of its subgroups and true class are NaN, all others are not.
TEST(TensorEvaluation, NotANumberStaysInItsSubgroups) {
  for (const Regime regime :
       {Regime::classification, Regime::multiclass_classification, Regime::regression}) {
    World world(regime, 300, 3 - (regime == Regime::classification), 3);
    world.poison(1, 10, nan);
    compare_with_host(world);
    const auto table = table_on(world.data, at::Device(at::kCPU));
    const auto sums =
        subgroup_sums(regime, *table, world.truth_rows(), world.scores_of_truth(), world.options);
    const auto loss = [&](std::size_t t, std::size_t s) {
      return regime == Regime::regression ? sums[t][s].residuals[3] : sums[t][s].log_loss[0];
    };
    EXPECT_TRUE(std::isnan(loss(1, 0)) && std::isnan(loss(1, 1)));
    EXPECT_FALSE(std::isnan(loss(1, 3)) || std::isnan(loss(0, 0)) || std::isnan(loss(2, 1)));
  }
}

TEST(TensorEvaluation, InfinitePredictionsOfARegression) {
  World world(Regime::regression, 300, 0, 4);
  world.poison(0, 10, infinity);
  world.poison(1, 11, -infinity);
  world.poison(2, 10, infinity);
  world.poison(2, 12, -infinity);
  world.poison(3, 14, 1e200);  // its fourth power is infinite
  compare_with_host(world);
}

TEST(TensorEvaluation, EdgesOfTheHistogram) {
  World world(Regime::classification, 300, 2, 2);
  std::size_t row = 0;
  for (std::size_t k = 0; k <= 64; ++k) {
    const double edge = static_cast<double>(k) / 64;
    for (const double p : {edge, std::nextafter(edge, 0.0), std::nextafter(edge, 1.0)})
      *world.score(1, row++) = p;
  }
  *world.score(1, row++) = 5e-324;
  *world.score(1, row++) = 0.5;
  *world.score(1, row++) = nan;
  compare_with_host(world);
}

// So many trials that the rows go in parts.
TEST(TensorEvaluation, InParts) {
  World world(Regime::classification, 3600, 2, 40);
  world.poison(17, 2000, nan);
  compare_with_host(world);
}

TEST(TensorEvaluation, NoRows) {
  World world(Regime::classification, 20, 2, 2);
  world.truth.rows.clear();
  compare_with_host(world);
}

/// A learner that has only predictors to give.
class Saying final : public TensorLearner {
 public:
  Saying(std::shared_ptr<const DeviceTable> table, at::Tensor predictors, std::int64_t trials)
      : table_(std::move(table)),
        predictors_(std::move(predictors)),
        candidates_(at::zeros({trials, 1}, at::kLong)) {}
  at::Device device() const override { return at::Device(at::kCPU); }
  const DeviceTable& table() const override { return *table_; }
  const at::Tensor& candidate_rows() const override { return candidates_; }
  at::Tensor predict_rows(const at::Tensor& rows) override {
    return predictors_.gather(1, rows.unsqueeze(2).expand({-1, -1, predictors_.size(2)}));
  }
  at::Tensor forward(const at::Tensor&) override { return {}; }
  void backward(const at::Tensor&) override {}
  at::Tensor regularise(double) override { return {}; }
  void step(const AdamStep&, const at::Tensor&, const at::Tensor&) override {}
  at::Tensor finite() const override { return {}; }
  void reserve_slots(std::int64_t) override {}
  void save(const at::Tensor&) override {}

 private:
  std::shared_ptr<const DeviceTable> table_;
  at::Tensor predictors_, candidates_;
};

// The whole evaluation, from predictors through the link to performance, constraints and sums.
TEST(TensorEvaluation, GivesWhatTheHostGives) {
  for (const Regime regime :
       {Regime::classification, Regime::multiclass_classification, Regime::regression}) {
    World world(regime, 400, regime == Regime::classification ? 2 : 3, 3);
    ConstraintOptions constraint;
    constraint.regime = regime;
    constraint.groups = {"E", "O"};
    world.data.groups = {{"E", world.even}, {"O", world.odd}};
    const char* expression = regime == Regime::regression ? "(Mean_Squared_Error | [E]) - 1"
                             : regime == Regime::multiclass_classification
                                 ? "(TPR_[1] | [E]) - (TPR_[1] | [O])"
                                 : "(TPR | [E]) - (TPR | [O])";
    world.problem.constraints.push_back({"c", Constraint::parse(expression, constraint)});
    // The drawn numbers are predictors here.
    for (double& value : world.scores) value = 6 * value - 3;
    const auto size = [](std::size_t s) { return static_cast<std::int64_t>(s); };
    Saying learner(table_on(world.data, at::Device(at::kCPU)),
                   at::from_blob(world.scores.data(),
                                 {size(world.trials), size(world.rows), size(world.columns)}, at::kDouble)
                       .clone(),
                   size(world.trials));
    const std::vector<TrialScores> ours = evaluate(learner, regime, world.truth, world.options);
    apply_link(regime, world.columns, world.scores, world.scores);
    ASSERT_EQ(ours.size(), world.trials);
    for (std::size_t t = 0; t < world.trials; ++t) {
      Given model(world.scores_of(t), world.columns);
      const TruthResult host = evaluate(world.problem, world.truth, model, world.options);
      const TruthResult known = evaluate(world.problem, world.truth, model, ours[t], world.options);
      EXPECT_TRUE(near(known.performance, host.performance));
      ASSERT_EQ(known.g.size(), 1U);
      EXPECT_TRUE(near(known.g[0], host.g[0]));
      ASSERT_EQ(known.subgroups.size(), host.subgroups.size());
      for (std::size_t s = 0; s < host.subgroups.size(); ++s)
        expect_near(known.subgroups[s], host.subgroups[s]);
    }
  }
}

}  // namespace
}  // namespace seldon::engine::tensor

// A pack whose learner predicts and evaluates for all trials at once gives what trial after trial gives.

#include <gtest/gtest.h>

#include "engine/algorithm.h"
#include "toy.h"

namespace seldon::engine {
namespace {

/// What was asked of the learners of a test.
struct Calls {
  std::size_t predict = 0, predict_all = 0, evaluate = 0;
};

/// A linear learner that says of itself what a network on a device says.
class Together final : public Learner {
 public:
  Together(std::unique_ptr<Learner> inner, const Dataset& data, bool on_device, Calls& calls)
      : inner_(std::move(inner)), data_(data), on_device_(on_device), calls_(calls) {}

  bool predicts_together() const override { return on_device_; }
  void predict(std::size_t t, std::span<const std::uint32_t> rows, std::span<double> out) override {
    ++calls_.predict;
    inner_->predict(t, rows, out);
  }
  void predict_all(std::span<const std::span<const std::uint32_t>> rows,
                   std::span<const std::span<double>> out) override {
    ++calls_.predict_all;
    for (std::size_t t = 0; t < trials(); ++t) inner_->predict(t, rows[t], out[t]);
  }
  bool evaluate(const Truth& truth, const EvaluationOptions& options,
                std::vector<TrialScores>& out) override {
    if (!on_device_) return false;
    ++calls_.evaluate;
    Problem unconstrained;
    unconstrained.data = &data_;
    for (std::size_t t = 0; t < trials(); ++t) {
      LearnerPredictor own(*inner_, t, data_.regime);
      out.push_back({std::vector<double>(truth.rows.size()), {}});
      own.scores(truth.rows, out.back().scores);
      out.back().subgroups = engine::evaluate(unconstrained, truth, own, options).subgroups;
    }
    return true;
  }

  std::size_t trials() const override { return inner_->trials(); }
  std::size_t forward(std::span<const std::span<const std::uint32_t>> batch) override {
    return inner_->forward(batch);
  }
  std::span<const double> predictors(std::size_t pass, std::size_t t) const override {
    return inner_->predictors(pass, t);
  }
  void backward(std::size_t pass, std::span<const std::span<const double>> d) override {
    inner_->backward(pass, d);
  }
  void clear() override { inner_->clear(); }
  void step(const AdamStep& adam, std::span<const std::uint8_t> active) override {
    inner_->step(adam, active);
  }
  std::vector<double> regularise(double coefficient) override { return inner_->regularise(coefficient); }
  bool finite(std::size_t t) const override { return inner_->finite(t); }
  void save(std::size_t t, std::size_t slot) override { inner_->save(t, slot); }
  void load(std::size_t t, std::size_t slot) override { inner_->load(t, slot); }
  void settle(Progress& progress) override { inner_->settle(progress); }
  std::vector<double> solution(std::size_t t) const override { return inner_->solution(t); }
  std::size_t solution_size() const override { return inner_->solution_size(); }
  void load_solution(std::size_t t, std::span<const double> values) override {
    inner_->load_solution(t, values);
  }

 private:
  std::unique_ptr<Learner> inner_;
  const Dataset& data_;
  bool on_device_;
  Calls& calls_;
};

/// Three trials, of which the last has no solution.
std::vector<TrialResult> run(bool on_device, Calls& calls) {
  const toy::Table table(900, 2, 1.5);
  Architecture architecture = *ArchitectureRegistry::instance().find("logistic");
  architecture.network = true;  // so that the pack runs together
  architecture.make = [&](const LearnerRequest& request) {
    auto inner = ArchitectureRegistry::instance().find("logistic")->make(request);
    return std::make_unique<Together>(std::move(inner), *request.data, on_device, calls);
  };
  ModelSpec model;
  model.name = "m";
  model.architecture = &architecture;
  model.problem = toy::problem(table);
  model.problem.constraints.push_back(toy::constraint(toy::disparate_impact));
  model.selection.multipliers = {0.5};
  model.truths = {{"original", table.every_row()}, {"held_out", {1, 5, 8, 700}}};
  model.evaluation.performance = {PerformanceRegistry::instance().find("log_loss"),
                                  PerformanceRegistry::instance().find("accuracy")};
  std::vector<TrialTask> tasks;
  for (std::uint32_t t = 0; t < 3; ++t) {
    tasks.push_back({t, {}});
    for (std::uint32_t i = 0; i < 300; ++i) tasks.back().rows.push_back((7 * i + 300 * t) % 900);
  }
  // Nobody but men in its safety rows: the women's rate has no bound.
  for (std::size_t i = 120; i < 300; ++i)
    while (!table.men[tasks[2].rows[i]]) tasks[2].rows[i] = (tasks[2].rows[i] + 1) % 900;
  Unhindered progress;
  std::vector<TrialResult> results;
  run_trials(model, tasks, 1.0, 400, progress, [&](TrialResult result) {
    EXPECT_FALSE(result.error) << *result.error;
    results.push_back(std::move(result));
  });
  return results;
}

TEST(Together, GivesWhatTrialAfterTrialGives) {
  Calls one_by_one, at_once;
  const auto expected = run(false, one_by_one), results = run(true, at_once);
  ASSERT_EQ(results.size(), 3U);
  for (std::size_t t = 0; t < 3; ++t) {
    SCOPED_TRACE(t);
    EXPECT_EQ(results[t].outcome, expected[t].outcome);
    EXPECT_EQ(results[t].reason, expected[t].reason);
    EXPECT_EQ(results[t].best_iteration, expected[t].best_iteration);
    EXPECT_EQ(results[t].upper, expected[t].upper);
    ASSERT_EQ(results[t].truths.size(), expected[t].truths.size());
    for (std::size_t i = 0; i < expected[t].truths.size(); ++i) {
      EXPECT_EQ(results[t].truths[i].performance, expected[t].truths[i].performance);
      EXPECT_EQ(results[t].truths[i].g, expected[t].truths[i].g);
      ASSERT_EQ(results[t].truths[i].subgroups.size(), 3U);
      for (std::size_t s = 0; s < 3; ++s) {
        EXPECT_EQ(results[t].truths[i].subgroups[s].soft_sums, expected[t].truths[i].subgroups[s].soft_sums);
        EXPECT_EQ(results[t].truths[i].subgroups[s].histogram, expected[t].truths[i].subgroups[s].histogram);
      }
    }
  }
  EXPECT_EQ(results[0].outcome, Outcome::solution);
  EXPECT_EQ(results[2].outcome, Outcome::no_solution_found);
  EXPECT_EQ(results[2].reason, NsfReason::group_too_small);
  EXPECT_TRUE(results[2].truths.empty()) << "nothing is evaluated where there is no solution";

  EXPECT_EQ(at_once.evaluate, 2U) << "once for each truth";
  EXPECT_GE(at_once.predict_all, 1U) << "the safety rows of all trials";
  EXPECT_EQ(at_once.predict, 0U);
  EXPECT_EQ(one_by_one.predict_all, 0U);
}

}  // namespace
}  // namespace seldon::engine

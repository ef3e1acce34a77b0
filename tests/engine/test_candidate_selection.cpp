#include <cmath>

#include <gtest/gtest.h>

#include "engine/candidate_selection.h"
#include "engine/iteration.h"
#include "engine/lagrangian.h"
#include "engine/predictor.h"
#include "toy.h"

namespace seldon::engine {
namespace {

using toy::constraint;
using toy::Table;

/// A trial on all rows of a table, half of them candidate data in number.
struct Trial {
  Rows rows;
  std::vector<CandidateData> data;
  std::unique_ptr<Learner> learner;

  explicit Trial(const Table& table, const char* initial = "fit") : rows(table.every_row()) {
    data = {{rows, 1.5 * static_cast<double>(rows.size()), 0}};
    LearnerRequest request;
    request.data = &table.data;
    request.candidate_rows = {rows};
    request.trials = {0};
    request.initial = initial;
    learner = ArchitectureRegistry::instance()
                  .find(table.data.regime == Regime::regression ? "linear" : "logistic")
                  ->make(request);
  }
};

SelectionOptions options(std::uint64_t iterations, std::size_t constraints = 1) {
  SelectionOptions o;
  o.multipliers.assign(constraints, 0.5);
  o.iterations = iterations;
  o.keep_trace = true;
  return o;
}

TEST(SelectCandidates, ReturnsTheBestFeasibleIterateOfItsTrace) {
  const Table table(600, 3, 1.0);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint(toy::disparate_impact));
  Trial trial(table);
  Unhindered progress;
  const SelectionOptions o = options(400);
  const Selection selection = select_candidates(*trial.learner, problem, trial.data, o, progress)[0];
  ASSERT_TRUE(selection.feasible);
  double best = std::numeric_limits<double>::infinity();
  std::int64_t best_iteration = -1;
  for (std::size_t i = 0; i < o.iterations; ++i)
    if (selection.trace[3 * i + 2] <= 0 && selection.trace[3 * i] < best) {
      best = selection.trace[3 * i];
      best_iteration = static_cast<std::int64_t>(i);
    }
  EXPECT_EQ(selection.best_iteration, best_iteration);
  EXPECT_GT(selection.trace[2], 0)
      << "the start, a plain fit, violates the constraint, or this test shows nothing";

  // The learner holds that very iterate.
  Lagrangian lagrangian(problem, trial.rows, trial.data[0].safety_rows);
  lagrangian.choose(trial.rows);
  std::vector<double> eta(trial.rows.size());
  trial.learner->predict(0, trial.rows, eta);
  const std::span<const double> view = eta;
  EXPECT_NEAR(lagrangian.evaluate({&view, 1}, 1).loss, best, 1e-12);
}

TEST(SelectCandidates, MiniBatchesFindAFeasiblePointOnAllRows) {
  const Table table(1200, 3, 1.0);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint(toy::disparate_impact));
  Trial trial(table);
  Unhindered progress;
  SelectionOptions o = options(600);
  o.batches.size = 300;
  const Selection selection = select_candidates(*trial.learner, problem, trial.data, o, progress)[0];
  EXPECT_TRUE(selection.feasible);
  Lagrangian lagrangian(problem, trial.rows, trial.data[0].safety_rows);
  lagrangian.choose(trial.rows);
  std::vector<double> eta(trial.rows.size());
  trial.learner->predict(0, trial.rows, eta);
  const std::span<const double> view = eta;
  EXPECT_LE(lagrangian.evaluate({&view, 1}, 1).upper[0], 0);
}

TEST(SelectCandidates, NeverFeasibleReturnsTheLeastViolation) {
  const Table table(200, 2, 0.5);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("ACC >= 0.999"));
  Trial trial(table);
  Unhindered progress;
  const SelectionOptions o = options(50);
  const Selection selection = select_candidates(*trial.learner, problem, trial.data, o, progress)[0];
  EXPECT_FALSE(selection.feasible);
  double least = std::numeric_limits<double>::infinity();
  std::int64_t iteration = -1;
  for (std::size_t i = 0; i < o.iterations; ++i)
    if (selection.trace[3 * i + 2] < least) {
      least = selection.trace[3 * i + 2];
      iteration = static_cast<std::int64_t>(i);
    }
  EXPECT_EQ(selection.best_iteration, iteration);
}

TEST(SelectCandidates, BatchesThatLackAGroupDoNotLeaveTheStartAsTheAnswer) {
  Table table(600, 2, 0.0);
  for (std::size_t i = 0; i < 600; ++i) {  // one woman in ten: batches of four hold hardly ever two
    table.women[i] = i % 10 == 0;
    table.men[i] = !table.women[i];
  }
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("abs((PR | [M]) - (PR | [F])) <= 0.9"));
  Trial trial(table, "zeros");
  Unhindered progress;
  SelectionOptions o = options(1500);
  o.batches.size = 4;
  const Selection selection = select_candidates(*trial.learner, problem, trial.data, o, progress)[0];
  EXPECT_TRUE(selection.feasible);
  EXPECT_GT(selection.best_iteration, 0);
  double norm = 0;
  for (double value : trial.learner->solution(0)) norm += value * value;
  EXPECT_GT(norm, 0.1) << "the start is zero";
}

/// Hands all on to another learner.
class Wrapped : public Learner {
 public:
  explicit Wrapped(std::unique_ptr<Learner> inner) : inner_(std::move(inner)) {}
  std::size_t trials() const override { return inner_->trials(); }
  std::size_t forward(std::span<const std::span<const std::uint32_t>> batch) override {
    return inner_->forward(batch);
  }
  std::span<const double> predictors(std::size_t pass, std::size_t trial) const override {
    return inner_->predictors(pass, trial);
  }
  void backward(std::size_t pass, std::span<const std::span<const double>> d) override {
    inner_->backward(pass, d);
  }
  void clear() override { inner_->clear(); }
  void step(const AdamStep& adam, std::span<const std::uint8_t> active) override {
    inner_->step(adam, active);
  }
  std::vector<double> regularise(double c) override { return inner_->regularise(c); }
  bool finite(std::size_t t) const override { return inner_->finite(t); }
  void save(std::size_t t, std::size_t s) override { inner_->save(t, s); }
  void load(std::size_t t, std::size_t s) override { inner_->load(t, s); }
  void settle(Progress& p) override { inner_->settle(p); }
  void predict(std::size_t t, std::span<const std::uint32_t> r, std::span<double> o) override {
    inner_->predict(t, r, o);
  }
  std::vector<double> solution(std::size_t t) const override { return inner_->solution(t); }
  std::size_t solution_size() const override { return inner_->solution_size(); }
  void load_solution(std::size_t t, std::span<const double> s) override { inner_->load_solution(t, s); }

 private:
  std::unique_ptr<Learner> inner_;
};

/// Its predictors turn to NaN after some iterations.
class Breaking final : public Wrapped {
 public:
  Breaking(std::unique_ptr<Learner> inner, int good) : Wrapped(std::move(inner)), left_(good) {}
  std::size_t forward(std::span<const std::span<const std::uint32_t>> batch) override {
    const std::size_t pass = Wrapped::forward(batch);
    const auto sound = Wrapped::predictors(pass, 0);
    eta_.assign(sound.begin(), sound.end());
    if (left_-- <= 0) eta_[0] = std::nan("");
    return pass;
  }
  std::span<const double> predictors(std::size_t, std::size_t) const override { return eta_; }

 private:
  int left_;
  std::vector<double> eta_;
};

/// Predicts all trials in one call, and counts what it is asked.
class Together final : public Wrapped {
 public:
  using Wrapped::Wrapped;
  bool predicts_together() const override { return true; }
  void predict(std::size_t t, std::span<const std::uint32_t> r, std::span<double> o) override {
    ++alone;
    Wrapped::predict(t, r, o);
  }
  void predict_all(std::span<const std::span<const std::uint32_t>> rows,
                   std::span<const std::span<double>> out) override {
    ++together;
    ASSERT_EQ(rows.size(), trials());
    for (std::size_t t = 0; t < trials(); ++t) Wrapped::predict(t, rows[t], out[t]);
  }
  int alone = 0, together = 0;
};

/// Runs the loop itself, and says of it what it was given.
class Looping final : public Wrapped {
 public:
  Looping(std::unique_ptr<Learner> inner, std::vector<IterationResult> results)
      : Wrapped(std::move(inner)), results_(std::move(results)) {}
  std::size_t forward(std::span<const std::span<const std::uint32_t>>) override {
    ADD_FAILURE() << "the host ran the loop as well";
    return 0;
  }
  bool iterate(const IterationRequest& request, std::vector<IterationResult>& results, Progress&) override {
    asked = request;
    results = results_;
    return true;
  }
  IterationRequest asked;

 private:
  std::vector<IterationResult> results_;
};

TEST(SelectCandidates, BelievesALearnerThatRunsTheLoop) {
  const Table table(100, 2, 0.0);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("PR <= 0.9"));
  const std::vector<double> kept = {0.1, 0.2, 0.3}, least = {1, 2, 3};
  Unhindered progress;
  for (const bool found : {true, false}) {
    Trial trial(table);
    trial.learner->load_solution(0, kept);
    trial.learner->save(0, 0);
    trial.learner->load_solution(0, least);
    trial.learner->save(0, 1);
    IterationResult result;
    if (found) result.kept = {{0.5, 7, 0}};
    result.least_violation_iteration = 4;
    result.least_violation_slot = 1;
    result.selection.small_group = true;
    Looping looping(std::move(trial.learner), {result});
    const SelectionOptions o = options(50);
    const Selection selection = select_candidates(looping, problem, trial.data, o, progress)[0];
    EXPECT_EQ(looping.asked.problem, &problem);
    EXPECT_EQ(looping.asked.options, &o);
    EXPECT_EQ(looping.asked.keep, 1U);
    EXPECT_EQ(selection.feasible, found);
    EXPECT_EQ(selection.best_iteration, found ? 7 : 4);
    EXPECT_TRUE(selection.small_group);
    EXPECT_EQ(looping.solution(0), found ? kept : least);
  }
}

TEST(SelectCandidates, LooksAtAllRowsOfWhatSuchALearnerKept) {
  const Table table(300, 2, 0.0);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("PR <= 0.9"));
  Unhindered progress;
  Trial trial(table);
  const std::vector<double> fit = trial.learner->solution(0), bad = {0, -5, 5}, worse = {0, 5, -9};
  const std::vector<std::vector<double>> slots = {bad, fit};
  for (std::size_t slot = 0; slot < slots.size(); ++slot) {
    trial.learner->load_solution(0, slots[slot]);
    trial.learner->save(0, slot);
  }
  trial.learner->load_solution(0, worse);  // after the last step
  IterationResult result;
  result.kept = {{0.1, 3, 0}, {0.2, 5, 1}};  // batches flattered the first
  Looping looping(std::move(trial.learner), {result});
  SelectionOptions o = options(50);
  o.batches.size = 50;
  const Selection selection = select_candidates(looping, problem, trial.data, o, progress)[0];
  EXPECT_EQ(looping.asked.keep, 5U);
  EXPECT_EQ(selection.best_iteration, 5);
  EXPECT_TRUE(selection.feasible);
  EXPECT_EQ(looping.solution(0), fit);
}

TEST(SelectCandidates, TrialsThatCanPredictTogetherDoSoAndNothingElseChanges) {
  const Table table(400, 2, 1.0);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint(toy::disparate_impact));
  const Rows rows = table.every_row();
  LearnerRequest request;
  request.data = &table.data;
  request.candidate_rows = {rows, rows, rows};
  request.trials = {0, 1, 2};
  request.initial = "random";
  const std::vector<CandidateData> data = {{rows, 600, 0}, {rows, 600, 1}, {rows, 600, 2}};
  SelectionOptions o = options(150);
  o.batches.size = 100;
  Unhindered progress;
  const Architecture& logistic = *ArchitectureRegistry::instance().find("logistic");
  const auto plain = logistic.make(request);
  Together together(logistic.make(request));
  const auto wanted = select_candidates(*plain, problem, data, o, progress);
  const auto got = select_candidates(together, problem, data, o, progress);
  for (std::size_t t = 0; t < 3; ++t) {
    EXPECT_EQ(got[t].best_iteration, wanted[t].best_iteration);
    EXPECT_EQ(got[t].feasible, wanted[t].feasible);
    EXPECT_EQ(together.solution(t), plain->solution(t));
  }
  EXPECT_GE(together.together, 2);
  EXPECT_LE(together.alone, 5) << "where most trials have no iterate left to compare";
}

TEST(SelectCandidates, NanStopsAtTheBestFeasiblePointSoFar) {
  const Table table(600, 2, 0.0);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("PR <= 0.9"));  // feasible from the start
  Trial trial(table);
  Breaking breaking(std::move(trial.learner), 10);
  Unhindered progress;
  const Selection selection = select_candidates(breaking, problem, trial.data, options(50), progress)[0];
  EXPECT_EQ(selection.stop, Selection::Stop::not_finite);
  EXPECT_TRUE(selection.feasible);
  EXPECT_LT(selection.best_iteration, 10);
  EXPECT_GE(selection.best_iteration, 0);

  Trial other(table);
  Breaking at_once(std::move(other.learner), 0);
  const Selection none = select_candidates(at_once, problem, other.data, options(50), progress)[0];
  EXPECT_EQ(none.stop, Selection::Stop::not_finite);
  EXPECT_FALSE(none.feasible);
}

TEST(SelectCandidates, StopsWhenToldTo) {
  class After final : public Progress {
   public:
    Order tick() override { return ++ticks_ > 5 ? Order::stop : Order::go; }

   private:
    int ticks_ = 0;
  };
  const Table table(100, 2, 0.0);
  Problem problem = toy::problem(table);
  problem.constraints.push_back(constraint("PR <= 0.9"));
  Trial trial(table);
  After progress;
  EXPECT_THROW(select_candidates(*trial.learner, problem, trial.data, options(50), progress), Stopped);
}

TEST(SelectCandidates, RunsAgainBitForBit) {
  const Table table(500, 3, 1.0);
  std::vector<std::vector<double>> solutions;
  for (int run = 0; run < 2; ++run) {
    Problem problem = toy::problem(table);
    problem.constraints.push_back(constraint(toy::disparate_impact));
    Trial trial(table);
    Unhindered progress;
    SelectionOptions o = options(100);
    o.batches.size = 64;
    select_candidates(*trial.learner, problem, trial.data, o, progress);
    solutions.push_back(trial.learner->solution(0));
  }
  EXPECT_EQ(solutions[0], solutions[1]);
}

TEST(TrainUnconstrained, ApproachesTheFit) {
  const Table table(400, 2, 0.5);
  Problem problem = toy::problem(table);
  problem.l2 = 0.5 / 400;  // half the squared norm beside a summed loss
  Trial trial(table, "zeros");
  Unhindered progress;
  SelectionOptions o = options(3000, 0);
  train_unconstrained(*trial.learner, problem, trial.data, o, progress);
  const auto got = trial.learner->solution(0), wanted = Trial(table).learner->solution(0);
  for (std::size_t j = 0; j < got.size(); ++j) EXPECT_NEAR(got[j], wanted[j], 2e-3);
}

}  // namespace
}  // namespace seldon::engine

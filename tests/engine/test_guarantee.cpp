// The Seldonian guarantee by simulation: the whole algorithm on data from a known law fails (returns a model
// that truly violates its constraint) at most as often as delta allows; and each of three sabotages is caught
// by the same check, so that the check can fail. The bounds alone, at their edge, are tested in
// constraint/test_edge.cpp.

#include <cmath>
#include <numeric>

#include <boost/math/distributions/binomial.hpp>
#include <gtest/gtest.h>

#include "engine/algorithm.h"
#include "engine/dataset/sampling.h"
#include "toy.h"

namespace seldon::engine {
namespace {

constexpr double delta = 0.1;
constexpr int experiments = 1200;

/// A law and a constraint that pulls against the objective there.
struct Law {
  toy::Table table;
  const char* constraint;
  std::uint32_t rows;  ///< in a trial

  Law(std::size_t width, const char* expression, std::uint32_t trial_rows)
      : table(20000, width, 0.0, Regime::classification, 11), constraint(expression), rows(trial_rows) {}
};

/// The optimum wants a positive rate above the cap, so it sits at the constraint's edge.
const Law& capped_rate() {
  static const Law law(1, "PR <= 0.4", 200);
  return law;
}

/// Many features and few rows: accuracy on the candidate rows says little about the truth.
const Law& overfitted_accuracy() {
  static const Law law(20, "ACC >= 0.66", 120);
  return law;
}

struct Sabotage {
  bool reuse_candidates = false;  ///< safety rows are the candidate rows
  bool wrong_sign = false;        ///< passes if the lower bound is at most zero
};

/// How many of the experiments return a model whose true g is positive. Inflation 1 puts candidates near the
/// edge.
int failures(const Law& law, double inflation, const Sabotage& sabotage = {}) {
  const toy::Table& table = law.table;
  Problem problem = toy::problem(table);
  ConstraintOptions options;
  options.groups = {"M", "F"};
  options.delta = delta;
  options.inflation = {inflation};
  problem.constraints.push_back({"c", Constraint::parse(law.constraint, options)});
  problem.frac_in_safety = 0.5;
  const Constraint& tree = problem.constraints[0].tree;
  const BaseNode& node = tree.base_nodes()[0];

  const Rows pool = table.every_row();
  int failed = 0;
  Unhindered progress;
  for (std::uint32_t trial = 0; trial < experiments; ++trial) {
    const Split sides = split(resample(pool, 77, trial, law.rows), problem.frac_in_safety);
    LearnerRequest request;
    request.data = &table.data;
    request.candidate_rows = {sides.candidate};
    request.trials = {trial};
    request.initial = "fit";
    const auto learner = ArchitectureRegistry::instance().find("logistic")->make(request);
    SelectionOptions selection;
    selection.multipliers = {0.5};
    selection.iterations = 150;
    const CandidateData data{sides.candidate, static_cast<double>(sides.safety.size()), trial};
    select_candidates(*learner, problem, {&data, 1}, selection, progress);

    LearnerPredictor predictor(*learner, 0, Regime::classification);
    NodeScores scores(table.data, predictor, sabotage.reuse_candidates ? sides.candidate : sides.safety);
    NodeValues values;
    values.z = scores.values(node, false);
    const NodeStatistics sample = values.statistics();
    const auto limit = [&](Side side) {
      return bound(BoundKind::student_t, sample, {side, delta, sample.n, 1.0, {0, 1}, true, true}).value;
    };
    const Interval interval = sabotage.wrong_sign ? Interval{limit(Side::upper), limit(Side::lower)}
                                                  : Interval{limit(Side::lower), limit(Side::upper)};
    if (!(tree.propagate({&interval, 1}).upper <= 0)) continue;
    NodeScores truth(table.data, predictor, pool);
    const std::vector<double> z = truth.values(node, false);
    const double mean = std::accumulate(z.begin(), z.end(), 0.0) / static_cast<double>(z.size());
    if (tree.value({&mean, 1}) > 0) ++failed;
  }
  return failed;
}

/// Exact binomial test at 1 %: could this many failures come from a rate of at most delta?
bool consistent_with_delta(int failed) {
  if (failed == 0) return true;
  const boost::math::binomial_distribution<> law_of_failures(experiments, delta);
  return boost::math::cdf(boost::math::complement(law_of_failures, failed - 1)) >= 0.01;
}

TEST(Guarantee, TheWholeAlgorithmFailsAtMostDelta) {
  for (const double inflation : {1.0, 2.0}) {
    const int failed = failures(capped_rate(), inflation);
    EXPECT_TRUE(consistent_with_delta(failed))
        << failed << " of " << experiments << " at inflation " << inflation;
    RecordProperty("failures_capped_rate_" + std::to_string(static_cast<int>(inflation)), failed);
  }
  const int failed = failures(overfitted_accuracy(), 1.0);
  EXPECT_TRUE(consistent_with_delta(failed))
      << failed << " of " << experiments << " where candidates overfit";
  EXPECT_GT(failures(capped_rate(), 1.0), 0) << "this law is too easy to show anything";
}

TEST(Guarantee, SabotageIsCaught) {
  EXPECT_FALSE(consistent_with_delta(failures(overfitted_accuracy(), 1.0, {true, false})))
      << "safety rows equal to candidate rows";
  EXPECT_FALSE(consistent_with_delta(failures(capped_rate(), 1.0, {false, true})))
      << "a quantile of the wrong sign";
  // A doubled delta is caught by the bounds at their edge (constraint/test_edge.cpp).
}

// The safety test that the simulation spells out is the algorithm's own.
TEST(Guarantee, RunTrialsAgreesWithItsParts) {
  const toy::Table& table = capped_rate().table;
  ModelSpec model;
  model.name = "m";
  model.architecture = ArchitectureRegistry::instance().find("logistic");
  model.problem = toy::problem(table);
  model.problem.frac_in_safety = 0.5;
  model.problem.constraints.push_back(toy::constraint("PR <= 0.4", delta));
  model.selection.multipliers = {0.5};
  model.truths = {{"original", table.every_row()}};
  std::vector<TrialTask> tasks;
  const Rows pool = table.every_row();
  for (std::uint32_t trial = 0; trial < 60; ++trial) tasks.push_back({trial, resample(pool, 77, trial, 200)});
  Unhindered progress;
  int solutions = 0;
  run_trials(model, tasks, 1.0, 150, progress, [&](TrialResult result) {
    ASSERT_FALSE(result.error) << *result.error;
    const bool passed = result.outcome == Outcome::solution;
    solutions += passed;
    EXPECT_EQ(passed, result.upper[0] <= 0);
    EXPECT_NEAR(result.nodes[0].upper - 0.4, result.upper[0], 1e-15);
    EXPECT_EQ(result.truths.empty(), !passed);
  });
  EXPECT_GT(solutions, 5);
}

}  // namespace
}  // namespace seldon::engine

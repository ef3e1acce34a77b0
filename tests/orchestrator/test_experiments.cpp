// Several experiments in one run: one queue over all, and one that fails takes no other along.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "orchestrator/simulation.h"
#include "tests/orchestrator/rig.h"

namespace seldon::orchestrator {
namespace {

using message::Tag;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ExperimentsTest : public Rig {
 protected:
  /// A pack of two cells in each experiment, of these costs.
  static Plan experiments(const std::vector<double>& costs) {
    Plan plan;
    plan.costs = costs;
    plan.experiments.resize(costs.size());
    for (std::uint32_t number = 0; number < costs.size(); ++number) {
      plan.packs.push_back({number, 0, 0, 0, 2});
      plan.experiments[number].name = std::string("e").append(std::to_string(number));
      plan.experiments[number].models = {"qsa"};
    }
    return plan;
  }

  /// Answers the set-up of an experiment; its data comes along unless the worker has it.
  message::Setup learn(Peer worker, std::uint32_t experiment) {
    const auto setup = expect<message::Setup>(worker);
    EXPECT_EQ(setup.experiment, experiment);
    if (!setup.place && !setup.held) {
      EXPECT_EQ(hear(worker)->tag, static_cast<int>(Tag::data));
      if (setup.share) say(worker, message::Placed{message::SharedPlace{}, "", experiment});
    }
    say(worker, message::Ready{experiment, {}});
    return setup;
  }
};

TEST_F(ExperimentsTest, TheLongestPackGoesFirstOverAll) {
  start(experiments({1, 3, 2}), 1);
  greet(1);
  for (const std::uint32_t number : {1u, 2u, 0u}) {
    learn(1, number);
    const auto assign = expect<message::Assign>(1);
    EXPECT_EQ(assign.pack.experiment, number);
    time_ += 1 + (number + 2) % 3;  // in proportion to the costs
    finish(1, assign);
  }
  EXPECT_TRUE(orchestrator_->finished());
  const Snapshot snapshot = orchestrator_->snapshot();
  EXPECT_TRUE(snapshot.complete());
  ASSERT_EQ(snapshot.experiments.size(), 3u);
  for (const ExperimentProgress& each : snapshot.experiments) {
    EXPECT_TRUE(each.complete());
    EXPECT_EQ(each.recorded_now, 2u);
  }
  EXPECT_EQ(snapshot.experiments[2].name, "e2");
}

TEST_F(ExperimentsTest, EqualDataIsSentOnceToANodeAndHeldByItsWorkers) {
  data_keys_ = {"a", "b", "a"};
  start(experiments({3, 2, 1}), 2);
  greet(1, "one");
  greet(2, "one");
  EXPECT_FALSE(learn(1, 0).place);
  EXPECT_FALSE(learn(2, 1).place);
  finish(1, expect<message::Assign>(1));
  const auto third = learn(1, 2);
  EXPECT_TRUE(third.held);
  EXPECT_EQ(third.data_key, "a");
}

TEST_F(ExperimentsTest, AnotherOfTheNodeMapsWhatLiesThere) {
  data_keys_ = {"a", "a"};
  start(experiments({3, 2}), 2);
  greet(1, "one");
  greet(2, "one");
  EXPECT_EQ(expect<message::Setup>(1).experiment, 0u);
  EXPECT_EQ(hear(1)->tag, static_cast<int>(Tag::data));
  EXPECT_FALSE(hear(2));  // waits for worker 1, although for another experiment
  const message::SharedPlace place{7, 3, 11, 3};
  say(1, message::Placed{place, "", 0});
  const auto second = expect<message::Setup>(2);
  EXPECT_EQ(second.experiment, 1u);
  EXPECT_EQ(second.place, place);
}

TEST_F(ExperimentsTest, WhatAWorkerHasDroppedItLearnsAgain) {
  Plan plan = experiments({3, 2});
  plan.packs.push_back({0, 0, 1, 0, 2});
  plan.costs.push_back(1);
  start(plan, 1);
  greet(1);
  learn(1, 0);
  finish(1, expect<message::Assign>(1));
  EXPECT_EQ(expect<message::Setup>(1).experiment, 1u);
  hear(1);
  say(1, message::Ready{1, {0}});
  finish(1, expect<message::Assign>(1));
  EXPECT_FALSE(learn(1, 0).held);
  EXPECT_EQ(expect<message::Assign>(1).pack.experiment, 0u);
}

TEST_F(ExperimentsTest, APackGoesToAnotherWhereItsWorkerDiesOverTheSetUp) {
  start(experiments({3}), 2);
  Plan plan = experiments({3, 2});
  start(plan, 2);
  greet(1, "one");
  EXPECT_EQ(expect<message::Setup>(1).experiment, 0u);
  die(1);
  EXPECT_EQ(sink_.count(CellState::lost), 0u);  // it had no lease
  greet(2, "two");
  learn(2, 0);
  finish(2, expect<message::Assign>(2));
  learn(2, 1);
  finish(2, expect<message::Assign>(2));
  EXPECT_TRUE(orchestrator_->snapshot().complete());
}

TEST_F(ExperimentsTest, OneThatCannotBeSetUpEndsAndTheOthersGoOn) {
  start(experiments({3, 2}), 4);
  for (const Peer worker : {1, 2, 3}) {
    EXPECT_EQ(orchestrator_->snapshot().experiments[0].ended, "");
    greet(worker, own_node(worker));
    EXPECT_EQ(expect<message::Setup>(worker).experiment, 0u);
    hear(worker);
    say(worker, message::Fault{"no such measure", 0});
    if (worker == 1) {
      EXPECT_EQ(expect<message::Setup>(worker).experiment, 1u);
    }
  }
  EXPECT_EQ(orchestrator_->snapshot().workers, 2);  // they would take other packs
  const Snapshot snapshot = orchestrator_->snapshot();
  EXPECT_THAT(snapshot.experiments[0].ended, HasSubstr("no such measure"));
  EXPECT_EQ(snapshot.experiments[0].failed, 0u);  // the next start tries again
  EXPECT_EQ(snapshot.experiments[1].ended, "");
  EXPECT_FALSE(orchestrator_->finished());
  hear(1);
  say(1, message::Ready{1, {}});
  finish(1, expect<message::Assign>(1));
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_FALSE(orchestrator_->snapshot().complete());
  EXPECT_THAT(orchestrator_->why_idle(), HasSubstr("e0: its set-up has failed on 3 workers"));
}

TEST_F(ExperimentsTest, AWorkerThatCannotRunAnyIsTakenOut) {
  start(experiments({3, 2}), 2);
  greet(1);
  hear(1), hear(1);
  say(1, message::Fault{"no memory", 0});
  EXPECT_EQ(expect<message::Setup>(1).experiment, 1u);
  hear(1);
  say(1, message::Fault{"no memory", 1});
  EXPECT_EQ(orchestrator_->roster()[0].phase, WorkerPhase::gone);
  EXPECT_FALSE(orchestrator_->finished());  // the other one may be better
}

TEST_F(ExperimentsTest, TooManyFailuresEndTheirExperimentOnly) {
  Plan plan = experiments({4, 3});
  plan.packs.push_back({0, 0, 1, 0, 2});
  plan.costs.push_back(2);
  Limits limits;
  limits.max_tries = 1;
  plan.experiments[0].limits = limits;
  plan.experiments[0].limits->max_fails = 1;
  start(plan, 1, limits);
  greet(1);
  learn(1, 0);
  const auto failed = expect<message::Assign>(1);
  fail(1, failed);
  EXPECT_EQ(expect<message::Cancel>(1).lease, failed.lease);
  EXPECT_TRUE(orchestrator_->snapshot().experiments[0].too_many_failed);
  EXPECT_FALSE(orchestrator_->finished());
  learn(1, 1);  // nothing more of the first
  finish(1, expect<message::Assign>(1));
  EXPECT_TRUE(orchestrator_->finished());
  const Snapshot snapshot = orchestrator_->snapshot();
  EXPECT_EQ(snapshot.experiments[0].failed, 2u);
  EXPECT_EQ(snapshot.experiments[1].done, 2u);
  EXPECT_EQ(orchestrator_->why_idle(), "e0: 2 cells have failed for good, more than --max-fails 1 allows");
}

TEST_F(ExperimentsTest, ModelsOfOneNameInTwoExperimentsAreTwo) {
  start(experiments({4, 2}), 1);
  greet(1);
  learn(1, 0);
  const auto first = expect<message::Assign>(1);
  time_ += 8;
  finish(1, first);
  const Snapshot snapshot = orchestrator_->snapshot();
  EXPECT_DOUBLE_EQ(snapshot.experiments[1].worker_seconds_left, 4);  // in proportion to the plan
  EXPECT_EQ(snapshot.experiments[0].models[0].done, 2u);
  EXPECT_EQ(snapshot.experiments[1].models[0].done, 0u);
}

TEST_F(ExperimentsTest, OnlyWorkersWithItsGpuGetAnExperiment) {
  accelerators_ = {"H100", ""};
  start(experiments({3, 2}), 2);
  greet(1, "one");  // without a GPU
  learn(1, 1);
  finish(1, expect<message::Assign>(1));
  EXPECT_FALSE(hear(1));
  EXPECT_FALSE(orchestrator_->finished());
  message::Hello hello{"host", "two", "1", ""};
  hello.accelerator = "H100";
  say(2, hello);
  learn(2, 0);
  finish(2, expect<message::Assign>(2));
  EXPECT_TRUE(orchestrator_->snapshot().complete());
}

TEST_F(ExperimentsTest, EndsIncompleteWhereNobodyHasTheGpu) {
  accelerators_ = {"H100", ""};
  start(experiments({3, 2}), 1);
  greet(1);
  learn(1, 1);
  finish(1, expect<message::Assign>(1));
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_THAT(orchestrator_->why_idle(), HasSubstr("2 cells of e0"));
}

TEST_F(ExperimentsTest, TellsEachWorkerItsPlaceAmongThoseOfItsNode) {
  start(equal_packs(3, 1), 3);
  std::vector<std::uint32_t> places;
  for (const Peer worker : {1, 2, 3}) {
    greet(worker, worker == 2 ? "two" : "one");
    if (worker == 3) say(1, message::Placed{message::SharedPlace{}, ""});
    places.push_back(expect<message::Setup>(worker).local_rank);
  }
  EXPECT_THAT(places, ElementsAre(0, 0, 1));
}

// ---- simulated ------------------------------------------------------------------------------------------

/// Experiments of two models, with so many trials, cells of so many seconds at the first of two fractions.
struct Size {
  std::uint32_t trials, width;
  double seconds;
};
SimulatedWork sweep(const std::vector<Size>& sizes) {
  SimulatedWork work;
  for (std::uint32_t number = 0; number < sizes.size(); ++number) {
    const Size& size = sizes[number];
    for (std::uint32_t model = 0; model < 2; ++model) {
      work.models.push_back(model == 0 ? "qsa" : "baseline");  // the same names in each
      work.together.push_back(model == 1);
      work.seldonian.push_back(model == 0);
      for (std::uint32_t fraction = 0; fraction < 2; ++fraction)
        for (std::uint32_t trial = 0; trial < size.trials; trial += size.width) {
          work.packs.push_back({number, model, fraction, trial, std::min(size.width, size.trials - trial)});
          work.costs.push_back(size.seconds * (fraction + 1) * work.packs.back().width);
        }
    }
  }
  work.seconds = spread_seconds(work.packs, work.costs, 0.3, 1);
  return work;
}

class SweepTest : public ::testing::Test {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }
};

TEST_F(SweepTest, NobodyIsIdleWhileAPackIsLeft) {
  SimulatedWork work = sweep({{1000, 5, 10}, {40, 1, 100}, {4000, 25, 0.5}});
  work.data_keys = {"a", "b", "a"};
  ClusterOptions cluster;
  cluster.workers = 100;
  cluster.workers_per_node = 10;
  cluster.setup_seconds = 0.5;
  const SimulationReport report = simulate(work, cluster, {}, {});
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.leases, 4 * (1000u + 40u + 4000u));
  EXPECT_EQ(report.cluster.data, 2 * 10u);      // to each node each of the two data sets
  EXPECT_LE(report.cluster.set_ups, 3 * 100u);  // of each experiment on each worker
  // Between two packs a worker waits for a message only.
  EXPECT_LT(report.cluster.short_of_work, 0.01 * report.useful);
  EXPECT_GT(ideal(work, cluster).makespan() / report.makespan, 0.93);
}

TEST_F(SweepTest, OneThatFailsOnEveryWorkerStopsNoOther) {
  SimulatedWork work = sweep({{100, 5, 10}, {100, 5, 20}, {100, 5, 5}});
  work.set_up_fails = {false, true, false};
  ClusterOptions cluster;
  cluster.workers = 30;
  cluster.workers_per_node = 4;
  JobOptions jobs;
  jobs.restarts = 0;
  const SimulationReport report = simulate(work, cluster, jobs, {});
  EXPECT_FALSE(report.complete);
  EXPECT_EQ(report.done, 800u);
  EXPECT_EQ(report.failed, 0u);
  EXPECT_EQ(report.leases, 800u);
  EXPECT_THAT(report.why_not, HasSubstr("no such measure"));
}

TEST_F(SweepTest, ResumesThroughDeathsHangsAndTimeLimits) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(std::string("seed ").append(std::to_string(seed)));
    SimulatedWork work = sweep({{60, 5, 10}, {8, 1, 60}, {100, 10, 1}});
    work.data_keys = {"a", "a", "b"};
    ClusterOptions cluster;
    cluster.workers = 24;
    cluster.workers_per_node = 4;
    cluster.mtbf = 4000;
    cluster.hang_every = 4000;
    cluster.hang_seconds = 300;
    cluster.failures = 0.03;
    cluster.most_experiments = 1 + seed % 3;
    cluster.seed = seed;
    JobOptions jobs;
    jobs.seconds = 600;
    jobs.grace_seconds = 60;
    jobs.idle_jobs = 100;
    const SimulationReport report = simulate(work, cluster, jobs, {});
    EXPECT_TRUE(report.complete) << report.why_not;
    EXPECT_EQ(report.done + report.failed, 4 * 168u);
  }
}

TEST_F(SweepTest, FourThousandWorkersShareFiftyExperiments) {
  std::vector<Size> sizes;
  for (std::uint32_t i = 0; i < 50; ++i) sizes.push_back({100, 1, 10.0 * (1 + i % 7)});
  SimulatedWork work = sweep(sizes);
  work.data_keys.assign(50, "the same");
  ClusterOptions cluster;
  cluster.workers = 4000;
  cluster.workers_per_node = 40;
  const SimulationReport report = simulate(work, cluster, {}, {});
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.cluster.data, 100u);
}

}  // namespace
}  // namespace seldon::orchestrator

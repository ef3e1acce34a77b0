// Cells that kill what runs them, over deaths of workers and restarts of whole jobs: they end FAILED, and
// nobody else does.

#include <random>
#include <set>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/orchestrator/rig.h"

namespace seldon::orchestrator {
namespace {

using ::testing::ElementsAre;

class SuspectsTest : public Rig {
 protected:
  /// One job: each worker in turn, in an order that is drawn, runs one cell of its pack. A cell of `killers`
  /// kills its worker, and without fault tolerance the job. False if the job died.
  bool run_job(Plan plan, int workers, Limits limits, const std::set<CellKey>& killers, std::mt19937& draw) {
    struct State {
      std::optional<message::Assign> assign;
      std::size_t next = 0;
      bool dead = false;
    };
    plan.experiments[0].start = [this](CellKey key) { return sink_.start(key); };
    start(plan, workers, limits);
    std::vector<State> states(static_cast<std::size_t>(workers) + 1);
    for (Peer worker = 1; worker <= workers; ++worker) {
      greet(worker, own_node(worker));
      while (hear(worker)) {
      }
      say(worker, message::Ready{});
    }
    while (!orchestrator_->finished()) {
      const Peer worker = std::uniform_int_distribution<Peer>(1, workers)(draw);
      State& state = states[static_cast<std::size_t>(worker)];
      if (state.dead) continue;
      if (!state.assign) {
        const auto arrival = hear(worker);
        if (!arrival) continue;
        state.assign = message::decode<message::Assign>(arrival->bytes.view());
        state.next = 0;
        if (state.assign->slots.wanted.size() == 1) ++singles_;
      }
      time_ += 1;
      if (state.next == state.assign->slots.wanted.size()) {
        const auto lease = state.assign->lease;
        state.assign.reset();
        say(worker, message::PackDone{lease, false});
        continue;
      }
      const std::uint32_t slot = state.assign->slots.wanted[state.next++];
      if (!killers.contains(state.assign->pack.cell(slot))) {
        report(worker, *state.assign, slot);
        continue;
      }
      ++deaths_;
      if (!limits.fault_tolerant) return false;
      state.dead = true;
      die(worker);
    }
    return true;
  }

  int deaths_ = 0, singles_ = 0;
};

struct Case {
  bool fault_tolerant;
  int workers;
  unsigned seed;
};

class KillersTest : public SuspectsTest, public ::testing::WithParamInterface<Case> {};

TEST_P(KillersTest, AreFoundAndTakeNobodyAlong) {
  const Case& c = GetParam();
  const std::set<CellKey> killers = {{0, 0, 0, 3}, {0, 0, 0, 4}, {0, 0, 1, 11}};
  Plan plan;
  for (std::uint32_t fraction = 0; fraction < 2; ++fraction)
    for (std::uint32_t trial = 0; trial < 40; trial += 5) {
      plan.packs.push_back({0, 0, fraction, trial, 5});
      plan.costs.push_back(5);
    }
  plan.experiments[0].models = {"qsa"};
  Limits limits;
  limits.fault_tolerant = c.fault_tolerant;
  std::mt19937 draw(c.seed);
  int jobs = 1;
  while (!run_job(plan, c.workers, limits, killers, draw) || !orchestrator_->snapshot().models.empty()) {
    const Snapshot now = orchestrator_->snapshot();
    if (now.done + now.failed == now.cells) break;
    ASSERT_LT(++jobs, 40);
  }
  EXPECT_EQ(sink_.count(CellState::done), 80u - killers.size());
  for (const CellKey key : killers) {
    EXPECT_EQ(sink_.entries[key].state, CellState::failed);
    EXPECT_THAT(sink_.entries[key].message, ::testing::HasSubstr("3 workers died or hung"));
    EXPECT_THAT(sink_.entries[key].message, ::testing::HasSubstr("the last on host"));
    EXPECT_THAT(sink_.entries[key].message, ::testing::HasSubstr("--retry failed"));
  }
  // In a pack, singly beside others, three times alone.
  EXPECT_LE(deaths_, static_cast<int>(killers.size()) * 5);
  EXPECT_GE(deaths_, static_cast<int>(killers.size()) * 3);
}

INSTANTIATE_TEST_SUITE_P(Seeds, KillersTest,
                         ::testing::Values(Case{false, 1, 1}, Case{false, 2, 2}, Case{false, 8, 3},
                                           Case{false, 8, 4}, Case{true, 1, 5}, Case{true, 4, 6},
                                           Case{true, 16, 7}, Case{true, 16, 8}),
                         [](const auto& test) {
                           return fmt::format("{}{}WorkersSeed{}",
                                              test.param.fault_tolerant ? "Tolerant" : "Fragile",
                                              test.param.workers, test.param.seed);
                         });

TEST_F(SuspectsTest, KillsOfTheWholeJobAtAnyTimeFailNobody) {
  std::mt19937 draw(9);
  for (const bool tolerant : {false, true}) {
    sink_ = {};
    Limits limits;
    limits.fault_tolerant = tolerant;
    // The job is killed after a cell or two of each worker, until all is done. What kills it is no cell.
    for (int job = 0; job < 30; ++job) {
      Plan plan = equal_packs(30, 5);
      plan.experiments[0].start = [this](CellKey key) { return sink_.start(key); };
      start(plan, 3, limits);
      for (Peer worker = 1; worker <= 3; ++worker) make_ready(worker);
      for (Peer worker = 1; worker <= 3; ++worker)
        if (const auto arrival = hear(worker)) {
          const auto assign = message::decode<message::Assign>(arrival->bytes.view());
          report(worker, assign, assign.slots.wanted.front());
        }
    }
    run_job(equal_packs(30, 5), 3, limits, {}, draw);
    EXPECT_EQ(sink_.count(CellState::done), 150u);
  }
}

TEST_F(SuspectsTest, RunLastAndSinglyWithTheOtherSlotsFilled) {
  Limits limits;
  limits.fault_tolerant = true;
  Plan plan = packs(2, 3);
  for (const std::uint32_t trial : {0u, 1u, 2u}) {
    sink_.entries[{0, 0, 0, trial}] = {CellState::leased, 1};
  }
  sink_.entries[{0, 0, 0, 2}] = {CellState::preempted, 1};
  plan.experiments[0].start = [this](CellKey key) { return sink_.start(key); };
  start(plan, 1, limits);
  EXPECT_EQ(orchestrator_->snapshot().suspects, 2u);
  EXPECT_EQ((sink_.entries[{0, 0, 0, 0}].state), CellState::lost);
  EXPECT_EQ((sink_.entries[{0, 0, 0, 0}].suspicion), (Suspicion{1, 0, false}));
  make_ready(1);

  const auto other = expect<message::Assign>(1);
  EXPECT_EQ(other.pack.fraction, 1u);  // three cells take longer than the one that is left
  finish(1, other);
  const auto rest = expect<message::Assign>(1);
  EXPECT_EQ(rest.pack.fraction, 0u);
  EXPECT_THAT(rest.slots.wanted, ElementsAre(2));
  EXPECT_THAT(rest.slots.filled, ElementsAre(0, 1));
  finish(1, rest);
  for (const std::uint32_t slot : {0u, 1u}) {
    const auto single = expect<message::Assign>(1);
    EXPECT_EQ(single.pack, rest.pack);
    EXPECT_EQ(single.attempt, 2u);
    EXPECT_THAT(single.slots.wanted, ElementsAre(slot));
    EXPECT_EQ(single.slots.filled.size(), 2u);
    finish(1, single);
  }
  EXPECT_TRUE(orchestrator_->snapshot().complete());
  EXPECT_EQ(orchestrator_->snapshot().suspects, 0u);
}

TEST_F(SuspectsTest, PreemptionsAndFarewellsCountForNothing) {
  start(packs(1, 2), 3);
  for (Peer worker = 1; worker <= 3; ++worker) make_ready(worker);
  expect<message::Assign>(1);
  say(1, message::Bye{});
  EXPECT_EQ((sink_.entries[{0, 0, 0, 0}].suspicion), Suspicion{});
  const auto second = expect<message::Assign>(2);
  EXPECT_THAT(second.slots.wanted, ElementsAre(0, 1));
  say(2, message::Fault{"no memory"});
  const auto third = expect<message::Assign>(3);
  EXPECT_THAT(third.slots.wanted, ElementsAre(0, 1));
  say(3, message::PackDone{third.lease, true});
  EXPECT_EQ(orchestrator_->snapshot().suspects, 0u);
  EXPECT_EQ(orchestrator_->snapshot().preempted, 6u);
}

TEST_F(SuspectsTest, WithoutFaultToleranceTheSecondTimeRunsWhileNothingElseDoes) {
  Plan plan = packs(1, 4);
  for (const std::uint32_t trial : {0u, 1u, 2u}) {
    sink_.entries[{0, 0, 0, trial}] = {CellState::leased, 1};
    sink_.entries[{0, 0, 0, trial}].suspicion.level =
        trial > 0 ? 1 : 0;  // these ran singly when the job died
  }
  plan.experiments[0].start = [this](CellKey key) { return sink_.start(key); };
  start(plan, 2);
  make_ready(1);
  make_ready(2);
  const auto rest = expect<message::Assign>(1);
  EXPECT_THAT(rest.slots.wanted, ElementsAre(3));
  const auto beside = expect<message::Assign>(2);
  EXPECT_THAT(beside.slots.wanted, ElementsAre(0));
  EXPECT_FALSE(sink_.entries[beside.pack.cell(0)].suspicion.alone);
  finish(1, rest);
  EXPECT_FALSE(hear(1));  // something still runs
  finish(2, beside);
  const auto alone = expect<message::Assign>(1);
  EXPECT_THAT(alone.slots.wanted, ElementsAre(1));
  EXPECT_EQ(sink_.entries[alone.pack.cell(1)].suspicion, (Suspicion{2, 0, true}));
  EXPECT_FALSE(hear(2));
  finish(1, alone);
  const auto last = expect<message::Assign>(1);
  EXPECT_THAT(last.slots.wanted, ElementsAre(2));
  EXPECT_FALSE(hear(2));
  finish(1, last);
  EXPECT_TRUE(orchestrator_->snapshot().complete());
}

TEST_F(SuspectsTest, CountsTheDeathOfACellThatRanAloneAtTheNextStart) {
  Plan plan = packs(1, 2);
  sink_.entries[{0, 0, 0, 0}] = {CellState::leased, 5, 1, 0, 0, 0, {2, 2, true}, "node7", ""};
  sink_.entries[{0, 0, 0, 1}] = {CellState::leased, 5, 1, 0, 0, 0, {2, 2, false}, "node7", ""};
  plan.experiments[0].start = [this](CellKey key) { return sink_.start(key); };
  start(plan, 2);
  EXPECT_EQ((sink_.entries[{0, 0, 0, 0}].state), CellState::failed);
  EXPECT_THAT((sink_.entries[{0, 0, 0, 0}].message), ::testing::HasSubstr("the last on node7"));
  EXPECT_EQ((sink_.entries[{0, 0, 0, 1}].state), CellState::lost);
  EXPECT_EQ(orchestrator_->snapshot().failed, 1u);
  EXPECT_EQ(orchestrator_->snapshot().judged_now, 1u);  // the other one was as suspicious before

  // It stays FAILED at the next start.
  Plan again = packs(1, 2);
  again.experiments[0].start = [this](CellKey key) { return sink_.start(key); };
  start(std::move(again), 2);
  EXPECT_EQ(orchestrator_->snapshot().failed, 1u);
  EXPECT_EQ(orchestrator_->snapshot().judged_now, 0u);
}

// A job that ends before their turn must not forget it: two such cells could bring down jobs in turn for
// ever.
TEST_F(SuspectsTest, WhatWentDownWithAJobRunsWhileNothingElseDoesInEveryLaterJob) {
  Plan plan = packs(1, 3);
  sink_.entries[{0, 0, 0, 0}] = {CellState::lost, 5, 1, 0, 0, 0, {2, 1, false}, "node7", ""};
  sink_.entries[{0, 0, 0, 1}] = {CellState::preempted, 4, 1, 0, 0, 0, {2, 0, false}, "node7", ""};
  sink_.entries[{0, 0, 0, 2}] = {CellState::lost, 9, 1, 0, 0, 0, {1, 0, false}, "node7", ""};
  plan.experiments[0].start = [this](CellKey key) { return sink_.start(key); };
  Limits limits;
  limits.fault_tolerant = true;
  start(plan, 2, limits);
  make_ready(1);
  make_ready(2);
  // Worker 2 has not had any work when the second is handed out.
  for (const auto& [slot, worker, other] : {std::tuple{2u, 1, 2}, {1u, 2, 1}, {0u, 1, 2}}) {
    const auto single = expect<message::Assign>(worker);
    EXPECT_THAT(single.slots.wanted, ElementsAre(slot));
    EXPECT_EQ(sink_.entries[single.pack.cell(slot)].suspicion.alone, slot != 2);
    EXPECT_FALSE(hear(other));
    finish(worker, single);
  }
  EXPECT_TRUE(orchestrator_->snapshot().complete());
}

TEST_F(SuspectsTest, ThoseThatHaveHadTheFewestTurnsGoFirst) {
  Plan plan = packs(1, 3);
  for (const std::uint32_t trial : {0u, 1u, 2u})
    sink_.entries[{0, 0, 0, trial}] = {CellState::preempted, 9 - trial, 1, 0, 0, 0,
                                       {1, 0, false},        "node7",   ""};
  plan.experiments[0].start = [this](CellKey key) { return sink_.start(key); };
  start(plan, 1);
  make_ready(1);
  for (const std::uint32_t slot : {2u, 1u, 0u}) {
    const auto single = expect<message::Assign>(1);
    EXPECT_THAT(single.slots.wanted, ElementsAre(slot));
    finish(1, single);
  }
}

// Or a job that is too short for the last, single tries fails the packs again and again.
TEST_F(SuspectsTest, TheLastTryIsSinglyInALaterJobToo) {
  for (const CellState state : {CellState::failed, CellState::preempted}) {
    Plan plan = packs(1, 2);
    plan.experiments[0].together = {true};
    for (const std::uint32_t trial : {0u, 1u}) sink_.entries[{0, 0, 0, trial}] = {state, 2, 1, 0, 0, 2};
    plan.experiments[0].start = [this](CellKey key) { return sink_.start(key); };
    start(plan, 2);
    make_ready(1);
    make_ready(2);
    for (const Peer worker : {1, 2}) {
      const auto single = expect<message::Assign>(worker);
      ASSERT_EQ(single.slots.wanted.size(), 1u);
      fail(worker, single);
    }
    EXPECT_EQ(orchestrator_->snapshot().failed, 2u);
  }
}

TEST_F(SuspectsTest, AHangCountsLikeADeath) {
  Limits limits;
  limits.fault_tolerant = true;
  start(packs(1, 1), 5, limits);
  for (Peer worker = 1; worker <= 5; ++worker) make_ready(worker);
  for (Peer worker = 1; worker <= 4; ++worker) {
    expect<message::Assign>(worker);
    time_ += 121;
    orchestrator_->turn();
    EXPECT_EQ(sink_.ends.back().how, LeaseEnd::silent);
  }
  EXPECT_EQ((sink_.entries[{0, 0, 0, 0}].state), CellState::failed);
  EXPECT_THAT(orchestrator_->suspended(), ElementsAre(1, 2, 3, 4));
  EXPECT_TRUE(orchestrator_->finished());
}

}  // namespace
}  // namespace seldon::orchestrator

// What goes to whom, and when nothing more does.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/orchestrator/rig.h"

namespace seldon::orchestrator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DispatchTest : public Rig {
 protected:
  /// The worker runs what it is given, `seconds` for each cell by fraction, until it gets nothing more. The
  /// fractions in that order.
  std::vector<std::uint32_t> work(Peer worker, const std::vector<double>& seconds) {
    std::vector<std::uint32_t> fractions;
    while (const auto arrival = hear(worker)) {
      const auto assign = message::decode<message::Assign>(arrival->bytes.view());
      fractions.push_back(assign.pack.fraction);
      time_ += seconds[assign.pack.fraction] * static_cast<double>(assign.slots.wanted.size());
      finish(worker, assign);
    }
    return fractions;
  }
};

TEST_F(DispatchTest, LongestFirst) {
  Plan plan = packs(3, 2);
  plan.costs = {1, 3, 2};
  start(plan, 1);
  make_ready(1);
  EXPECT_THAT(work(1, {1, 1, 1}), ElementsAre(1, 2, 0));
}

TEST_F(DispatchTest, LearnsWhatTakesLong) {
  Plan plan;
  plan.experiments[0].models = {"qsa", "baseline"};
  for (std::uint32_t trial = 0; trial < 3; ++trial) {
    plan.packs.push_back({0, 0, 0, trial, 1});
    plan.packs.push_back({0, 1, 1, trial, 1});
    plan.costs.insert(plan.costs.end(), {2, 1});
  }
  start(plan, 2);
  make_ready(1);
  make_ready(2);
  auto first = expect<message::Assign>(1), second = expect<message::Assign>(2);
  EXPECT_EQ(first.pack.model, 0u);
  EXPECT_EQ(second.pack.model, 0u);
  time_ += 1;
  finish(1, first);
  first = expect<message::Assign>(1);
  EXPECT_EQ(first.pack.model, 0u);
  finish(2, second);
  second = expect<message::Assign>(2);
  EXPECT_EQ(second.pack.model, 1u);
  time_ += 50;  // the baseline takes longer than anyone thought
  finish(2, second);
  EXPECT_NEAR(orchestrator_->snapshot().seconds_left, (1 * 1 + 50 * 2) / 2.0, 1);
}

TEST_F(DispatchTest, KnowsWhatEarlierRunsTook) {
  Plan plan = packs(3, 2);
  plan.experiments[0].known_seconds = {{1, 5, std::numeric_limits<double>::quiet_NaN()}};
  start(plan, 1);
  make_ready(1);
  EXPECT_EQ(expect<message::Assign>(1).pack.fraction, 1u);
}

TEST_F(DispatchTest, HandsOutNothingThatCannotEndBeforeTheJob) {
  Limits limits;
  limits.ends_at = time_ + 100;
  Plan plan = packs(4, 1);
  plan.packs.push_back({0, 0, 3, 1, 1});
  plan.costs = {40, 30, 24, 2, 2};
  start(plan, 1, limits);
  make_ready(1);
  // 40 s, then 30 s; 24 s do not fit into what the margin and the slack leave, two times 2 s do.
  EXPECT_THAT(work(1, {40, 30, 24, 2}), ElementsAre(0, 1, 3, 3));
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_TRUE(orchestrator_->snapshot().out_of_time);
  EXPECT_THAT(orchestrator_->why_idle(), HasSubstr("no pack that is left fits into the 26 s"));
  EXPECT_FALSE(orchestrator_->hopeless());  // it fits into the next job
  EXPECT_EQ(orchestrator_->snapshot().done, 4u);
}

TEST_F(DispatchTest, TheFirstPackOfAWorkerGoesOutInAnyCase) {
  Limits limits;
  limits.ends_at = time_ + 100;
  Plan plan = packs(3, 1);
  plan.experiments[0].known_seconds = {{200, 190, 90}};
  start(plan, 3, limits);
  EXPECT_FALSE(orchestrator_->hopeless());
  make_ready(1);
  make_ready(2);
  EXPECT_EQ(expect<message::Assign>(1).pack.fraction, 2u);  // the one that fits
  EXPECT_EQ(expect<message::Assign>(2).pack.fraction, 1u);  // then the shortest
}

TEST_F(DispatchTest, SaysWhenNoJobIsLongEnough) {
  Limits limits;
  limits.ends_at = time_ + 100;
  Plan plan = packs(2, 2);
  plan.experiments[0].known_seconds = {{90, 60}};
  start(plan, 1, limits);
  ASSERT_TRUE(orchestrator_->hopeless());
  EXPECT_THAT(*orchestrator_->hopeless(), HasSubstr("takes about 120 s"));
  EXPECT_THAT(*orchestrator_->hopeless(), HasSubstr("lasts 100 s"));
  EXPECT_THAT(*orchestrator_->hopeless(), HasSubstr("--time"));
  EXPECT_THAT(*orchestrator_->hopeless(), HasSubstr("smaller pack_size"));

  // One of its cells is enough where cells run one by one, but not where they run together.
  for (const bool together : {false, true}) {
    Plan half = packs(2, 2);
    half.experiments[0].known_seconds = {{90, 60}};
    half.experiments[0].together = {together};
    half.experiments[0].start = [](CellKey key) {
      return key.trial == 0 ? CellStart{CellState::done, 1, 0, false} : CellStart{};
    };
    start(std::move(half), 1, limits);
    EXPECT_EQ(orchestrator_->hopeless().has_value(), together);
  }
}

TEST_F(DispatchTest, LearnsDuringTheRunThatNoJobIsLongEnough) {
  Limits limits;
  limits.ends_at = time_ + 100;
  Plan plan = packs(3, 1);
  plan.costs = {40, 50, 50};
  start(plan, 1, limits);
  make_ready(1);
  const auto first = expect<message::Assign>(1);
  time_ += 150;  // the job lives on a little
  finish(1, first);
  EXPECT_TRUE(orchestrator_->finished());
  ASSERT_TRUE(orchestrator_->hopeless());
  EXPECT_THAT(*orchestrator_->hopeless(), HasSubstr("takes about"));
}

TEST_F(DispatchTest, DrainsByLettingPacksFinish) {
  start(packs(3, 2), 2);
  make_ready(1);
  make_ready(2);
  const auto first = expect<message::Assign>(1), second = expect<message::Assign>(2);
  orchestrator_->drain(60);
  orchestrator_->turn();
  EXPECT_FALSE(orchestrator_->finished());
  finish(1, first);
  EXPECT_FALSE(hear(1));
  EXPECT_FALSE(orchestrator_->finished());
  report(2, second, 0);
  time_ += 61;
  orchestrator_->turn();
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_EQ(expect<message::Cancel>(2).lease, second.lease);
  EXPECT_EQ(sink_.entries[second.pack.cell(0)].state, CellState::done);
  EXPECT_EQ(sink_.entries[second.pack.cell(1)].state, CellState::preempted);
  EXPECT_EQ(sink_.ends.back().how, LeaseEnd::preempted);
  EXPECT_EQ(orchestrator_->why_idle(), "the run was asked to end");
}

TEST_F(DispatchTest, DrainEndsWhenTheLastPackDoes) {
  start(packs(3, 2), 1);
  make_ready(1);
  const auto assign = expect<message::Assign>(1);
  orchestrator_->drain(60);
  finish(1, assign);
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_EQ(sink_.count(CellState::leased), 0u);
}

/// A batch system that suspends a job stops all of its processes.
TEST_F(DispatchTest, BlamesNobodyForTheTimeThatItStoodStill) {
  Limits limits;
  limits.cell_seconds = 50;
  start(packs(1, 2), 1, limits);
  make_ready(1);
  const auto assign = expect<message::Assign>(1);
  time_ += 1000;
  orchestrator_->stood_still(999);
  orchestrator_->turn();
  report(1, assign, 0);
  EXPECT_EQ(sink_.count(CellState::done), 1u);
  time_ += 90;  // in the pack's own time of 100 s
  report(1, assign, 1);
  EXPECT_EQ(sink_.count(CellState::done), 2u);
}

/// Whoever asks a run to end may lose patience and kill it: Slurm does, 30 s after SIGTERM.
TEST_F(DispatchTest, ExcusesWhatRunsWhenItIsAskedToEnd) {
  start(packs(2, 2), 1);
  make_ready(1);
  const auto assign = expect<message::Assign>(1);
  report(1, assign, 0);
  orchestrator_->drain(60);
  EXPECT_EQ(sink_.count(CellState::leased), 0u);
  EXPECT_EQ(sink_.count(CellState::preempted), 1u);
  report(1, assign, 1);  // in time
  EXPECT_EQ(sink_.count(CellState::preempted), 0u);
  EXPECT_EQ(sink_.count(CellState::done), 2u);
}

TEST_F(DispatchTest, PreemptsWithoutAWord) {
  start(packs(2, 2), 2);
  make_ready(1);
  make_ready(2);
  const auto first = expect<message::Assign>(1), second = expect<message::Assign>(2);
  report(1, first, 0);
  orchestrator_->preempt([](Peer) { return true; });
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_EQ(sink_.count(CellState::preempted), 3u);
  EXPECT_EQ(sink_.count(CellState::leased), 0u);
  EXPECT_FALSE(hear(1));
  EXPECT_FALSE(hear(2));
  report(2, second, 0);  // comes too late, and changes nothing
  EXPECT_EQ(sink_.count(CellState::preempted), 3u);
}

TEST_F(DispatchTest, DoesNotExcuseWhatTheDeadHold) {
  start(packs(3, 1), 3);
  for (const Peer peer : {1, 2, 3}) make_ready(peer);
  for (const Peer peer : {1, 2}) expect<message::Assign>(peer);
  const auto third = expect<message::Assign>(3);
  orchestrator_->preempt([](Peer peer) { return peer == 1; });
  EXPECT_EQ(sink_.count(CellState::preempted), 1u);
  EXPECT_EQ(sink_.count(CellState::leased), 2u);
  message::send(hub_->end(3), 0, message::PackDone{third.lease, true});  // alive after all
  orchestrator_->turn();
  EXPECT_EQ(sink_.count(CellState::preempted), 2u);
  EXPECT_EQ(sink_.count(CellState::leased), 1u);
}

TEST_F(DispatchTest, TellsWhoDoesWhatAndWhyNothingRuns) {
  start(packs(2, 2), 3);
  EXPECT_EQ(orchestrator_->why_idle(), "3 workers are starting");
  make_ready(1);
  const auto assign = expect<message::Assign>(1);
  EXPECT_EQ(orchestrator_->why_idle(), "");
  report(1, assign, 0);
  time_ += 5;
  report(1, assign, 1, CellState::failed);
  const auto roster = orchestrator_->roster();
  ASSERT_EQ(roster.size(), 3u);
  EXPECT_EQ(roster[0].peer, 1);
  EXPECT_EQ(roster[0].host, "host");
  EXPECT_EQ(roster[0].phase, WorkerPhase::busy);
  EXPECT_EQ(roster[0].pack, assign.pack);
  EXPECT_EQ(roster[0].since, 100);
  EXPECT_EQ(roster[0].cells, 1u);
  EXPECT_EQ(roster[0].failed, 1u);
  EXPECT_EQ(roster[1].phase, WorkerPhase::starting);
  EXPECT_FALSE(roster[1].pack);
  for (Peer worker = 1; worker <= 3; ++worker) die(worker);
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_EQ(orchestrator_->why_idle(), "no worker is left: 3 dead or gone, 0 taken out, 0 silent");
}

TEST_F(DispatchTest, TellsTheSinkHowEachLeaseEnded) {
  start(packs(2, 2), 1);
  make_ready(1);
  const auto assign = expect<message::Assign>(1);
  time_ += 7;
  report(1, assign, 0);
  report(1, assign, 1, CellState::failed);
  say(1, message::PackDone{assign.lease, false});
  ASSERT_EQ(sink_.ends.size(), 1u);
  const PackEnd& end = sink_.ends[0];
  EXPECT_EQ(end.pack, assign.pack);
  EXPECT_EQ(end.peer, 1);
  EXPECT_EQ(end.host, "host");
  EXPECT_EQ(end.attempt, 1u);
  EXPECT_EQ(end.ended - end.started, 7);
  EXPECT_EQ(end.wanted, 2u);
  EXPECT_EQ(end.done, 1u);
  EXPECT_EQ(end.failed, 1u);
  EXPECT_EQ(name_of(end.how), "finished");
}

}  // namespace
}  // namespace seldon::orchestrator

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/orchestrator/rig.h"

namespace seldon::orchestrator {
namespace {

using message::Tag;

class OrchestratorTest : public Rig {};

TEST_F(OrchestratorTest, HandsOutPacksInPlanOrderAndRecordsThem) {
  start(two_packs(), 1);
  make_ready(1);
  const auto first = expect<message::Assign>(1);
  EXPECT_EQ(first.pack, (Pack{0, 0, 1, 0, 3}));
  EXPECT_EQ(first.attempt, 1u);
  EXPECT_THAT(first.slots.wanted, ::testing::ElementsAre(0, 1, 2));
  EXPECT_EQ(sink_.entries[first.pack.cell(2)].state, CellState::leased);

  time_ += 10;
  finish(1, first);
  const auto glance = orchestrator_->snapshot();
  EXPECT_EQ(glance.done, 3u);
  EXPECT_EQ(glance.models[0].solutions, 2u);
  EXPECT_DOUBLE_EQ(glance.seconds_left, 1);  // cost 30 took 10 s, cost 3 is left

  finish(1, expect<message::Assign>(1));
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_TRUE(orchestrator_->snapshot().complete());
}

TEST_F(OrchestratorTest, KeepsWhatAnEarlierRunRecorded) {
  Plan plan = two_packs();
  plan.experiments[0].start = [](CellKey key) -> CellStart {
    if (key.fraction == 0) return {CellState::done, 1, 0, true};
    if (key.trial == 1) return {CellState::done, 1, 0, false};
    return {CellState::preempted, 2, 0, false};
  };
  for (const std::uint32_t trial : {0u, 2u}) sink_.entries[{0, 0, 1, trial}].attempt = 2;
  start(plan, 1);
  make_ready(1);
  const auto assign = expect<message::Assign>(1);
  EXPECT_EQ(assign.pack.width, 3u);  // whole, since numbers may depend on the width
  EXPECT_THAT(assign.slots.wanted, ::testing::ElementsAre(0, 2));
  EXPECT_EQ(assign.attempt, 3u);
  finish(1, assign);
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_EQ(orchestrator_->snapshot().models[0].solutions, 3u + 2u);
}

TEST_F(OrchestratorTest, HasNothingToDoForACompleteStore) {
  Plan plan = two_packs();
  plan.experiments[0].start = [](CellKey) { return CellStart{CellState::done, 1, 0, false}; };
  start(plan, 1);
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_TRUE(orchestrator_->snapshot().complete());
}

TEST_F(OrchestratorTest, RetriesAFailedCellTwiceAndRecordsItsNeighbours) {
  start(two_packs(), 1);
  make_ready(1);
  auto assign = expect<message::Assign>(1);
  report(1, assign, 0);
  report(1, assign, 1, CellState::failed);
  report(1, assign, 2);
  say(1, message::PackDone{assign.lease, false});
  const CellKey bad = assign.pack.cell(1);
  EXPECT_EQ(sink_.entries[bad].failures, 1u);
  EXPECT_EQ(sink_.entries[bad].message, "singular matrix");
  EXPECT_EQ(orchestrator_->snapshot().failed, 0u);

  for (const std::uint32_t attempt : {2u, 3u}) {
    assign = expect<message::Assign>(1);
    EXPECT_EQ(assign.attempt, attempt);
    EXPECT_EQ(assign.pack.width, 3u);
    EXPECT_THAT(assign.slots.wanted, ::testing::ElementsAre(1));
    EXPECT_THAT(assign.slots.filled, ::testing::IsEmpty());  // what is DONE may be computed again
    report(1, assign, 1, CellState::failed);
    say(1, message::PackDone{assign.lease, false});
  }
  finish(1, expect<message::Assign>(1));
  EXPECT_FALSE(hear(1));
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_FALSE(orchestrator_->snapshot().complete());
  EXPECT_EQ(orchestrator_->snapshot().failed, 1u);
  EXPECT_EQ(orchestrator_->snapshot().done, 5u);
}

TEST_F(OrchestratorTest, GoesOnWithTriesThatAnEarlierRunLeft) {
  Plan plan = two_packs();
  plan.experiments[0].start = [](CellKey key) -> CellStart {
    if (key.fraction == 1 && key.trial == 0) return {CellState::failed, 4, 2, false};
    if (key.fraction == 1 && key.trial == 1) return {CellState::failed, 3, 3, false};
    return {CellState::done, 1, 0, false};
  };
  sink_.entries[{0, 0, 1, 0}] = {CellState::failed, 4};
  start(plan, 1);
  EXPECT_EQ(orchestrator_->snapshot().failed, 1u);
  make_ready(1);
  const auto assign = expect<message::Assign>(1);
  EXPECT_THAT(assign.slots.wanted, ::testing::ElementsAre(0));
  report(1, assign, 0, CellState::failed);
  say(1, message::PackDone{assign.lease, false});
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_EQ(orchestrator_->snapshot().failed, 2u);
}

TEST_F(OrchestratorTest, TellsManyWorkersToBeatMoreRarely) {
  struct Case {
    int workers;
    double lease_seconds, expected;
  };
  // Once a second at most; a thousand a second of all; ten within a lease.
  for (const Case& c :
       {Case{1, 120, 1}, Case{1000, 120, 1}, Case{2500, 120, 2.5}, Case{2500, 20, 2}, Case{2500, 2, 1}}) {
    Limits limits;
    limits.lease_seconds = c.lease_seconds;
    start(two_packs(), c.workers, limits);
    greet(1);
    EXPECT_EQ(expect<message::Setup>(1).heartbeat_seconds, c.expected)
        << c.workers << ", " << c.lease_seconds;
  }
}

TEST_F(OrchestratorTest, CountsFailuresNotLeases) {
  Plan plan = two_packs();
  plan.experiments[0].start = [](CellKey key) -> CellStart {
    if (key.fraction != 1 || key.trial > 1) return {CellState::done, 1, 0, false};
    // Twice preempted, once failed; and one that was running its last try.
    return key.trial == 0 ? CellStart{CellState::failed, 3, 1, false}
                          : CellStart{CellState::preempted, 3, 2, false};
  };
  for (const std::uint32_t trial : {0u, 1u}) sink_.entries[{0, 0, 1, trial}].attempt = 3;
  start(plan, 1);
  make_ready(1);
  auto assign = expect<message::Assign>(1);
  EXPECT_EQ(assign.attempt, 4u);
  EXPECT_THAT(assign.slots.wanted, ::testing::ElementsAre(0));  // the other one's last try is singly
  report(1, assign, 0, CellState::failed);
  EXPECT_EQ(sink_.entries[assign.pack.cell(0)].failures, 2u);
  say(1, message::PackDone{assign.lease, false});

  assign = expect<message::Assign>(1);
  EXPECT_THAT(assign.slots.wanted, ::testing::ElementsAre(0));
  report(1, assign, 0);
  EXPECT_EQ(sink_.entries[assign.pack.cell(0)].failures, 2u);
  say(1, message::PackDone{assign.lease, false});

  assign = expect<message::Assign>(1);
  EXPECT_EQ(assign.attempt, 4u);
  EXPECT_THAT(assign.slots.wanted, ::testing::ElementsAre(1));
  report(1, assign, 1, CellState::failed);
  EXPECT_EQ(sink_.entries[assign.pack.cell(1)].failures, 3u);
  say(1, message::PackDone{assign.lease, false});
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_EQ(orchestrator_->snapshot().failed, 1u);
}

TEST_F(OrchestratorTest, HandsRepeatsOfRecordedCellsToTheSink) {
  Plan plan = two_packs();
  plan.experiments[0].start = [](CellKey key) -> CellStart {
    if (key.fraction == 0 || key.trial == 1) return {CellState::done, 1, 0, false};
    if (key.trial == 2) return {CellState::failed, 3, 3, false};
    return {};
  };
  sink_.entries[{0, 0, 1, 1}].state = CellState::done;
  start(plan, 1);
  make_ready(1);
  const auto assign = expect<message::Assign>(1);
  EXPECT_THAT(assign.slots.wanted, ::testing::ElementsAre(0));
  for (const std::uint32_t slot : {0u, 1u}) report(1, assign, slot);
  report(1, assign, 1, CellState::failed);  // says nothing about the record
  report(1, assign, 2);                     // FAILED stays FAILED unless asked
  say(1, message::PackDone{assign.lease, false});
  EXPECT_EQ(sink_.entries[assign.pack.cell(1)].repeats, 1u);
  EXPECT_FALSE(sink_.entries.contains(assign.pack.cell(2)));
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_EQ(orchestrator_->snapshot().done, 5u);
  EXPECT_EQ(orchestrator_->snapshot().failed, 1u);
  EXPECT_EQ(orchestrator_->snapshot().recorded_now, 1u);
}

TEST_F(OrchestratorTest, TreatsASilentCellOfAFinishedPackAsFailed) {
  start(two_packs(), 1);
  make_ready(1);
  const auto assign = expect<message::Assign>(1);
  report(1, assign, 0);
  say(1, message::PackDone{assign.lease, false});
  EXPECT_EQ(sink_.entries[assign.pack.cell(1)].failures, 1u);
  EXPECT_THAT(sink_.entries[assign.pack.cell(1)].message, ::testing::HasSubstr("without a word"));
}

TEST_F(OrchestratorTest, GivesASilentWorkersPackToAnotherAndRejectsTheLateAnswer) {
  start(two_packs(), 2);
  make_ready(1);
  make_ready(2);
  const auto hung = expect<message::Assign>(1);
  const auto other = expect<message::Assign>(2);
  report(1, hung, 0);
  time_ += 100;
  say(2, message::Heartbeat{other.lease});
  EXPECT_FALSE(hear(1));
  time_ += 30;
  orchestrator_->turn();
  EXPECT_EQ(sink_.entries[hung.pack.cell(1)].state, CellState::lost);
  EXPECT_EQ(sink_.entries[hung.pack.cell(0)].state, CellState::done);

  finish(2, other);
  const auto again = expect<message::Assign>(2);
  EXPECT_EQ(again.pack, hung.pack);
  EXPECT_EQ(again.attempt, 2u);
  EXPECT_THAT(again.slots.wanted, ::testing::ElementsAre(1));
  EXPECT_THAT(again.slots.filled, ::testing::ElementsAre(0, 2));

  report(1, hung, 1);  // it wakes up
  EXPECT_EQ(orchestrator_->snapshot().late, 1u);
  EXPECT_EQ(sink_.entries[hung.pack.cell(1)].state, CellState::leased);
  say(1, message::Heartbeat{hung.lease});
  EXPECT_EQ(expect<message::Cancel>(1).lease, hung.lease);
  say(1, message::PackDone{hung.lease, true});
  EXPECT_EQ(orchestrator_->snapshot().workers, 2);

  const auto last = expect<message::Assign>(1);
  EXPECT_THAT(last.slots.wanted, ::testing::ElementsAre(2));
  finish(1, last);
  finish(2, again);
  EXPECT_TRUE(orchestrator_->snapshot().complete());
}

TEST_F(OrchestratorTest, EndsIncompleteWhenNobodyIsLeft) {
  start(two_packs(), 2);
  greet(1);
  say(1, message::Fault{"no memory"});
  EXPECT_FALSE(orchestrator_->finished());
  greet(2, "far", "another version");
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_FALSE(orchestrator_->snapshot().complete());
}

TEST_F(OrchestratorTest, WaitsForAHungWorkerOnceMoreBeforeItGivesUp) {
  start(two_packs(), 1);
  make_ready(1);
  time_ += 130;
  orchestrator_->turn();
  EXPECT_FALSE(orchestrator_->finished());
  time_ += 119;
  orchestrator_->turn();
  EXPECT_FALSE(orchestrator_->finished());
  time_ += 2;
  orchestrator_->turn();
  EXPECT_TRUE(orchestrator_->finished());
}

TEST_F(OrchestratorTest, SendsTheDataOnceToEachNode) {
  start(two_packs(), 3);
  greet(1);
  greet(2);
  EXPECT_FALSE(expect<message::Setup>(1).place);
  EXPECT_EQ(hear(1)->tag, static_cast<int>(Tag::data));
  EXPECT_FALSE(hear(2));
  const message::SharedPlace place{7, 3, 11, 3};
  say(1, message::Placed{place, ""});
  EXPECT_EQ(expect<message::Setup>(2).place, place);
  greet(3);
  EXPECT_EQ(expect<message::Setup>(3).place, place);
  say(3, message::NeedData{"no /proc here"});
  EXPECT_EQ(hear(3)->tag, static_cast<int>(Tag::data));
}

TEST_F(OrchestratorTest, SuppliesANodeWhoseFirstWorkerNeverStarts) {
  start(two_packs(), 2);
  greet(1);
  time_ += 60;
  greet(2);
  time_ += 61;
  orchestrator_->turn();
  EXPECT_TRUE(expect<message::Setup>(2).share);
  EXPECT_EQ(hear(2)->tag, static_cast<int>(Tag::data));
}

TEST_F(OrchestratorTest, NeverSuspendsAWorkerThatWaitsForAnotherOfItsNode) {
  start(two_packs(), 2);
  greet(2);  // gets the data; worker 1 waits for it
  greet(1);
  time_ += 121;
  orchestrator_->turn();  // worker 2 is given up, and worker 1, silent for as long, takes its place
  EXPECT_TRUE(expect<message::Setup>(1).share);
  EXPECT_EQ(hear(1)->tag, static_cast<int>(Tag::data));
  time_ += 119;
  orchestrator_->turn();
  say(1, message::Ready{});
  EXPECT_EQ(expect<message::Assign>(1).attempt, 1u);
}

TEST_F(OrchestratorTest, StopsByTakingEveryPackBack) {
  start(two_packs(), 1);
  make_ready(1);
  const auto assign = expect<message::Assign>(1);
  report(1, assign, 0);
  orchestrator_->stop();
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_EQ(expect<message::Cancel>(1).lease, assign.lease);
  EXPECT_EQ(sink_.entries[assign.pack.cell(0)].state, CellState::done);
  EXPECT_EQ(sink_.entries[assign.pack.cell(1)].state, CellState::preempted);
  say(1, message::PackDone{assign.lease, true});
  EXPECT_FALSE(hear(1));
}

TEST_F(OrchestratorTest, RefusesACellThatWasNotAskedFor) {
  start(two_packs(), 1);
  make_ready(1);
  const auto assign = expect<message::Assign>(1);
  report(1, assign, 0);
  EXPECT_THROW(say(1, message::CellDone{assign.lease, {{0, 0, 1, 3}, CellState::done, {}, {}}}),
               InternalError);
  EXPECT_THROW(say(1, message::Assign{}), InternalError);
}

}  // namespace
}  // namespace seldon::orchestrator

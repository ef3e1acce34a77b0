// Time-outs, failures and bad workers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/orchestrator/rig.h"

namespace seldon::orchestrator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LeasesTest : public Rig {};

TEST_F(LeasesTest, APackMayTakeItsCellsTimeThenEachIsTriedSingly) {
  Limits limits;
  limits.cell_seconds = 10;
  start(equal_packs(1, 3), 2, limits);
  make_ready(1);
  make_ready(2);
  const auto slow = expect<message::Assign>(1);
  report(1, slow, 0);
  time_ += 29;
  say(1, message::Heartbeat{slow.lease});
  EXPECT_FALSE(hear(1));
  time_ += 2;
  say(1, message::Heartbeat{slow.lease});
  EXPECT_EQ(expect<message::Cancel>(1).lease, slow.lease);
  EXPECT_EQ(sink_.ends.back().how, LeaseEnd::timed_out);
  EXPECT_EQ(sink_.ends.back().failed, 2u);
  EXPECT_EQ((sink_.entries[{0, 0, 0, 1}].failures), 1u);
  EXPECT_THAT((sink_.entries[{0, 0, 0, 1}].message), HasSubstr("--cell-timeout"));

  auto single = expect<message::Assign>(2);
  EXPECT_THAT(single.slots.wanted, ElementsAre(1));
  EXPECT_THAT(single.slots.filled, ElementsAre(0, 2));
  finish(2, single);
  // The other one is what takes so long: FAILED after its tries, and nobody else.
  for (int attempt = 0; attempt < 2; ++attempt) {
    single = expect<message::Assign>(2);
    EXPECT_THAT(single.slots.wanted, ElementsAre(2));
    time_ += 11;
    orchestrator_->turn();
    EXPECT_EQ(expect<message::Cancel>(2).lease, single.lease);
    say(2, message::PackDone{single.lease, true});
  }
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_EQ(sink_.count(CellState::done), 2u);
  EXPECT_EQ((sink_.entries[{0, 0, 0, 2}].state), CellState::failed);
}

TEST_F(LeasesTest, ATimeOutOfAPackDoesNotUseUpTheLastTry) {
  Limits limits;
  limits.cell_seconds = 10;
  limits.max_tries = 1;
  start(equal_packs(1, 2), 1, limits);
  make_ready(1);
  const auto slow = expect<message::Assign>(1);
  time_ += 21;
  orchestrator_->turn();
  EXPECT_EQ(orchestrator_->snapshot().failed, 0u);
  EXPECT_EQ(expect<message::Cancel>(1).lease, slow.lease);
  say(1, message::PackDone{slow.lease, true});
  EXPECT_THAT(expect<message::Assign>(1).slots.wanted, ElementsAre(0));
}

TEST_F(LeasesTest, CellsThatFailTogetherHaveTheirLastTrySingly) {
  Plan plan = equal_packs(1, 3);
  plan.experiments[0].together = {true};
  start(plan, 1);
  make_ready(1);
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto whole = expect<message::Assign>(1);
    EXPECT_EQ(whole.slots.wanted.size(), 3u);
    fail(1, whole);
  }
  for (const std::uint32_t slot : {0u, 1u, 2u}) {
    const auto single = expect<message::Assign>(1);
    EXPECT_THAT(single.slots.wanted, ElementsAre(slot));
    EXPECT_EQ(single.slots.filled.size(), 2u);
    slot == 1 ? fail(1, single) : finish(1, single);
  }
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_EQ(orchestrator_->snapshot().done, 2u);
  EXPECT_EQ(orchestrator_->snapshot().failed, 1u);
}

TEST_F(LeasesTest, EndsWhenTooManyCellsHaveFailed) {
  Limits limits;
  limits.max_tries = 1;
  limits.max_fails = 2;
  start(equal_packs(3, 2), 2, limits);
  make_ready(1);
  make_ready(2);
  const auto first = expect<message::Assign>(1), other = expect<message::Assign>(2);
  fail(1, first);
  EXPECT_FALSE(orchestrator_->finished());
  fail(1, expect<message::Assign>(1));
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_TRUE(orchestrator_->snapshot().too_many_failed);
  EXPECT_EQ(expect<message::Cancel>(2).lease, other.lease);
  EXPECT_EQ(sink_.entries[other.pack.cell(0)].state, CellState::preempted);
  EXPECT_THAT(orchestrator_->why_idle(), HasSubstr("more than --max-fails 2"));
}

/// Workers of some nodes run packs of one cell until all is done; those of `bad` nodes fail at once.
class NodesTest : public Rig {
 protected:
  void run(int packs, const std::vector<std::string>& nodes, const std::set<std::string>& bad,
           const std::function<bool(CellKey)>& fails, Limits limits = {}) {
    share_ = false;
    const int workers = static_cast<int>(nodes.size());
    start(equal_packs(static_cast<std::uint32_t>(packs), 1), workers, limits);
    for (Peer worker = 1; worker <= workers; ++worker)
      make_ready(worker, nodes[static_cast<std::size_t>(worker) - 1]);
    std::vector<std::pair<double, message::Assign>> busy(nodes.size() + 1);
    for (int round = 0; round < 100 * packs && !orchestrator_->finished(); ++round) {
      time_ += 1;
      for (Peer worker = 1; worker <= workers; ++worker) {
        auto& [until, assign] = busy[static_cast<std::size_t>(worker)];
        const bool is_bad = bad.contains(nodes[static_cast<std::size_t>(worker) - 1]);
        if (assign.lease == 0) {
          const auto arrival = hear(worker);
          if (!arrival || arrival->tag != static_cast<int>(message::Tag::assign)) continue;
          assign = message::decode<message::Assign>(arrival->bytes.view());
          until = time_ + (is_bad ? 0 : 10);
          ++leases_[worker];
        }
        if (time_ < until) continue;
        const auto whole = std::exchange(assign, {});
        is_bad || fails(whole.pack.cell(0)) ? fail(worker, whole) : finish(worker, whole);
      }
    }
  }

  std::uint64_t barred() const {
    std::uint64_t count = 0;
    for (const WorkerStatus& status : orchestrator_->roster()) count += status.phase == WorkerPhase::barred;
    return count;
  }
  std::map<Peer, int> leases_;
};

constexpr auto nothing_fails = [](CellKey) { return false; };

TEST_F(NodesTest, ABadNodeIsTakenOutAndCostsNoCellATry) {
  run(300, {"bad", "bad", "bad", "good", "good", "fine"}, {"bad"}, nothing_fails);
  EXPECT_TRUE(orchestrator_->snapshot().complete());
  EXPECT_EQ(barred(), 3u);
  EXPECT_GT(sink_.refunds, 0);  // of the cells that waited when it was found out
  EXPECT_LE(leases_[1] + leases_[2] + leases_[3], 3 * 20);
}

TEST_F(NodesTest, ABadWorkerIsTakenOutOfItsNode) {
  // Each rank has a node of its own name only in `bad`; here all are on one.
  share_ = false;
  start(equal_packs(100, 1), 3);
  for (Peer worker = 1; worker <= 3; ++worker) make_ready(worker, "one");
  for (int round = 0; round < 400 && !orchestrator_->finished(); ++round) {
    time_ += 1;
    for (Peer worker = 1; worker <= 3; ++worker) {
      const auto arrival = hear(worker);
      if (!arrival) continue;
      const auto assign = message::decode<message::Assign>(arrival->bytes.view());
      worker == 2 ? fail(worker, assign) : finish(worker, assign);
    }
  }
  EXPECT_TRUE(orchestrator_->snapshot().complete());
  EXPECT_EQ(orchestrator_->roster()[1].phase, WorkerPhase::barred);
  EXPECT_EQ(barred(), 1u);
}

TEST_F(NodesTest, CellsThatFailEverywhereTakeNobodyOut) {
  const auto every_third = [](CellKey key) { return key.trial % 3 == 0; };
  run(300, {"a", "a", "b", "b", "c", "c"}, {}, every_third);
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_EQ(barred(), 0u);
  EXPECT_EQ(orchestrator_->snapshot().done, 200u);
  EXPECT_EQ(orchestrator_->snapshot().failed, 100u);
}

TEST_F(NodesTest, ARunWhereEverythingFailsEndsWithEveryTryMade) {
  run(60, {"a", "a", "b", "b"}, {"a", "b"}, nothing_fails);
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_EQ(barred(), 0u);
  EXPECT_EQ(orchestrator_->snapshot().failed, 60u);
  for (const auto& [key, entry] : sink_.entries) EXPECT_EQ(entry.leases, 3u);
}

TEST_F(NodesTest, ARegionOfFailuresTakesNobodyOut) {
  const auto region = [](CellKey key) { return key.trial >= 100 && key.trial < 200; };
  run(400, {"a", "a", "b", "b", "c", "c"}, {}, region);
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_EQ(barred(), 0u);
  EXPECT_EQ(orchestrator_->snapshot().failed, 100u);
  EXPECT_EQ(orchestrator_->snapshot().done, 300u);
}

TEST_F(NodesTest, ABadNodeThatIsReadyFirstFailsNothingForGood) {
  share_ = false;
  start(equal_packs(50, 1), 2);
  make_ready(1, "bad");
  for (int round = 0; round < 500; ++round)
    if (const auto arrival = hear(1)) fail(1, message::decode<message::Assign>(arrival->bytes.view()));
  EXPECT_EQ(orchestrator_->snapshot().failed, 0u);
  make_ready(2, "good");
  for (int round = 0; round < 500 && !orchestrator_->finished(); ++round) {
    if (const auto arrival = hear(2)) finish(2, message::decode<message::Assign>(arrival->bytes.view()));
    if (const auto arrival = hear(1)) fail(1, message::decode<message::Assign>(arrival->bytes.view()));
  }
  EXPECT_TRUE(orchestrator_->snapshot().complete());
  EXPECT_EQ(orchestrator_->roster()[0].phase, WorkerPhase::barred);
}

TEST_F(NodesTest, OneTryOnlyStillEnds) {
  Limits limits;
  limits.max_tries = 1;
  run(60, {"a", "a", "b"}, {"a"}, nothing_fails, limits);
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_EQ(orchestrator_->snapshot().done + orchestrator_->snapshot().failed, 60u);
}

TEST_F(NodesTest, WhatIsComputedByAWorkerThatWasTakenOutIsDropped) {
  run(300, {"bad", "good"}, {"bad"}, nothing_fails);
  ASSERT_EQ(barred(), 1u);
  CellReport late{{0, 0, 0, 0}, CellState::done, {}, {}};
  say(1, message::CellDone{1, std::move(late)});
  EXPECT_EQ(orchestrator_->snapshot().late, 1u);
  say(1, message::PackDone{1, true});
  EXPECT_EQ(orchestrator_->roster()[0].phase, WorkerPhase::barred);
}

}  // namespace
}  // namespace seldon::orchestrator

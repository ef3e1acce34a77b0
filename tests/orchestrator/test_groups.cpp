// Packs that several workers run together.

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "orchestrator/simulation.h"
#include "tests/orchestrator/rig.h"

namespace seldon::orchestrator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GroupsTest : public Rig {
 protected:
  void SetUp() override {
    Rig::SetUp();
    share_ = false;
  }
  /// Packs of two cells that take `ranks` workers each.
  static Plan group_packs(std::uint32_t count, std::uint32_t ranks) {
    Plan plan = equal_packs(count, 2);
    plan.experiments[0].ranks = {ranks};
    return plan;
  }
};

TEST_F(GroupsTest, WaitsForAllItsMembersAndTellsEachOfThem) {
  start(group_packs(1, 3), 3);
  make_ready(1);
  make_ready(2);
  EXPECT_FALSE(hear(1));
  make_ready(3);
  std::vector<message::Assign> assigns;
  for (const Peer worker : {1, 2, 3}) assigns.push_back(expect<message::Assign>(worker));
  for (const auto& assign : assigns) EXPECT_EQ(assign, assigns[0]);
  EXPECT_THAT(assigns[0].group.ranks, ::testing::UnorderedElementsAre(1, 2, 3));
  EXPECT_EQ(assigns[0].group.number, assigns[0].lease);
  const Peer first = assigns[0].group.ranks[0], second = assigns[0].group.ranks[1],
             third = assigns[0].group.ranks[2];
  say(second, message::PackDone{assigns[0].lease, false});
  for (const std::uint32_t slot : {0u, 1u}) report(first, assigns[0], slot);
  say(first, message::PackDone{assigns[0].lease, false});
  EXPECT_TRUE(orchestrator_->snapshot().complete());
  EXPECT_FALSE(hear(third));  // it is just about to say so
  say(third, message::PackDone{assigns[0].lease, false});
  ASSERT_EQ(sink_.ends.size(), 1u);
  EXPECT_EQ(sink_.ends[0].done, 2u);
}

TEST_F(GroupsTest, PrefersWorkersOfOneNode) {
  start(group_packs(1, 2), 4);
  make_ready(1, "a");
  // Of the others two are on one node: whoever comes when two are there gets the pack.
  const auto first = [&] {
    for (Peer peer = 1; peer <= 4; ++peer)
      if (const auto arrival = hear(peer))
        return message::decode<message::Assign>(arrival->bytes.view()).group.ranks;
    return std::vector<Peer>();
  };
  greet(2, "b"), greet(3, "c"), greet(4, "b");
  for (const Peer peer : {2, 3, 4}) hear(peer), hear(peer);
  for (const Peer peer : {2, 3, 4}) message::send(hub_->end(peer), 0, message::Ready{});
  orchestrator_->turn();
  EXPECT_THAT(first(), ::testing::UnorderedElementsAre(2, 4));
}

TEST_F(GroupsTest, TheDeathOfAnyMemberEndsTheLeaseAndThePackGoesToOthers) {
  for (const std::size_t victim : {0u, 1u}) {
    sink_ = {};
    start(group_packs(1, 2), 4);
    make_ready(1, "n");
    make_ready(2, "n");
    const auto assign = expect<message::Assign>(1);
    expect<message::Assign>(2);
    report(assign.group.ranks[0], assign, 0);
    const Peer dead = assign.group.ranks[victim], other = assign.group.ranks[1 - victim];
    die(dead);
    EXPECT_EQ(expect<message::Cancel>(other).lease, assign.lease);
    EXPECT_EQ((sink_.entries[{0, 0, 0, 1}].state), CellState::lost);
    EXPECT_EQ((sink_.entries[{0, 0, 0, 1}].suspicion.level), 1u);
    make_ready(3, "n");
    EXPECT_FALSE(hear(3));  // the other one has not said yet that it is through
    report(other, assign, 1);
    EXPECT_EQ(orchestrator_->snapshot().late, 1u);
    say(other, message::PackDone{assign.lease, true});
    const auto again = expect<message::Assign>(3);
    EXPECT_THAT(again.group.ranks, ::testing::UnorderedElementsAre(other, 3));
    EXPECT_GT(again.group.number, assign.group.number);
    EXPECT_THAT(again.slots.wanted, ElementsAre(1));  // singly
    EXPECT_EQ(expect<message::Assign>(other), again);
    report(again.group.ranks[0], again, 1);
    EXPECT_TRUE(orchestrator_->snapshot().complete());
  }
}

TEST_F(GroupsTest, ASilentMemberEndsTheLease) {
  start(group_packs(1, 2), 3);
  make_ready(1, "n");
  make_ready(2, "n");
  const auto assign = expect<message::Assign>(1);
  expect<message::Assign>(2);
  const Peer first = assign.group.ranks[0], second = assign.group.ranks[1];
  time_ += 100;
  say(first, message::Heartbeat{assign.lease});
  time_ += 30;
  orchestrator_->turn();
  EXPECT_EQ(sink_.ends.back().how, LeaseEnd::silent);
  EXPECT_EQ(expect<message::Cancel>(first).lease, assign.lease);
  say(first, message::PackDone{assign.lease, true});
  make_ready(3, "n");
  EXPECT_THAT(expect<message::Assign>(3).group.ranks, ::testing::UnorderedElementsAre(first, 3));
  say(second, message::PackDone{assign.lease, true});  // it wakes up
  EXPECT_EQ(orchestrator_->snapshot().workers, 3);
}

TEST_F(GroupsTest, AnExceptionOfAMemberFailsThePack) {
  start(group_packs(1, 2), 2);
  make_ready(1);
  make_ready(2);
  const auto assign = expect<message::Assign>(1);
  expect<message::Assign>(2);
  const Peer first = assign.group.ranks[0], second = assign.group.ranks[1];
  say(second, message::PackDone{assign.lease, false, "out of memory"});
  EXPECT_EQ((sink_.entries[{0, 0, 0, 0}].failures), 1u);
  EXPECT_THAT((sink_.entries[{0, 0, 0, 0}].message), HasSubstr("out of memory"));
  EXPECT_EQ(expect<message::Cancel>(first).lease, assign.lease);
  say(first, message::PackDone{assign.lease, true});
  const auto again = expect<message::Assign>(first);
  EXPECT_EQ(again.attempt, 2u);
  for (const std::uint32_t slot : {0u, 1u}) report(again.group.ranks[0], again, slot);
  EXPECT_TRUE(orchestrator_->snapshot().complete());
}

/// Everything fails where worker 6 takes part. Once it is found out, those that were with it go on working,
/// in whatever order members say that they are through.
TEST_F(GroupsTest, WhoeverWasInTheGroupOfAGuiltyWorkerWorksOn) {
  constexpr Peer bad = 6;
  int barred = 0;
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    sink_ = {};
    start(group_packs(200, seed % 2 == 0 ? 2 : 3), bad);
    for (Peer worker = 1; worker <= bad; ++worker) make_ready(worker, "n");
    struct Running {
      message::Assign assign;
      bool told = false;
    };
    std::map<Peer, Running> running;
    const auto take_in = [&] {
      for (Peer worker = 1; worker <= bad; ++worker)
        while (const auto arrival = hear(worker)) {
          if (arrival->tag == static_cast<int>(message::Tag::assign))
            running[worker] = {message::decode<message::Assign>(arrival->bytes.view())};
          else if (arrival->tag == static_cast<int>(message::Tag::cancel) && running.contains(worker) &&
                   running[worker].assign.lease ==
                       message::decode<message::Cancel>(arrival->bytes.view()).lease)
            running[worker].told = true;
        }
    };
    for (take_in(); !running.empty(); take_in()) {
      auto next = running.begin();
      std::advance(next, static_cast<std::ptrdiff_t>(random() % running.size()));
      const auto [worker, run] = *next;
      running.erase(next);
      const auto& ranks = run.assign.group.ranks;
      const bool fails = std::ranges::find(ranks, bad) != ranks.end();
      if (worker == ranks.front() && !run.told)
        for (const std::uint32_t slot : run.assign.slots.wanted)
          report(worker, run.assign, slot, fails ? CellState::failed : CellState::done);
      say(worker, message::PackDone{run.assign.lease, run.told});
    }
    EXPECT_THAT(orchestrator_->suspended(), ::testing::IsEmpty());
    EXPECT_TRUE(orchestrator_->snapshot().complete());
    for (const WorkerStatus& worker : orchestrator_->roster()) {
      if (worker.phase == WorkerPhase::barred) {
        EXPECT_EQ(worker.peer, bad);
        ++barred;
      }
    }
  }
  EXPECT_GT(barred, 20);
}

TEST_F(GroupsTest, StopsAndDrainsAsOne) {
  for (const bool drain : {true, false}) {
    sink_ = {};
    start(group_packs(2, 2), 2);
    make_ready(1);
    make_ready(2);
    const auto assign = expect<message::Assign>(1);
    expect<message::Assign>(2);
    const Peer first = assign.group.ranks[0], second = assign.group.ranks[1];
    report(first, assign, 0);
    if (drain) {
      orchestrator_->drain(60);
      report(first, assign, 1);
      say(second, message::PackDone{assign.lease, false});
      EXPECT_FALSE(orchestrator_->finished());
      say(first, message::PackDone{assign.lease, false});
      EXPECT_EQ(sink_.count(CellState::done), 2u);
    } else {
      orchestrator_->stop();
      for (const Peer peer : {first, second}) EXPECT_EQ(expect<message::Cancel>(peer).lease, assign.lease);
      EXPECT_EQ(sink_.count(CellState::preempted), 1u);
    }
    EXPECT_TRUE(orchestrator_->finished());
    EXPECT_EQ(sink_.count(CellState::leased), 0u);
  }
}

TEST_F(GroupsTest, EndsIncompleteWhereThereCannotBeEnoughWorkers) {
  start(group_packs(1, 4), 3);
  for (const Peer worker : {1, 2, 3}) make_ready(worker);
  EXPECT_TRUE(orchestrator_->finished());
  EXPECT_FALSE(orchestrator_->snapshot().complete());
  EXPECT_THAT(orchestrator_->why_idle(), HasSubstr("takes 4 workers at once, there are 3"));
}

TEST_F(GroupsTest, SmallPacksGoBesideAGroupThatIsAwaitedIfTheyEndInTime) {
  Plan plan;
  plan.experiments[0].models = {"wide", "narrow"};
  plan.experiments[0].ranks = {2, 1};
  plan.experiments[0].known_seconds = {{100}, {40, 10, 30}};
  plan.packs = {{0, 0, 0, 0, 1}, {0, 1, 0, 0, 1}, {0, 1, 1, 0, 1}, {0, 1, 2, 0, 1}};
  plan.costs = {100, 40, 10, 30};
  plan.packs.insert(plan.packs.begin(), {0, 0, 0, 1, 1});
  plan.costs.insert(plan.costs.begin(), 100);
  start(plan, 3);
  make_ready(1, "n");
  make_ready(2, "n");
  make_ready(3);
  // Two run the first wide pack. The next one is awaited, for 100 s: what fits in there goes to the third.
  const auto wide = expect<message::Assign>(1);
  ASSERT_EQ(wide.pack.model, 0u);
  EXPECT_EQ(expect<message::Assign>(2), wide);
  const auto narrow = expect<message::Assign>(3);
  EXPECT_EQ(narrow.pack.fraction, 0u);  // 40 s
  time_ += 40;
  finish(3, narrow);
  const auto next = expect<message::Assign>(3);
  EXPECT_EQ(next.pack.fraction, 2u);  // 30 s of the 60 s that are left
  time_ += 55;
  finish(3, next);
  EXPECT_FALSE(hear(3));  // 10 s would be too long
  time_ += 5;
  const Peer first = wide.group.ranks[0], second = wide.group.ranks[1];
  report(first, wide, 0);
  say(first, message::PackDone{wide.lease, false});
  const auto second_wide = expect<message::Assign>(3);
  EXPECT_EQ(second_wide.pack.model, 0u);
  EXPECT_EQ(expect<message::Assign>(first), second_wide);
  say(second, message::PackDone{wide.lease, false});
  EXPECT_EQ(expect<message::Assign>(second).pack.fraction, 1u);
}

// ---- simulated ------------------------------------------------------------------------------------------

/// Two models, the first of which takes `ranks` workers for each pack; both as much work.
SimulatedWork mixed(std::uint32_t ranks, std::uint32_t trials, double seconds) {
  SimulatedWork work;
  work.models = {"wide", "narrow"};
  work.together = {true, false};
  work.seldonian = {true, false};
  work.ranks = {ranks, 1};
  for (std::uint32_t fraction = 0; fraction < 2; ++fraction)
    for (std::uint32_t model = 0; model < 2; ++model)
      for (std::uint32_t trial = 0; trial < trials; trial += 2) {
        work.packs.push_back({0, model, fraction, trial, 2});
        work.costs.push_back(2 * seconds * (fraction + 1));
      }
  work.seconds = spread_seconds(work.packs, work.costs, 0.3, 1);
  return work;
}

class GroupSimulation : public ::testing::Test {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }
};

TEST_F(GroupSimulation, WidePacksAreNotStarvedByNarrowOnes) {
  for (const std::uint32_t ranks : {2u, 4u}) {
    const SimulatedWork work = mixed(ranks, 200, 10);
    ClusterOptions cluster;
    cluster.workers = 16;
    cluster.workers_per_node = 4;
    const SimulationReport report = simulate(work, cluster, {}, {});
    EXPECT_TRUE(report.complete);
    EXPECT_EQ(report.leases, 800u);
    EXPECT_EQ(report.cluster.groups, 200u);
    EXPECT_GT(ideal(work, cluster).makespan() / report.makespan, 0.85) << ranks;
  }
}

TEST_F(GroupSimulation, GroupsStayOnTheirNodes) {
  SimulatedWork work = mixed(4, 400, 10);
  std::erase_if(work.packs, [](const Pack& pack) { return pack.model == 1 && pack.first_trial > 0; });
  work.costs.clear();
  for (const Pack& pack : work.packs) work.costs.push_back(20.0 * (pack.fraction + 1));
  ClusterOptions cluster;
  cluster.workers = 16;
  cluster.workers_per_node = 4;
  const SimulationReport report = simulate(work, cluster, {}, {});
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.cluster.groups, 400u);
  EXPECT_GT(report.cluster.groups_of_a_node, 360u);
}

TEST_F(GroupSimulation, EveryChainOfJobsEndsWithEachCellDoneOrFailed) {
  std::uint64_t late = 0, deaths = 0, hangs = 0, jobs_in_all = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(std::string("seed ").append(std::to_string(seed)));
    SimulatedWork work = mixed(seed % 2 == 0 ? 2 : 4, 20, 10);
    ClusterOptions cluster;
    cluster.workers = 8 + static_cast<int>(seed % 9);
    cluster.workers_per_node = 4;
    cluster.seed = seed;
    cluster.survives_deaths = seed % 5 != 0;
    cluster.mtbf = seed % 3 == 0 ? 3000 : never;
    cluster.hang_every = seed % 4 < 2 ? 2000 : never;
    cluster.hang_seconds = 200;
    cluster.failures = seed % 7 == 0 ? 0.1 : 0;
    cluster.killers = seed % 11 == 0 ? 1 : 0;
    cluster.bad_nodes = seed % 13 == 0 ? 1 : 0;
    JobOptions jobs;
    jobs.grace_seconds = 30;
    if (seed % 2 == 0) jobs.seconds = 400;
    if (seed % 6 == 0) jobs.preempted_every = 500;
    jobs.restarts = 2000;
    jobs.idle_jobs = 100;
    const SimulationReport report = simulate(work, cluster, jobs, {});
    EXPECT_TRUE(report.complete) << report.why_not << ", " << report.cells - report.done - report.failed
                                 << " cells are left after " << report.jobs << " jobs";
    late += report.late;
    deaths += report.cluster.deaths;
    hangs += report.cluster.hangs;
    jobs_in_all += report.jobs;
  }
  EXPECT_GT(late, 10u);
  EXPECT_GT(deaths, 100u);
  EXPECT_GT(hangs, 100u);
  EXPECT_GT(jobs_in_all, 400u);
}

TEST_F(GroupSimulation, AThousandWorkersFormGroupsQuickly) {
  const SimulatedWork work = mixed(4, 5000, 20);
  ClusterOptions cluster;
  cluster.workers = 1000;
  cluster.workers_per_node = 4;
  const auto begin = std::chrono::steady_clock::now();
  const SimulationReport report = simulate(work, cluster, {}, {});
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_TRUE(report.complete);
  RecordProperty("seconds", std::to_string(seconds));
  EXPECT_LT(seconds, 20);
  EXPECT_GT(ideal(work, cluster).makespan() / report.makespan, 0.85);
}

TEST_F(GroupSimulation, EndsIncompleteWhenTooFewAreLeft) {
  ClusterOptions cluster;
  cluster.workers = 3;
  JobOptions jobs;
  jobs.restarts = 0;
  const SimulationReport report = simulate(mixed(4, 20, 10), cluster, jobs, {});
  EXPECT_FALSE(report.complete);
  EXPECT_EQ(report.done, 40u);  // the narrow ones
  EXPECT_THAT(report.why_not, HasSubstr("takes 4 workers at once, there are 3"));
}

}  // namespace
}  // namespace seldon::orchestrator

// The real orchestrator on simulated clusters: seeds swept over mixtures of faults, and orchestrators that
// break a promise.

#include <numeric>

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "orchestrator/simulation.h"

namespace seldon::orchestrator {
namespace {

/// `models` models, the last ones baselines; fractions whose cost doubles; cells of `seconds` at the first.
SimulatedWork grid(std::uint32_t models, std::uint32_t fractions, std::uint32_t trials, std::uint32_t width,
                   double seconds = 10, double spread = 0.3) {
  SimulatedWork work;
  for (std::uint32_t model = 0; model < models; ++model) {
    work.models.push_back(std::string("m").append(std::to_string(model)));
    work.together.push_back(model % 2 == 1);
    work.seldonian.push_back(model == 0);
  }
  for (std::uint32_t fraction = fractions; fraction-- > 0;)
    for (std::uint32_t model = 0; model < models; ++model)
      for (std::uint32_t trial = 0; trial < trials; trial += width) {
        work.packs.push_back({0, model, fraction, trial, std::min(width, trials - trial)});
        work.costs.push_back(seconds * work.packs.back().width * static_cast<double>(1U << fraction));
      }
  work.seconds = spread_seconds(work.packs, work.costs, spread, 1);
  return work;
}

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

/// Hundreds of warnings are what these tests are about.
class SimulationTest : public ::testing::Test {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }
};

TEST_F(SimulationTest, WithoutFaultsEveryCellIsRecordedAtItsFirstTry) {
  const SimulatedWork work = grid(2, 4, 100, 5);
  ClusterOptions cluster;
  cluster.workers = 20;
  const SimulationReport report = simulate(work, cluster, {}, {});
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.cells, 800u);
  EXPECT_EQ(report.done, 800u);
  EXPECT_EQ(report.leases, 800u);
  EXPECT_EQ(report.jobs, 1u);
  EXPECT_EQ(report.cluster.assigned, work.packs.size());
  EXPECT_NEAR(report.useful, sum(work.seconds), 1e-6 * report.useful);
  EXPECT_NEAR(report.lost(), 0, 1e-6 * report.useful);
  EXPECT_GE(report.makespan, ideal(work, cluster).makespan());
}

TEST_F(SimulationTest, AThousandWorkersAreBusyWhileThereIsWork) {
  const SimulatedWork work = grid(3, 6, 4000, 1, 20);
  ClusterOptions cluster;
  cluster.workers = 1000;
  const SimulationReport report = simulate(work, cluster, {}, {});
  EXPECT_TRUE(report.complete);
  EXPECT_GT(ideal(work, cluster).makespan() / report.makespan, 0.97);
}

TEST_F(SimulationTest, TheSameSeedTellsTheSameStory) {
  const SimulatedWork work = grid(2, 3, 60, 4);
  ClusterOptions cluster;
  cluster.workers = 30;
  cluster.mtbf = 3000;
  cluster.hang_every = 3000;
  cluster.failures = 0.05;
  const SimulationReport once = simulate(work, cluster, {}, {}), again = simulate(work, cluster, {}, {});
  EXPECT_EQ(once.makespan, again.makespan);
  EXPECT_EQ(once.cluster.messages, again.cluster.messages);
  cluster.seed = 2;
  EXPECT_NE(once.makespan, simulate(work, cluster, {}, {}).makespan);
}

struct Mixture {
  const char* name;
  ClusterOptions cluster;
  JobOptions jobs = {};
};

std::vector<Mixture> mixtures() {
  std::vector<Mixture> all;
  const auto add = [&](const char* name) -> Mixture& { return all.emplace_back(Mixture{name, {}}); };
  add("losses").cluster.mtbf = 2000;
  add("hangs").cluster.hang_every = 1500;
  add("failures").cluster.failures = 0.1;
  Mixture& late = add("stragglers that come late");
  late.cluster.straggler_share = 0.2;
  late.cluster.straggler_factor = 5;
  late.cluster.late_share = 0.3;
  late.cluster.late_seconds = 600;
  Mixture& nodes = add("nodes lost within a job");
  nodes.cluster.node_mtbf = 4000;
  nodes.cluster.survives_node_losses = true;
  add("nodes that take the job along").cluster.node_mtbf = 4000;
  Mixture& plain = add("an MPI without fault tolerance");
  plain.cluster.mtbf = 12000;
  plain.cluster.survives_deaths = false;
  Mixture& bad = add("a bad node");
  bad.cluster.bad_nodes = 1;
  bad.cluster.mtbf = 8000;
  Mixture& limited = add("time limits");
  limited.jobs.seconds = 300;
  limited.jobs.grace_seconds = 60;
  Mixture& preempted = add("preemptions");
  preempted.jobs.preempted_every = 500;
  preempted.jobs.grace_seconds = 30;
  Mixture& every = add("everything");
  every.cluster.mtbf = 6000;
  every.cluster.node_mtbf = 6000;
  every.cluster.hang_every = 5000;
  every.cluster.failures = 0.03;
  every.cluster.straggler_share = 0.1;
  every.cluster.straggler_factor = 3;
  every.cluster.late_share = 0.1;
  every.cluster.late_seconds = 300;
  every.jobs.seconds = 900;
  every.jobs.grace_seconds = 60;
  every.jobs.preempted_every = 3000;
  for (Mixture& mixture : all) {
    mixture.cluster.workers = 24;
    mixture.cluster.workers_per_node = 4;
    mixture.cluster.hang_seconds = 300;
    mixture.jobs.idle_jobs = 1000;  // several in a row may well end before their first record here
  }
  return all;
}

class FaultySimulation : public SimulationTest, public ::testing::WithParamInterface<std::size_t> {};

// The simulated store throws where a cell is recorded twice, by a late answer, or handed out unannounced; the
// counts show that none was lost.
TEST_P(FaultySimulation, LosesNoCellAndRecordsNoneTwice) {
  const Mixture mixture = mixtures()[GetParam()];
  const SimulatedWork work = grid(3, 3, 40, 4);
  SimulationReport sum;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(std::string(mixture.name) + ", seed " + std::to_string(seed));
    ClusterOptions cluster = mixture.cluster;
    cluster.seed = seed;
    const SimulationReport report = simulate(work, cluster, mixture.jobs, {});
    EXPECT_TRUE(report.complete) << report.why_not;
    EXPECT_EQ(report.cells, 360u);
    EXPECT_EQ(report.done + report.failed, 360u);
    EXPECT_LE(report.useful, report.cluster.computed * (1 + 1e-9));
    EXPECT_LE(report.cluster.computed, report.cluster.alive);
    sum.failed += report.failed;
    sum.late += report.late;
    sum.retries += report.retries;
    sum.jobs += report.jobs;
    sum.broken_jobs += report.broken_jobs;
    sum.failed_tries += report.failed_tries;
    sum.cluster.deaths += report.cluster.deaths;
    sum.cluster.hangs += report.cluster.hangs;
  }
  // The faults did happen.
  const ClusterOptions& cluster = mixture.cluster;
  if (cluster.mtbf < never || cluster.node_mtbf < never) {
    EXPECT_GT(sum.cluster.deaths, 50u);
  }
  if (cluster.hang_every < never) {
    EXPECT_GT(sum.cluster.hangs, 50u);
    EXPECT_GT(sum.late, 20u);
  }
  if (cluster.bad_nodes > 0) {
    EXPECT_GT(sum.failed_tries, 100u);
    EXPECT_EQ(sum.failed, 0u);  // the node is taken out, and its failures do not count
  } else if (cluster.failures > 0) {
    EXPECT_GT(sum.failed_tries, 500u);
  } else if (sum.broken_jobs == 0) {
    EXPECT_EQ(sum.failed, 0u);  // losses, hangs and preemptions alone cost no cell
  } else {
    EXPECT_LE(sum.failed, 18u);  // three times a job ended while an innocent suspect ran alone: 1 in 1000
  }
  if (mixture.jobs.seconds < never || mixture.jobs.preempted_every < never) {
    EXPECT_GT(sum.jobs, 75u);
  }
}

INSTANTIATE_TEST_SUITE_P(Mixtures, FaultySimulation, ::testing::Range<std::size_t>(0, mixtures().size()));

TEST_F(SimulationTest, ACellThatKillsItsWorkerFailsAndTakesNoOtherAlong) {
  const SimulatedWork work = grid(2, 3, 20, 4);
  for (const bool survives : {true, false}) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
      SCOPED_TRACE(std::string("seed ").append(std::to_string(seed)) +
                   (survives ? "" : ", without fault tolerance"));
      ClusterOptions cluster;
      cluster.workers = 12;
      cluster.killers = 1;
      cluster.survives_deaths = survives;
      cluster.seed = seed;
      const SimulationReport report = simulate(work, cluster, {}, {});
      EXPECT_TRUE(report.complete) << report.why_not;
      EXPECT_EQ(report.failed, 1u);
      EXPECT_EQ(report.done, 119u);
    }
  }
}

/// What a cell, or a pack in which all are computed at once, takes at most.
double longest_step(const SimulatedWork& work) {
  const CellGrid cells(work.packs);
  double longest = 0;
  for (const Pack& pack : work.packs)
    for (std::uint32_t slot = 0; slot < pack.width; ++slot)
      longest = std::max(longest, pack.width * work.seconds[cells.index(pack.cell(slot))]);
  return longest;
}

struct Chain {
  SimulatedWork work;
  ClusterOptions cluster;
  JobOptions jobs;
  Limits limits;
};

/// Few workers, jobs in which only a few packs fit, and everything that keeps cells from being recorded.
Chain random_chain(std::uint64_t seed) {
  Draws draws(seed);
  const auto one_in = [&](std::uint64_t n) { return draws.bits() % n == 0; };
  const auto up_to = [&](std::uint32_t n) { return 1 + static_cast<std::uint32_t>(draws.bits() % n); };
  Chain chain;
  chain.work = grid(up_to(3), up_to(4), up_to(40), up_to(8), 10, draws.uniform() / 2);
  for (std::size_t model = 0; model < chain.work.models.size(); ++model)
    chain.work.together[model] = one_in(2);
  const double longest = longest_step(chain.work);
  ClusterOptions& cluster = chain.cluster;
  cluster.workers = static_cast<int>(up_to(12));
  cluster.workers_per_node = static_cast<int>(up_to(4));
  cluster.seed = seed;
  cluster.survives_deaths = !one_in(3);
  cluster.survives_node_losses = one_in(2);
  if (one_in(3)) cluster.mtbf = longest * cluster.workers * (3 + 10 * draws.uniform());
  if (one_in(3)) cluster.node_mtbf = longest * cluster.workers * (3 + 10 * draws.uniform());
  if (one_in(3)) cluster.hang_every = longest * (5 + 10 * draws.uniform());
  if (one_in(3)) cluster.failures = draws.uniform() / 2;
  if (one_in(3)) cluster.bad_nodes = static_cast<int>(up_to(4));  // all of them, now and then
  if (one_in(3)) cluster.killers = up_to(4);
  if (one_in(5)) chain.limits.cell_seconds = longest * draws.uniform();
  chain.limits.max_tries = up_to(4);
  chain.jobs.grace_seconds = 20;
  if (!one_in(3)) chain.jobs.seconds = 60 + longest * (1.5 + draws.uniform());
  if (one_in(3)) chain.jobs.preempted_every = 60 + longest * (3 + 5 * draws.uniform());
  chain.jobs.restarts = 5000;
  chain.jobs.idle_jobs = 100;
  return chain;
}

TEST_F(SimulationTest, EveryChainOfJobsEndsWithEachCellDoneOrFailed) {
  std::uint64_t jobs = 0, failed = 0;
  for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
    SCOPED_TRACE(std::string("seed ").append(std::to_string(seed)));
    const Chain chain = random_chain(seed);
    const SimulationReport report = simulate(chain.work, chain.cluster, chain.jobs, chain.limits);
    EXPECT_TRUE(report.complete) << report.why_not << ", " << report.cells - report.done - report.failed
                                 << " cells are left after " << report.jobs << " jobs";
    jobs += report.jobs;
    failed += report.failed;
  }
  EXPECT_GT(jobs, 5000u);
  EXPECT_GT(failed, 1000u);
}

TEST_F(SimulationTest, EndsIncompleteWhenEveryWorkerDies) {
  ClusterOptions cluster;
  cluster.workers = 20;
  cluster.mtbf = 100;
  JobOptions jobs;
  jobs.restarts = 0;
  const SimulationReport report = simulate(grid(1, 1, 1000, 2), cluster, jobs, {});
  EXPECT_FALSE(report.complete);
  EXPECT_GT(report.done, 0u);
  EXPECT_FALSE(report.why_not.empty());
  EXPECT_EQ(report.cluster.deaths, 20u);
}

TEST_F(SimulationTest, EndsWhenJobsRecordNothing) {
  ClusterOptions cluster;
  cluster.workers = 4;
  cluster.mtbf = 1;
  const SimulationReport report = simulate(grid(1, 1, 10, 1), cluster, {}, {});
  EXPECT_FALSE(report.complete);
  EXPECT_EQ(report.jobs, 2u);
  EXPECT_EQ(report.why_not, "2 jobs in a row recorded no cell");
}

TEST_F(SimulationTest, RefusesImpossibleClusters) {
  const SimulatedWork work = grid(1, 1, 10, 1);
  ClusterOptions cluster;
  cluster.workers = 0;
  EXPECT_THROW(simulate(work, cluster, {}, {}), InputError);
  cluster.workers = 1;
  JobOptions jobs;
  jobs.seconds = jobs.grace_seconds;
  EXPECT_THROW(simulate(work, cluster, jobs, {}), InputError);
}

// ---- what others would have taken ------------------------------------------------------------------------

TEST(Ideal, IsAllWorkByAllSpeedsOrTheLongestPack) {
  SimulatedWork work = grid(1, 1, 8, 2, 10, 0);
  ClusterOptions cluster;
  cluster.workers = 2;
  EXPECT_DOUBLE_EQ(ideal(work, cluster).work, 80);
  EXPECT_DOUBLE_EQ(ideal(work, cluster).makespan(), 40);
  cluster.workers = 80;
  EXPECT_DOUBLE_EQ(ideal(work, cluster).makespan(), 20);
  cluster.workers = 2;
  cluster.straggler_share = 1;
  cluster.straggler_factor = 4;
  EXPECT_DOUBLE_EQ(ideal(work, cluster).by_work, 160);
}

TEST(StaticChunks, LeaveTheLastProcessesWithAllTheLargeTrials) {
  // Fractions of cost 1, 2 and 4, four trials each: the last of two chunks holds two of cost 2, four of 4.
  SimulatedWork work = grid(1, 3, 4, 1, 1, 0);
  ClusterOptions cluster;
  cluster.workers = 2;
  EXPECT_DOUBLE_EQ(static_chunks_makespan(work, cluster), 20);
  // 12 // 5 = 2: six chunks, and the sixth waits for the first process.
  cluster.workers = 5;
  EXPECT_DOUBLE_EQ(static_chunks_makespan(work, cluster), 10);
  // More workers than trials: one each (the toolkit itself fails there).
  cluster.workers = 40;
  EXPECT_DOUBLE_EQ(static_chunks_makespan(work, cluster), 4);
  // Baselines go one by one to whoever is free.
  work.seldonian[0] = false;
  cluster.workers = 2;
  EXPECT_DOUBLE_EQ(static_chunks_makespan(work, cluster), 14);
}

TEST(StaticChunks, RunModelsOneAfterTheOther) {
  SimulatedWork work = grid(2, 1, 3, 1, 1, 0);
  ClusterOptions cluster;
  cluster.workers = 2;
  work.seldonian = {false, false};
  EXPECT_DOUBLE_EQ(static_chunks_makespan(work, cluster), 4);
}

// ---- broken promises -------------------------------------------------------------------------------------

class Sabotage : public RecordSink {
 public:
  explicit Sabotage(RecordSink& sink) : sink_(sink) {}
  void lease(std::span<const CellKey> keys, std::uint32_t attempt, const Suspicion& suspicion,
             const std::string& host) override {
    sink_.lease(keys, attempt, suspicion, host);
  }
  void set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                  const Suspicion& suspicion) override {
    sink_.set_states(keys, state, attempt, suspicion);
  }
  bool write(const CellReport& report) override { return sink_.write(report); }

 protected:
  RecordSink& sink_;
};

/// Hands packs out first and tells the store later.
class ForgetsToWriteAhead final : public Sabotage {
  using Sabotage::Sabotage;
  void lease(std::span<const CellKey>, std::uint32_t, const Suspicion&, const std::string&) override {}
};

class RecordsTwice final : public Sabotage {
  using Sabotage::Sabotage;
  bool write(const CellReport& report) override {
    sink_.write(report);
    return sink_.write(report);
  }
};

/// Keeps an answer back until the cell has been leased anew, as if a late one were taken for the present one.
class TakesLateAnswers final : public Sabotage {
  using Sabotage::Sabotage;
  void set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                  const Suspicion& suspicion) override {
    sink_.set_states(keys, state, attempt, suspicion);
    if (state != CellState::lost) return;
    CellReport late{keys.front(), CellState::done, {}, {}};
    late.run.attempt = attempt;
    sink_.write(late);
  }
};

class ForgetsThatALeaseEnded final : public Sabotage {
  using Sabotage::Sabotage;
  void set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                  const Suspicion& suspicion) override {
    if (state != CellState::lost) sink_.set_states(keys, state, attempt, suspicion);
  }
};

template <class Kind>
void expect_caught() {
  ClusterOptions cluster;
  cluster.workers = 24;
  cluster.hang_every = 1000;
  cluster.hang_seconds = 300;
  const Tamper tamper = [](RecordSink& sink) { return std::make_unique<Kind>(sink); };
  EXPECT_THROW(simulate(grid(1, 3, 200, 4), cluster, {}, {}, tamper), InternalError);
}

TEST_F(SimulationTest, CatchesAPackThatLeavesUnannounced) {
  expect_caught<ForgetsToWriteAhead>();
}
TEST_F(SimulationTest, CatchesASecondRecord) {
  expect_caught<RecordsTwice>();
}
TEST_F(SimulationTest, CatchesALateAnswer) {
  expect_caught<TakesLateAnswers>();
}
TEST_F(SimulationTest, CatchesACellWithTwoLeases) {
  expect_caught<ForgetsThatALeaseEnded>();
}

}  // namespace
}  // namespace seldon::orchestrator

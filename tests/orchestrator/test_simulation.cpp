// A thousand simulated workers run 20,000 cells while some die, hang, answer late or throw.

#include <chrono>
#include <cmath>
#include <map>
#include <queue>

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "core/random.h"
#include "orchestrator/orchestrator.h"
#include "tests/orchestrator/memory_sink.h"

namespace seldon::orchestrator {
namespace {

using message::Tag;

/// How often things go wrong, per pack handed out.
struct Faults {
  double dies = 0;    ///< the worker falls silent for ever; the transport learns of half of these deaths
  double hangs = 0;   ///< silent for longer than a lease, then everything arrives late
  double throws = 0;  ///< a cell ends with an exception
};

/// The orchestrator's end of a transport to simulated workers; time is that of the next event.
class SimulatedCluster final : public Transport {
 public:
  SimulatedCluster(int workers, std::uint64_t seed, Faults faults)
      : faults_(faults), draws_(Purpose::split, seed), dead_(static_cast<std::size_t>(workers) + 1) {
    for (Peer worker = 1; worker <= workers; ++worker)
      at(uniform(), worker, message::Hello{"host", "node", "1", ""});
  }

  double time() const { return time_; }
  /// Moves the clock on to the next event; a minute on where there is none.
  void advance() { time_ = events_.empty() ? time_ + 60 : std::max(time_, events_.top().time); }
  std::uint64_t deaths() const { return deaths_; }
  std::uint64_t hangs() const { return hangs_; }
  double work() const { return work_; }

  Peer self() const override { return 0; }
  int size() const override { return static_cast<int>(dead_.size()); }
  bool lost(Peer peer) const override {
    const double death = dead_[static_cast<std::size_t>(peer)];
    return death > 0 && death <= time_;
  }
  std::optional<Peer> poll_loss() override { return std::nullopt; }
  bool drained() const override { return true; }

  std::optional<Arrival> poll() override {
    if (events_.empty() || events_.top().time > time_) return std::nullopt;
    Arrival arrival = events_.top().arrival;
    events_.pop();
    return arrival;
  }

  void send(Peer to, int tag, SharedBytes bytes) override {
    if (tag == static_cast<int>(Tag::data)) at(time_ + 1, to, message::Placed{message::SharedPlace{}, ""});
    if (tag == static_cast<int>(Tag::data)) at(time_ + 2, to, message::Ready{});
    if (tag == static_cast<int>(Tag::setup) && message::decode<message::Setup>(bytes.view()).place)
      at(time_ + 2, to, message::Ready{});
    if (tag == static_cast<int>(Tag::assign)) work(to, message::decode<message::Assign>(bytes.view()));
  }

 private:
  struct Event {
    double time;
    std::uint64_t order;
    Arrival arrival;
    bool operator>(const Event& other) const {
      return std::tie(time, order) > std::tie(other.time, other.order);
    }
  };

  double uniform() { return draws_.uniform(draw_++); }

  template <class Message>
  void at(double time, Peer from, const Message& message) {
    events_.push({time, order_++, {from, static_cast<int>(Message::tag), message::encode(message)}});
  }

  void work(Peer worker, const message::Assign& assign) {
    double cell_seconds = 20 * (0.5 + uniform());
    const double fate = uniform();
    const bool dies = fate < faults_.dies, hangs = !dies && fate < faults_.dies + faults_.hangs;
    const std::size_t done_before =
        dies || hangs ? assign.slots.wanted.size() / 2 : assign.slots.wanted.size();
    double when = time_;
    for (std::size_t i = 0; i < assign.slots.wanted.size(); ++i) {
      if (i == done_before && dies) {
        ++deaths_;
        if (uniform() < 0.5) dead_[static_cast<std::size_t>(worker)] = when;
        return;
      }
      if (i == done_before && hangs) {
        ++hangs_;
        when += 130 + 400 * uniform();
      }
      work_ += cell_seconds;
      for (double beat = 10; beat < cell_seconds; beat += 10)
        at(when + beat, worker, message::Heartbeat{assign.lease});
      when += cell_seconds;
      CellReport report{assign.pack.cell(assign.slots.wanted[i]), CellState::done, {}, {}};
      report.run.attempt = assign.attempt;
      if (uniform() < faults_.throws) {
        report.state = CellState::failed;
        report.run.message = "bad luck";
      }
      at(when, worker, message::CellDone{assign.lease, std::move(report)});
    }
    at(when, worker, message::PackDone{assign.lease, false});
  }

  Faults faults_;
  Stream draws_;
  std::uint64_t draw_ = 0, order_ = 0, deaths_ = 0, hangs_ = 0;
  double time_ = 0, work_ = 0;
  std::vector<double> dead_;  // when the transport learns of it; 0: never
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
};

Plan grid(std::uint32_t models, std::uint32_t fractions, std::uint32_t trials, std::uint32_t width) {
  Plan plan;
  for (std::uint32_t model = 0; model < models; ++model) plan.models.push_back("m" + std::to_string(model));
  for (std::uint32_t fraction = fractions; fraction-- > 0;)
    for (std::uint32_t model = 0; model < models; ++model)
      for (std::uint32_t trial = 0; trial < trials; trial += width) {
        plan.packs.push_back({0, model, fraction, trial, std::min(width, trials - trial)});
        plan.costs.push_back(plan.packs.back().width);
      }
  return plan;
}

struct Result {
  Snapshot snapshot;
  double makespan = 0;
};

Result simulate(SimulatedCluster& cluster, MemorySink& sink, Plan plan) {
  Supply supply;
  supply.version = "1";
  supply.node = "rank 0";
  Orchestrator orchestrator(std::move(plan), supply, {}, cluster, sink, [&] { return cluster.time(); });
  while (!orchestrator.finished()) {
    while (orchestrator.turn() && !orchestrator.finished()) {
    }
    if (!orchestrator.finished()) cluster.advance();
  }
  return {orchestrator.snapshot(), cluster.time()};
}

/// Hundreds of warnings are what these tests are about.
class SimulationTest : public ::testing::Test {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }
};

class FaultySimulation : public SimulationTest, public ::testing::WithParamInterface<std::uint64_t> {};

TEST_P(FaultySimulation, LosesNoCellAndRecordsNoneTwice) {
  const auto begin = std::chrono::steady_clock::now();
  SimulatedCluster cluster(1000, GetParam(), {.dies = 0.01, .hangs = 0.02, .throws = 0.005});
  MemorySink sink;
  const Result result = simulate(cluster, sink, grid(4, 10, 500, 5));

  EXPECT_EQ(result.snapshot.cells, 20000u);
  EXPECT_EQ(sink.entries.size(), 20000u);
  EXPECT_GT(cluster.deaths(), 10u);
  EXPECT_GT(cluster.hangs(), 20u);
  EXPECT_GT(result.snapshot.late, 20u);
  std::uint64_t done = 0, failed = 0, retried = 0;
  for (const auto& [key, entry] : sink.entries) {
    EXPECT_LE(entry.records, 1u);
    EXPECT_EQ(entry.records, entry.state == CellState::done ? 1u : 0u);
    done += entry.state == CellState::done;
    failed += entry.state == CellState::failed;
    retried += entry.leases > 1;
  }
  EXPECT_EQ(done + failed, 20000u);
  EXPECT_LE(failed, 5u);  // three losses or exceptions of one cell in a row: rare
  EXPECT_GT(retried, 100u);
  EXPECT_EQ(done, result.snapshot.done);
  EXPECT_EQ(failed, result.snapshot.failed);

  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  RecordProperty("seconds", std::to_string(seconds));
}

INSTANTIATE_TEST_SUITE_P(Seeds, FaultySimulation, ::testing::Values(1, 2, 3));

TEST_F(SimulationTest, KeepsAllWorkersBusyWithoutFaults) {
  SimulatedCluster cluster(1000, 7, {});
  MemorySink sink;
  const Result result = simulate(cluster, sink, grid(4, 10, 2500, 1));
  EXPECT_TRUE(result.snapshot.complete());
  const double ideal = cluster.work() / 1000;
  EXPECT_GT(ideal / result.makespan,
            0.95);  // the rest is the last round, in which cells end at different times
}

TEST_F(SimulationTest, EndsIncompleteWhenEveryWorkerDies) {
  SimulatedCluster cluster(20, 5, {.dies = 1});
  MemorySink sink;
  const Result result = simulate(cluster, sink, grid(1, 10, 100, 2));
  EXPECT_FALSE(result.snapshot.complete());
  for (const auto& [key, entry] : sink.entries) EXPECT_LE(entry.records, 1u);
}

}  // namespace
}  // namespace seldon::orchestrator

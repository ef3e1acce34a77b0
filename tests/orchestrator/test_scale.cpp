// Nothing that happens often may look at every worker or every pack.

#include <chrono>

#include <gtest/gtest.h>

#include "tests/orchestrator/rig.h"

namespace seldon::orchestrator {
namespace {

/// Workers that answer at once, and a transport that counts the questions it is asked.
class InstantCrew final : public Transport {
 public:
  explicit InstantCrew(int workers) : size_(workers + 1) {
    for (Peer peer = 1; peer <= workers; ++peer) {
      answer(peer, message::Hello{"host", fmt::format("node {}", peer / 64), "1", ""});
      answer(peer, message::Ready{});
    }
  }
  Peer self() const override { return 0; }
  int size() const override { return size_; }
  void send(Peer to, int tag, SharedBytes bytes) override {
    if (tag != static_cast<int>(message::Tag::assign)) return;
    const auto assign = message::decode<message::Assign>(bytes.view());
    for (const std::uint32_t slot : assign.slots.wanted) {
      CellReport report{assign.pack.cell(slot), CellState::done, {}, {}};
      report.run.attempt = assign.attempt;
      answer(to, message::CellDone{assign.lease, std::move(report)});
    }
    answer(to, message::PackDone{assign.lease, false});
  }
  std::optional<Arrival> poll() override {
    if (inbox_.empty()) return std::nullopt;
    Arrival arrival = std::move(inbox_.front());
    inbox_.pop_front();
    return arrival;
  }
  bool lost(Peer) const override {
    ++questions_;
    return false;
  }
  std::optional<Peer> poll_loss() override { return std::nullopt; }
  bool drained() const override { return true; }
  int questions() const { return questions_; }

 private:
  template <class Message>
  void answer(Peer from, const Message& message) {
    inbox_.push_back({from, static_cast<int>(Message::tag), message::encode(message)});
  }
  int size_;
  std::deque<Arrival> inbox_;
  mutable int questions_ = 0;
};

class CountingSink final : public RecordSink {
 public:
  void set_states(std::span<const CellKey>, CellState, std::uint32_t, const Suspicion&) override {}
  bool write(const CellReport&) override { return ++records > 0; }
  std::uint64_t records = 0;
};

/// Seconds of this machine for each cell.
double cost_of_a_cell(int workers, std::uint32_t cells) {
  Plan plan;
  plan.experiments[0].models = {"a", "b", "c", "d"};
  for (std::uint32_t trial = 0; trial < cells / 80; ++trial)
    for (std::uint32_t group = 0; group < 80; ++group) {
      plan.packs.push_back({0, group % 4, group / 4, trial, 1});
      plan.costs.push_back(group + 1);
    }
  InstantCrew crew(workers);
  CountingSink sink;
  Supply supply;
  supply.version = std::string("1");
  supply.share = false;
  double time = 0;
  Orchestrator orchestrator(std::move(plan), supply, {}, crew, sink, [&] { return time += 1e-4; });
  const auto begin = std::chrono::steady_clock::now();
  while (!orchestrator.finished()) orchestrator.turn();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_EQ(sink.records, cells);
  EXPECT_EQ(crew.questions(), 0);
  return seconds / cells;
}

class ScaleTest : public Rig {};

TEST_F(ScaleTest, TenThousandWorkersCostLittleMoreThanAHundred) {
  const double few = cost_of_a_cell(100, 80000), many = cost_of_a_cell(10000, 160000);
  RecordProperty("microseconds_per_cell", std::to_string(1e6 * many));
  EXPECT_LT(many, 10 * few);
  EXPECT_LT(many, 100e-6);
}

TEST_F(ScaleTest, IdleTurnsDoNotLookAtAnyone) {
  InstantCrew crew(10000);
  CountingSink sink;
  Supply supply;
  supply.version = std::string("1");
  supply.share = false;
  double time = 0;
  Plan plan = equal_packs(1, 1);
  plan.packs[0].width = 1;
  Orchestrator orchestrator(std::move(plan), supply, {}, crew, sink, [&] { return time; });
  while (orchestrator.turn()) {
  }
  const auto begin = std::chrono::steady_clock::now();
  for (int turn = 0; turn < 100000; ++turn) orchestrator.turn();
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), 1.0);
}

}  // namespace
}  // namespace seldon::orchestrator

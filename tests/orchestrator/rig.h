#pragma once
// An orchestrator with a clock that the test turns and workers that the test speaks for.

#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "orchestrator/orchestrator.h"
#include "tests/orchestrator/memory_sink.h"
#include "transport/in_process.h"

namespace seldon::orchestrator {

class Rig : public ::testing::Test {
 protected:
  void start(const Plan& plan, int workers, Limits limits = {}) {
    hub_ = std::make_unique<transport::InProcess>(workers + 1);
    Supply supply;
    supply.experiments[0].config = std::string("config");
    supply.experiments[0].data = SharedBytes(Bytes(3));
    supply.experiments.resize(plan.experiments.size(), supply.experiments[0]);
    for (std::size_t i = 0; i < data_keys_.size(); ++i) supply.experiments[i].data_key = data_keys_[i];
    for (std::size_t i = 0; i < accelerators_.size(); ++i)
      supply.experiments[i].accelerator = accelerators_[i];
    supply.node = std::string("rank 0's node");
    supply.version = std::string("1");
    supply.share = share_;
    orchestrator_ =
        std::make_unique<Orchestrator>(plan, supply, limits, hub_->end(0), sink_, [this] { return time_; });
  }

  /// Warnings are what these tests are about.
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }

  /// Packs of `width` cells of model 0, each in a fraction of its own, of falling cost.
  static Plan packs(std::uint32_t count, std::uint32_t width) {
    Plan plan;
    for (std::uint32_t i = 0; i < count; ++i) {
      plan.packs.push_back({0, 0, i, 0, width});
      plan.costs.push_back(count - i);
    }
    plan.experiments[0].models = {"qsa"};
    return plan;
  }
  /// The same in one fraction.
  static Plan equal_packs(std::uint32_t count, std::uint32_t width) {
    Plan plan;
    for (std::uint32_t i = 0; i < count; ++i) plan.packs.push_back({0, 0, 0, i * width, width});
    plan.costs.assign(count, width);
    plan.experiments[0].models = {"qsa"};
    return plan;
  }

  /// Two packs of three cells of model 0.
  static Plan two_packs() {
    Plan plan;
    plan.packs = {{0, 0, 1, 0, 3}, {0, 0, 0, 0, 3}};
    plan.costs = {30, 3};
    plan.experiments[0].models = {"qsa"};
    return plan;
  }

  template <class Message>
  void say(Peer worker, const Message& message) {
    message::send(hub_->end(worker), 0, message);
    orchestrator_->turn();
  }

  void greet(Peer worker, const std::string& node = "far", const std::string& version = "1") {
    say(worker, message::Hello{"host", node, version, ""});
  }

  std::optional<Transport::Arrival> hear(Peer worker) { return hub_->end(worker).poll(); }

  template <class Message>
  Message expect(Peer worker) {
    const auto arrival = hear(worker);
    if (!arrival || arrival->tag != static_cast<int>(Message::tag)) {
      ADD_FAILURE() << "worker " << worker << " expected tag " << static_cast<int>(Message::tag) << ", got "
                    << (arrival ? std::to_string(arrival->tag) : "nothing");
      return {};
    }
    return message::decode<Message>(arrival->bytes.view());
  }

  /// Brings a worker to the point where it has its first pack, or waits for one.
  void make_ready(Peer worker) { make_ready(worker, own_node(worker)); }
  static std::string own_node(Peer worker) {
    std::string node = "node ";
    return node += std::to_string(worker);
  }
  /// The first of its node gets the data; all do if they do not share it.
  void make_ready(Peer worker, const std::string& node) {
    greet(worker, node);
    EXPECT_EQ(expect<message::Setup>(worker).share, share_);
    EXPECT_EQ(hear(worker)->tag, static_cast<int>(message::Tag::data));
    say(worker, message::Ready{});
  }

  void report(Peer worker, const message::Assign& assign, std::uint32_t slot,
              CellState state = CellState::done) {
    CellReport cell{assign.pack.cell(slot), state, {}, {}};
    cell.run.attempt = assign.attempt;
    if (state == CellState::failed) cell.run.message = "singular matrix";
    say(worker, message::CellDone{assign.lease, std::move(cell)});
  }

  void fail(Peer worker, const message::Assign& assign) {
    for (const std::uint32_t slot : assign.slots.wanted) report(worker, assign, slot, CellState::failed);
    say(worker, message::PackDone{assign.lease, false});
  }

  void die(Peer worker) {
    hub_->lose(worker);
    orchestrator_->turn();
  }

  void finish(Peer worker, const message::Assign& assign) {
    for (const std::uint32_t slot : assign.slots.wanted) report(worker, assign, slot);
    say(worker, message::PackDone{assign.lease, false});
  }

  double time_ = 100;
  bool share_ = true;
  std::vector<std::string> data_keys_, accelerators_;  // by experiment
  MemorySink sink_;
  std::unique_ptr<transport::InProcess> hub_;
  std::unique_ptr<Orchestrator> orchestrator_;
};

}  // namespace seldon::orchestrator

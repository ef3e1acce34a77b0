#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/fault_point.h"
#include "core/process.h"
#include "transport/in_process.h"
#include "worker/node_data.h"
#include "worker/protocol.h"

namespace seldon::worker {
namespace {

using message::Tag;
using ::testing::ElementsAre;

/// Runs what the test says.
class Scripted final : public PackRunner {
 public:
  using Script = std::function<void(const Pack&, Progress&, const std::function<void(CellReport)>&)>;
  explicit Scripted(Script script) : script_(std::move(script)) {}
  void run(const Pack& pack, const Slots&, Progress& progress,
           const std::function<void(CellReport)>& report) override {
    script_(pack, progress, report);
  }
  void run_in_group(const Pack& pack, const Slots&, const RankGroup& group, Progress& progress,
                    const std::function<void(CellReport)>& report) override {
    EXPECT_THAT(group.ranks, ::testing::Contains(1));
    script_(pack, progress, report);
  }

 private:
  Script script_;
};

/// The test answers for the orchestrator whenever the worker looks for messages.
class ProtocolTest : public ::testing::Test {
 protected:
  ProtocolTest() {
    hub_.before_poll(1, [this] {
      while (const auto arrival = hub_.end(0).poll()) {
        heard_.push_back(static_cast<Tag>(arrival->tag));
        answer(*arrival);
      }
    });
  }

  template <class Message>
  void tell(const Message& message) {
    message::send(hub_.end(0), 1, message);
  }

  void answer(const Transport::Arrival& arrival) {
    const auto bytes = arrival.bytes.view();
    switch (static_cast<Tag>(arrival.tag)) {
      case Tag::hello:
        process_ = message::decode<message::Hello>(bytes).process;
        tell(setup_);
        if (!setup_.place) hub_.end(0).send(1, static_cast<int>(Tag::data), data_);
        break;
      case Tag::need_data:
        hub_.end(0).send(1, static_cast<int>(Tag::data), data_);
        break;
      case Tag::placed:
        placed_ = message::decode<message::Placed>(bytes);
        break;
      case Tag::ready:
        tell(assign_);
        break;
      case Tag::cell_done:
        cells_.push_back(message::decode<message::CellDone>(bytes));
        break;
      case Tag::heartbeat:
        if (cancel_at_heartbeat_) tell(message::Cancel{assign_.lease});
        if (beat_at_heartbeat_) tell(message::Beat{});
        break;
      case Tag::pack_done:
        done_ = message::decode<message::PackDone>(bytes);
        tell(stop_);
        break;
      case Tag::bye:
        if (after_bye_) after_bye_();
        break;
      case Tag::fault:
        fault_ = message::decode<message::Fault>(bytes).text;
        tell(message::Stop{3});
        break;
      default:
        break;
    }
  }

  ExitCode serve_with(Scripted::Script script) {
    return serve(
        hub_.end(1), 0, {"host", "node", "1", ""},
        [&](const std::string& config, std::span<const std::byte> data, std::uint32_t) {
          EXPECT_EQ(config, "config");
          EXPECT_TRUE(std::ranges::equal(data, data_.view()));
          if (!script) throw std::runtime_error("no device");
          return std::make_unique<Scripted>(script);
        },
        [this] { return time_ += 0.3; }, [] { return false; }, patience_);
  }

  transport::InProcess hub_{2};
  SharedBytes data_{Bytes(1000, std::byte{42})};
  message::Setup setup_{0, "config", {}, false};
  message::Assign assign_{9, {0, 1, 2, 10, 3}, 2, {{0, 2}, {}}};
  bool cancel_at_heartbeat_ = false, beat_at_heartbeat_ = false;
  Patience patience_;
  message::Stop stop_{3};
  std::function<void()> after_bye_;
  double time_ = 0;

  std::vector<Tag> heard_;
  std::vector<message::CellDone> cells_;
  std::optional<message::PackDone> done_;
  std::optional<message::Placed> placed_;
  std::string fault_;
  Process process_;
};

void report_all(const Pack& pack, const std::function<void(CellReport)>& report) {
  for (const std::uint32_t slot : {0u, 2u}) report({pack.cell(slot), CellState::done, Bytes(4), {}});
}

TEST_F(ProtocolTest, RunsAPackAndEndsWhenTold) {
  const ExitCode code =
      serve_with([](const Pack& pack, Progress&, const auto& report) { report_all(pack, report); });
  EXPECT_EQ(code, ExitCode::incomplete);  // as the order to stop said
  EXPECT_THAT(heard_, ElementsAre(Tag::hello, Tag::ready, Tag::cell_done, Tag::cell_done, Tag::pack_done));
  EXPECT_EQ(hub_.end(0).poll()->tag, static_cast<int>(Tag::bye));
  ASSERT_EQ(cells_.size(), 2u);
  EXPECT_EQ(cells_[1].lease, 9u);
  EXPECT_EQ(cells_[1].report.key, (CellKey{0, 1, 2, 12}));
  EXPECT_EQ(cells_[1].report.run.attempt, 2u);
  EXPECT_EQ(cells_[1].report.run.rank, 1);
  EXPECT_EQ(cells_[1].report.run.width, 3u);
  EXPECT_EQ(cells_[1].report.run.host, "host");
  EXPECT_EQ(done_, (message::PackDone{9, false}));
}

TEST_F(ProtocolTest, FailsTheCellsThatAnExceptionLeavesOut) {
  serve_with([](const Pack& pack, Progress&, const auto& report) {
    report({pack.cell(0), CellState::done, Bytes(4), {}});
    throw std::runtime_error("singular matrix");
  });
  ASSERT_EQ(cells_.size(), 2u);
  EXPECT_EQ(cells_[0].report.state, CellState::done);
  EXPECT_EQ(cells_[1].report.state, CellState::failed);
  EXPECT_EQ(cells_[1].report.key.trial, 12u);
  EXPECT_EQ(cells_[1].report.run.message, "singular matrix");
  EXPECT_EQ(cells_[1].report.run.attempt, 2u);
  EXPECT_EQ(done_, (message::PackDone{9, false}));
}

TEST_F(ProtocolTest, BeatsOnceASecondAndDropsACancelledPack) {
  cancel_at_heartbeat_ = true;
  int ticks = 0;
  serve_with([&](const Pack&, Progress& progress, const auto&) {
    while (progress.tick() == Order::go) ++ticks;
    throw Stopped{};
  });
  EXPECT_THAT(heard_, ElementsAre(Tag::hello, Tag::ready, Tag::heartbeat, Tag::pack_done));
  EXPECT_GE(ticks, 2);  // the clock moves by 0.3 s at each look
  EXPECT_EQ(done_, (message::PackDone{9, true}));
  EXPECT_TRUE(cells_.empty());
}

TEST_F(ProtocolTest, BeatsAsRarelyAsItIsTold) {
  setup_.heartbeat_seconds = 10;
  cancel_at_heartbeat_ = true;
  int ticks = 0;
  serve_with([&](const Pack&, Progress& progress, const auto&) {
    while (progress.tick() == Order::go) ++ticks;
    throw Stopped{};
  });
  EXPECT_EQ(std::ranges::count(heard_, Tag::heartbeat), 1);
  EXPECT_GE(ticks, 30);  // of 0.3 s each
}

TEST_F(ProtocolTest, TakesAnEngineThatReturnsAfterAStopForStopped) {
  cancel_at_heartbeat_ = true;
  serve_with([&](const Pack&, Progress& progress, const auto&) {
    while (progress.tick() == Order::go) {
    }
  });
  EXPECT_EQ(done_, (message::PackDone{9, true}));
}

TEST_F(ProtocolTest, ReportsAnEngineThatCannotBeBuilt) {
  EXPECT_EQ(serve_with(nullptr), ExitCode::incomplete);
  EXPECT_EQ(fault_, "no device");
}

TEST_F(ProtocolTest, OfAGroupTheFirstTellsOfTheCells) {
  for (const bool first : {true, false}) {
    cells_.clear();
    assign_.group = {9, first ? std::vector<Peer>{1, 2} : std::vector<Peer>{2, 1}};
    serve_with([](const Pack& pack, Progress&, const auto& report) { report_all(pack, report); });
    EXPECT_EQ(cells_.size(), first ? 2u : 0u);
    EXPECT_EQ(done_, (message::PackDone{9, false}));
    while (hub_.end(0).poll()) {
    }
  }
}

TEST_F(ProtocolTest, OfAGroupTheOthersTellOfTheirException) {
  assign_.group = {9, {2, 1}};
  serve_with([](const Pack&, Progress&, const auto&) { throw std::runtime_error("out of memory"); });
  EXPECT_TRUE(cells_.empty());
  EXPECT_EQ(done_, (message::PackDone{9, false, "out of memory"}));
}

/// A worker that is supplied for several experiments, one after the other.
class SeveralExperiments : public ::testing::Test {
 protected:
  class Large final : public PackRunner {
   public:
    explicit Large(std::uint64_t bytes) : bytes_(bytes) {}
    void run(const Pack&, const Slots&, Progress&, const std::function<void(CellReport)>&) override {}
    std::uint64_t memory() const override { return bytes_; }

   private:
    std::uint64_t bytes_;
  };

  /// What the worker answers to these set-ups: "ready 1 dropped 0".
  std::vector<std::string> answers(const std::vector<message::Setup>& setups, const Keeping& keeping) {
    transport::InProcess hub(2);
    std::vector<std::string> answers;
    std::size_t next = 0;
    const auto go_on = [&] {
      if (next == setups.size()) return message::send(hub.end(0), 1, message::Stop{0});
      const message::Setup& setup = setups[next++];
      message::send(hub.end(0), 1, setup);
      if (!setup.held) hub.end(0).send(1, static_cast<int>(Tag::data), Bytes(next));
    };
    hub.before_poll(1, [&] {
      while (const auto arrival = hub.end(0).poll()) {
        const auto bytes = arrival->bytes.view();
        if (arrival->tag == static_cast<int>(Tag::ready)) {
          const auto ready = message::decode<message::Ready>(bytes);
          answers.push_back("ready " + std::to_string(ready.experiment));
          for (const auto dropped : ready.dropped) answers.back() += " dropped " + std::to_string(dropped);
        } else if (arrival->tag == static_cast<int>(Tag::fault)) {
          const auto fault = message::decode<message::Fault>(bytes);
          answers.push_back("fault " + std::to_string(fault.experiment.value()) + " " + fault.text);
        } else if (arrival->tag != static_cast<int>(Tag::hello)) {
          continue;
        }
        go_on();
      }
    });
    serve(
        hub.end(1), 0, {"host", "node", "1", ""},
        [&](const std::string& config, std::span<const std::byte> data, std::uint32_t) {
          if (config == "bad") throw std::runtime_error("no such measure");
          sizes_.push_back(data.size());
          return std::make_unique<Large>(100);
        },
        [this] { return time_ += 0.1; }, [] { return false; }, {}, keeping);
    return answers;
  }

  static message::Setup setup(std::uint32_t experiment, const std::string& key, bool held = false,
                              const std::string& config = "config") {
    message::Setup setup{experiment, config, {}, false};
    setup.data_key = key;
    setup.held = held;
    return setup;
  }
  std::vector<std::size_t> sizes_;  // of the data that runners were built with
  double time_ = 0;
};

TEST_F(SeveralExperiments, ShareDataByItsKey) {
  EXPECT_THAT(answers({setup(0, "a"), setup(1, "b"), setup(2, "a", true)}, {}),
              ElementsAre("ready 0", "ready 1", "ready 2"));
  EXPECT_THAT(sizes_, ElementsAre(1, 2, 1));
}

TEST_F(SeveralExperiments, KeepWhatWasUsedLastWithinBounds) {
  EXPECT_THAT(answers({setup(0, "a"), setup(1, "a", true), setup(2, "a", true)}, {2, 1000}),
              ElementsAre("ready 0", "ready 1", "ready 2 dropped 0"));
  EXPECT_THAT(answers({setup(0, "a"), setup(1, "b"), setup(2, "c")}, {64, 150}),
              ElementsAre("ready 0", "ready 1 dropped 0", "ready 2 dropped 1"));
}

TEST_F(SeveralExperiments, OneThatCannotBeBuiltDoesNotEndTheWorker) {
  EXPECT_THAT(answers({setup(0, "a", false, "bad"), setup(1, "a")}, {}),
              ElementsAre("fault 0 no such measure", "ready 1"));
}

TEST_F(ProtocolTest, SharesTheDataWithItsNode) {
  setup_.share = true;
  serve_with([&](const Pack& pack, Progress&, const auto& report) {
    EXPECT_TRUE(std::ranges::equal(map(*placed_->place).view(), data_.view()));
    report_all(pack, report);
  });
  EXPECT_THAT(heard_, ElementsAre(Tag::hello, Tag::placed, Tag::ready, Tag::cell_done, Tag::cell_done,
                                  Tag::pack_done));
}

TEST_F(ProtocolTest, MapsWhatAnotherHasPlaced) {
  const NodeData shared(data_.view());
  setup_.place = shared.place();
  serve_with([](const Pack& pack, Progress&, const auto& report) { report_all(pack, report); });
  EXPECT_EQ(cells_.size(), 2u);
}

TEST_F(ProtocolTest, AsksForTheDataWhereItCannotBeMapped) {
  setup_.place = message::SharedPlace{1, 1 << 20, 0, 1000};
  serve_with([](const Pack& pack, Progress&, const auto& report) { report_all(pack, report); });
  EXPECT_EQ(heard_[1], Tag::need_data);
  EXPECT_EQ(cells_.size(), 2u);
}

TEST_F(ProtocolTest, StaysAfterItsLastWordsUntilReleased) {
  stop_.stay = true;
  int looks = 0;
  after_bye_ = [&] {
    ++looks;
    tell(message::Release{});
  };
  EXPECT_EQ(serve_with([](const Pack&, Progress&, const auto&) {}), ExitCode::incomplete);
  EXPECT_EQ(looks, 1);
  EXPECT_EQ(heard_.back(), Tag::bye);
}

TEST_F(ProtocolTest, DoesNotStayForEver) {
  stop_.stay = true;
  EXPECT_EQ(serve_with([](const Pack&, Progress&, const auto&) {}), ExitCode::incomplete);
  EXPECT_GT(time_, 120);
}

TEST_F(ProtocolTest, KillsTheProcessThatIsMeantAndNoOther) {
  const pid_t child = fork();
  if (child == 0) {
    raise(SIGSTOP);
    _exit(0);
  }
  waitpid(child, nullptr, WUNTRACED);
  const Process victim = find_process(child).value();
  stop_.stay = true;
  after_bye_ = [&] {
    tell(message::Kill{{victim.pid, victim.started + 1}});  // a process of the same number, long ago
    tell(message::Release{});
  };
  serve_with([](const Pack&, Progress&, const auto&) {});
  EXPECT_EQ(find_process(child), victim);
  heard_.clear();
  after_bye_ = [&] {
    tell(message::Kill{victim});
    tell(message::Release{});
  };
  serve_with([](const Pack&, Progress&, const auto&) {});
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST_F(ProtocolTest, SaysWhichProcessItIs) {
  serve_with([](const Pack&, Progress&, const auto&) {});
  EXPECT_EQ(process_, this_process());
}

TEST_F(ProtocolTest, PassesTheFaultPointsInOrder) {
  static std::vector<std::string> passed;  // a hook is a plain function
  passed.clear();
  fault_hook = [](std::string_view point) { passed.emplace_back(point); };
  serve_with([](const Pack& pack, Progress&, const auto& report) {
    report({pack.cell(0), CellState::done, Bytes(4), {}});
  });
  fault_hook = nullptr;
  EXPECT_THAT(passed, ElementsAre("worker.start", "worker.data", "worker.before-send", "worker.after-send"));
}

TEST_F(ProtocolTest, TakesRankZeroForAliveAsLongAsItSaysAnything) {
  patience_.with_rank_0 = 5;
  beat_at_heartbeat_ = true;
  serve_with([&](const Pack&, Progress& progress, const auto&) {
    while (time_ < 500) progress.tick();
  });
  EXPECT_EQ(done_, (message::PackDone{9, false}));
}

TEST_F(ProtocolTest, DoesNotBlameRankZeroForTheTimeOfAStop) {
  patience_.with_rank_0 = 150;
  serve_with([&](const Pack&, Progress& progress, const auto&) {
    progress.tick();
    time_ += 10'000;
    progress.tick();
    time_ += 10'000;
    progress.tick();
  });
  EXPECT_EQ(done_, (message::PackDone{9, false}));
}

TEST_F(ProtocolTest, TakesItselfForAliveAsLongAsTheEngineTicks) {
  patience_.own = 0.3;
  serve_with([&](const Pack&, Progress& progress, const auto&) {
    for (int i = 0; i < 60; ++i) {
      usleep(10'000);
      progress.tick();
    }
  });
  EXPECT_EQ(done_, (message::PackDone{9, false}));
}

using ProtocolDeathTest = ProtocolTest;

TEST_F(ProtocolDeathTest, EndsWhenTheEngineHangs) {
  const auto hang = [](const Pack&, Progress& progress, const auto&) {
    progress.tick();
    for (;;) pause();
  };
  patience_.own = 0.1;
  EXPECT_EXIT(serve_with(hang), ::testing::ExitedWithCode(3), "worker 1 hangs");
  patience_.ending = Ending::signal;
  EXPECT_EXIT(serve_with(hang), ::testing::KilledBySignal(SIGKILL), "worker 1 hangs");
}

TEST_F(ProtocolDeathTest, EndsWhenItsOwnStartHangs) {
  patience_.own = 0.1;
  EXPECT_EXIT(
      serve(
          hub_.end(1), 0, {"host", "node", "1", ""},
          [](const std::string&, std::span<const std::byte>, std::uint32_t) -> std::unique_ptr<PackRunner> {
            for (;;) pause();
          },
          steady_seconds, [] { return false; }, patience_),
      ::testing::ExitedWithCode(3), "worker 1 hangs");
}

TEST_F(ProtocolDeathTest, EndsTheJobWhenRankZeroFallsSilentDuringAPack) {
  patience_.with_rank_0 = 100;
  patience_.end_job = [this] { std::fprintf(stderr, "job ended at %.0f", time_); };
  EXPECT_EXIT(serve_with([](const Pack&, Progress& progress, const auto&) {
                while (progress.tick() == Order::go) {
                }
              }),
              ::testing::ExitedWithCode(3), "job ended at 10[0-9]");
}

TEST_F(ProtocolDeathTest, WaitsLongerForTheFirstWord) {
  patience_.with_rank_0 = 10;
  patience_.end_job = [this] { std::fprintf(stderr, "job ended at %.0f", time_); };
  hub_.before_poll(1, [] {});
  EXPECT_EXIT(serve_with(nullptr), ::testing::ExitedWithCode(3), "job ended at 3[0-9]");
}

TEST_F(ProtocolDeathTest, EndsAtOnceWhenTheOrchestratorDiesWhileItWaits) {
  setup_.place = message::SharedPlace{1, 1 << 20, 0, 1000};  // so that it asks for the data
  hub_.before_poll(1, [&] { hub_.lose(0); });
  EXPECT_EXIT(serve_with([](const Pack&, Progress&, const auto&) {}), ::testing::ExitedWithCode(3), "");
}

TEST_F(ProtocolDeathTest, EndsAtOnceWhenTheOrchestratorDiesDuringAPack) {
  EXPECT_EXIT(serve_with([&](const Pack&, Progress& progress, const auto&) {
                hub_.lose(0);
                while (progress.tick() == Order::go) {
                }
              }),
              ::testing::ExitedWithCode(3), "");
}

TEST_F(ProtocolDeathTest, EndsAsToldWhenTheOrchestratorIsGoneBeforeItsRelease) {
  stop_ = {0, true};
  after_bye_ = [&] { hub_.lose(0); };
  EXPECT_EXIT(serve_with([](const Pack&, Progress&, const auto&) {}), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace seldon::worker

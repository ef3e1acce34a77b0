#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/messages.h"
#include "orchestrator/dismiss.h"
#include "transport/in_process.h"

namespace seldon::orchestrator {
namespace {

using message::Tag;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DismissTest : public ::testing::Test {
 protected:
  /// The peer says Bye when told to stop, whenever the orchestrator looks, and keeps what else it is told.
  void answer(Peer peer) {
    while (const auto arrival = hub_.end(peer).poll()) {
      told_[peer].push_back(static_cast<Tag>(arrival->tag));
      if (arrival->tag != static_cast<int>(Tag::stop)) continue;
      EXPECT_EQ(message::decode<message::Stop>(arrival->bytes.view()).exit_code, 3);
      message::send(hub_.end(peer), 0, message::Heartbeat{});
      message::send(hub_.end(peer), 0, message::Bye{});
    }
  }
  /// Says hello from a node; its process has the peer's number.
  void introduce(Peer peer, const std::string& node) {
    message::send(hub_.end(peer), 0, message::Hello{"host", node, "1", "", process(peer)});
  }
  static Process process(Peer peer) { return {peer, 77}; }

  bool dismiss_all() {
    return dismiss(hub_.end(0), ExitCode::incomplete, 10, [&] { return time_ += 1; });
  }
  bool dismiss_or_kill_all() {
    return dismiss_or_kill(
        roll_, ExitCode::incomplete, 10, [&] { return time_ += 1; }, "here",
        [&](const Process& process) {
          killed_here_.push_back(process.pid);
          hub_.lose(static_cast<Peer>(process.pid));
          return true;
        });
  }

  transport::InProcess hub_{5};
  RollCall roll_{hub_.end(0)};
  double time_ = 0;
  std::map<Peer, std::vector<Tag>> told_;
  std::vector<std::int64_t> killed_here_;
};

TEST_F(DismissTest, WaitsForEveryGoodbye) {
  hub_.before_poll(0, [&] { answer(1), answer(2), answer(3), answer(4); });
  EXPECT_TRUE(dismiss_all());
  for (Peer peer = 1; peer < 5; ++peer) {
    answer(peer);
    EXPECT_THAT(told_[peer], ElementsAre(Tag::stop, Tag::release)) << peer;
  }
}

TEST_F(DismissTest, GivesUpOnTheSilentAndKeepsTheOthersForTheAbort) {
  hub_.before_poll(0, [&] { answer(1), answer(2), answer(3); });
  EXPECT_FALSE(dismiss_all());
  answer(1);
  EXPECT_THAT(told_[1], ElementsAre(Tag::stop));
}

TEST_F(DismissTest, DoesNotWaitForTheDead) {
  hub_.before_poll(0, [&] { answer(1), answer(2), answer(3), hub_.lose(4); });
  EXPECT_TRUE(dismiss_all());
}

TEST_F(DismissTest, KillsNobodyWhereAllAnswer) {
  for (Peer peer = 1; peer < 5; ++peer) introduce(peer, "here");
  hub_.before_poll(0, [&] { answer(1), answer(2), answer(3), answer(4); });
  EXPECT_TRUE(dismiss_or_kill_all());
  for (Peer peer = 1; peer < 5; ++peer) answer(peer);
  EXPECT_THAT(killed_here_, IsEmpty());
  for (Peer peer = 1; peer < 5; ++peer)
    EXPECT_THAT(told_[peer], ElementsAre(Tag::stop, Tag::release)) << peer;
}

TEST_F(DismissTest, KillsTheSilentOfItsOwnNodeItself) {
  for (Peer peer = 1; peer < 5; ++peer) introduce(peer, peer == 4 ? "here" : "there");
  hub_.before_poll(0, [&] { answer(1), answer(2), answer(3); });
  EXPECT_TRUE(dismiss_or_kill_all());
  EXPECT_THAT(killed_here_, ElementsAre(4));
}

TEST_F(DismissTest, HasTheSilentKilledByTheirNeighboursBeforeThoseAreReleased) {
  introduce(1, "there"), introduce(2, "there"), introduce(3, "there"), introduce(4, "elsewhere");
  hub_.before_poll(0, [&] {
    answer(1), answer(2), answer(4);
    if (!told_[1].empty() && told_[1].back() == Tag::kill) hub_.lose(3);
  });
  EXPECT_TRUE(dismiss_or_kill_all());
  for (Peer peer = 1; peer < 5; ++peer) answer(peer);
  EXPECT_THAT(killed_here_, IsEmpty());
  EXPECT_THAT(told_[1], ElementsAre(Tag::stop, Tag::kill, Tag::release));
  EXPECT_THAT(told_[2], ElementsAre(Tag::stop, Tag::kill, Tag::release));
  EXPECT_THAT(told_[4], ElementsAre(Tag::stop, Tag::release));
}

TEST_F(DismissTest, SaysWhereNobodyCouldReachTheSilent) {
  introduce(1, "there"), introduce(2, "there"), introduce(3, "elsewhere");  // and 4 has said nothing
  hub_.before_poll(0, [&] { answer(1), answer(2); });
  EXPECT_FALSE(dismiss_or_kill_all());
  EXPECT_LT(time_, 50);
  for (Peer peer = 1; peer < 5; ++peer) answer(peer);
  EXPECT_THAT(told_[1], ElementsAre(Tag::stop, Tag::release));
  EXPECT_THAT(told_[3], ElementsAre(Tag::stop));  // not released: it may yet answer to nobody
}

TEST_F(DismissTest, SaysOnceAMinuteThatItIsThere) {
  double now = 0;
  RollCall roll(hub_.end(0), [&] { return now; });
  for (Peer peer = 1; peer < 4; ++peer) introduce(peer, "there");  // 4 is not there yet
  const auto pass = [&](double seconds) {
    for (const double end = now + seconds; now < end; now += 0.5) roll.poll();
  };
  const auto beats = [&](Peer peer) {
    int count = 0;
    while (const auto arrival = hub_.end(peer).poll()) count += arrival->tag == static_cast<int>(Tag::beat);
    return count;
  };
  pass(50);
  EXPECT_EQ(beats(1), 0);
  pass(251);  // that is, 300 s and a look
  EXPECT_EQ(beats(1), 5);
  EXPECT_EQ(beats(4), 0);
  message::send(roll, 2, message::Stop{});
  hub_.lose(3);
  beats(2), beats(3);
  pass(60);
  EXPECT_EQ(beats(1), 1);
  EXPECT_EQ(beats(2), 0);
  EXPECT_EQ(beats(3), 0);
}

TEST_F(DismissTest, WaitsForNoneThatHasLeftBefore) {
  introduce(4, "there");
  message::send(hub_.end(4), 0, message::Bye{});
  while (roll_.poll()) {
  }
  EXPECT_TRUE(roll_.entry(4).left);
  hub_.before_poll(0, [&] { answer(1), answer(2), answer(3); });
  EXPECT_TRUE(dismiss_or_kill_all());
  EXPECT_LT(time_, 10);
}

}  // namespace
}  // namespace seldon::orchestrator

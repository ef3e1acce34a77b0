#include <gtest/gtest.h>

#include "core/messages.h"
#include "orchestrator/dismiss.h"
#include "transport/in_process.h"

namespace seldon::orchestrator {
namespace {

class DismissTest : public ::testing::Test {
 protected:
  /// Peers 1 and 2 say Bye when told to stop, as often as the orchestrator looks.
  void answer(Peer peer) {
    while (const auto arrival = hub_.end(peer).poll()) {
      EXPECT_EQ(arrival->tag, static_cast<int>(message::Tag::stop));
      EXPECT_EQ(message::decode<message::Stop>(arrival->bytes.view()).exit_code, 3);
      message::send(hub_.end(peer), 0, message::Heartbeat{});
      message::send(hub_.end(peer), 0, message::Bye{});
    }
  }
  transport::InProcess hub_{3};
  double time_ = 0;
};

TEST_F(DismissTest, WaitsForEveryGoodbye) {
  hub_.before_poll(0, [&] { answer(1), answer(2); });
  EXPECT_TRUE(dismiss(hub_.end(0), ExitCode::incomplete, 10, [&] { return time_ += 1; }));
}

TEST_F(DismissTest, GivesUpOnTheSilent) {
  hub_.before_poll(0, [&] { answer(1); });
  EXPECT_FALSE(dismiss(hub_.end(0), ExitCode::incomplete, 10, [&] { return time_ += 1; }));
}

TEST_F(DismissTest, DoesNotWaitForTheDead) {
  hub_.before_poll(0, [&] { answer(1), hub_.lose(2); });
  EXPECT_TRUE(dismiss(hub_.end(0), ExitCode::incomplete, 10, [&] { return time_ += 1; }));
}

}  // namespace
}  // namespace seldon::orchestrator

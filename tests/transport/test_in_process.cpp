#include <gtest/gtest.h>

#include "transport/in_process.h"

namespace seldon::transport {
namespace {

Bytes bytes(int value) {
  return Bytes(3, static_cast<std::byte>(value));
}

TEST(InProcess, DeliversInOrder) {
  InProcess hub(3);
  EXPECT_EQ(hub.end(2).self(), 2);
  EXPECT_EQ(hub.end(2).size(), 3);
  hub.end(1).send(0, 7, bytes(1));
  hub.end(2).send(0, 8, bytes(2));
  hub.end(1).send(0, 9, bytes(3));
  for (const auto& [from, tag, value] : {std::tuple{1, 7, 1}, {2, 8, 2}, {1, 9, 3}}) {
    const auto arrival = hub.end(0).poll();
    ASSERT_TRUE(arrival);
    EXPECT_EQ(arrival->from, from);
    EXPECT_EQ(arrival->tag, tag);
    EXPECT_EQ(Bytes(arrival->bytes.view().begin(), arrival->bytes.view().end()), bytes(value));
  }
  EXPECT_FALSE(hub.end(0).poll());
  EXPECT_FALSE(hub.end(1).poll());
}

TEST(InProcess, HandsOverTheSameMemory) {
  InProcess hub(2);
  const SharedBytes data(Bytes(1000));
  hub.end(0).send(1, 0, data);
  EXPECT_EQ(hub.end(1).poll()->bytes.view().data(), data.view().data());
}

TEST(InProcess, TurnsTheOtherSideBeforeItLooks) {
  InProcess hub(2);
  int turns = 0;
  hub.before_poll(1, [&] { hub.end(0).send(1, ++turns, {}); });
  EXPECT_EQ(hub.end(1).poll()->tag, 1);
  EXPECT_EQ(hub.end(1).poll()->tag, 2);
}

TEST(InProcess, ForgetsTheLost) {
  InProcess hub(2);
  hub.end(0).send(1, 0, bytes(1));
  hub.lose(1);
  EXPECT_TRUE(hub.end(0).lost(1));
  EXPECT_FALSE(hub.end(0).lost(0));
  hub.end(0).send(1, 0, bytes(1));
  EXPECT_FALSE(hub.end(1).poll());
}

}  // namespace
}  // namespace seldon::transport

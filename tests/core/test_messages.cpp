#include <gtest/gtest.h>

#include "core/messages.h"

namespace seldon::message {
namespace {

template <class Message>
Message there_and_back(const Message& message) {
  return decode<Message>(encode(message));
}

TEST(Messages, ComeBackAsTheyWere) {
  const SharedPlace place{1234, 7, 99, std::uint64_t{5} << 32};
  const Hello hello{"host", "node\n", "0.1.0", "{\"avx\":2}", {1234, 567}};
  EXPECT_EQ(there_and_back(hello), hello);
  const message::Setup setup{3, "[experiment]\n", place, true, 2.5};
  EXPECT_EQ(there_and_back(setup), setup);
  const message::Setup without{0, "", {}, false};
  EXPECT_EQ(there_and_back(without), without);
  const Placed placed{{}, "no memory"};
  EXPECT_EQ(there_and_back(placed), placed);
  const NeedData need{"no /proc"};
  EXPECT_EQ(there_and_back(need), need);
  EXPECT_EQ(there_and_back(Ready{}), Ready{});
  const Assign assign{std::uint64_t{1} << 40, {1, 2, 3, 4, 5}, 2, {{0, 4}, {1}}};
  EXPECT_EQ(there_and_back(assign), assign);
  const PackDone done{8, true};
  EXPECT_EQ(there_and_back(done), done);
  EXPECT_EQ(there_and_back(Heartbeat{8}), Heartbeat{8});
  EXPECT_EQ(there_and_back(Fault{"why"}), Fault{"why"});
  EXPECT_EQ(there_and_back(Cancel{8}), Cancel{8});
  EXPECT_EQ(there_and_back(Stop{3}), Stop{3});
  const Stop stay{2, true};
  EXPECT_EQ(there_and_back(stay), stay);
  const Kill kill{{std::int64_t{1} << 22, std::uint64_t{1} << 40}};
  EXPECT_EQ(there_and_back(kill), kill);
  EXPECT_EQ(there_and_back(Release{}), Release{});
  EXPECT_EQ(there_and_back(Beat{}), Beat{});
  EXPECT_EQ(there_and_back(Bye{}), Bye{});
}

TEST(Messages, CarryACellWithAllOfItsCircumstances) {
  CellDone sent;
  sent.lease = 17;
  sent.report.key = {1, 2, 3, 4};
  sent.report.state = CellState::failed;
  sent.report.record = {std::byte{1}, std::byte{0}, std::byte{255}};
  sent.report.run = {2, 5, 25, 0, {}, "host", "cpu", 1.5e9, 0.1, 0.2, 0.3, 0.6, "why"};
  const CellDone got = there_and_back(sent);
  EXPECT_EQ(got.lease, 17u);
  EXPECT_EQ(got.report.key, sent.report.key);
  EXPECT_EQ(got.report.state, CellState::failed);
  EXPECT_EQ(got.report.record, sent.report.record);
  const RunInfo& run = got.report.run;
  EXPECT_EQ(run.attempt, 2u);
  EXPECT_EQ(run.rank, 5);
  EXPECT_EQ(run.width, 25u);
  EXPECT_EQ(run.host, "host");
  EXPECT_EQ(run.device, "cpu");
  EXPECT_EQ(run.start, 1.5e9);
  EXPECT_EQ(run.seconds_selection, 0.1);
  EXPECT_EQ(run.seconds_safety, 0.2);
  EXPECT_EQ(run.seconds_evaluation, 0.3);
  EXPECT_EQ(run.seconds_total, 0.6);
  EXPECT_EQ(run.message, "why");
}

TEST(Messages, RefuseBytesThatAreNotExactlyOne) {
  const Bytes whole = encode(Assign{1, {0, 0, 0, 0, 2}, 1, {{0, 1}, {}}});
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_THROW(decode<Assign>(std::span(whole).first(length)), InternalError) << length;
  Bytes longer = whole;
  longer.push_back(std::byte{0});
  EXPECT_THROW(decode<Assign>(longer), InternalError);
}

}  // namespace
}  // namespace seldon::message

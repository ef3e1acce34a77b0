#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "orchestrator/node_data.h"

namespace seldon::orchestrator {
namespace {

using Way = NodeData::Way;
const message::SharedPlace place{1, 2, 3, 4};

TEST(NodeData, UsesTheOrchestratorsOwnCopy) {
  NodeData data("a", place);
  EXPECT_EQ(data.arrive(1, "a"), Way::map);
  EXPECT_EQ(data.place("a"), place);
  EXPECT_EQ(data.arrive(2, "b"), Way::send);
}

TEST(NodeData, OthersWaitForTheFirstOfTheirNode) {
  NodeData data("a", {});
  EXPECT_EQ(data.arrive(1, "a"), Way::send);
  EXPECT_EQ(data.arrive(2, "a"), Way::wait);
  EXPECT_EQ(data.arrive(3, "b"), Way::send);
  EXPECT_TRUE(data.waits(2, "a"));
  EXPECT_FALSE(data.waits(1, "a"));
  EXPECT_FALSE(data.waits(2, "nowhere"));
  EXPECT_THAT(data.settle("a", place), ::testing::ElementsAre(2));
  EXPECT_FALSE(data.waits(2, "a"));
  EXPECT_EQ(data.arrive(2, "a"), Way::map);
}

TEST(NodeData, EachKeepsItsOwnWhereNothingCanBeShared) {
  NodeData data("a", {});
  data.arrive(1, "b");
  data.arrive(2, "b");
  EXPECT_THAT(data.settle("b", {}), ::testing::ElementsAre(2));
  EXPECT_EQ(data.arrive(2, "b"), Way::keep);
}

TEST(NodeData, AnotherTakesTheDeadOnesPlace) {
  NodeData data("a", {});
  data.arrive(1, "b");
  data.arrive(2, "b");
  data.arrive(3, "b");
  EXPECT_THAT(data.leave(2, "b"), ::testing::IsEmpty());
  EXPECT_THAT(data.leave(1, "b"), ::testing::ElementsAre(3));
  EXPECT_EQ(data.arrive(3, "b"), Way::send);
  data.settle("b", place);
  EXPECT_THAT(data.leave(3, "b"), ::testing::IsEmpty());
  EXPECT_EQ(data.arrive(4, "b"), Way::send);  // nobody can map what a dead process held
}

}  // namespace
}  // namespace seldon::orchestrator

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/subgroups/subgroups.h"
#include "counted.h"

namespace seldon::analysis {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

store::Header header_with(std::vector<std::string> subgroups) {
  return counted::header(counted::shape(std::move(subgroups)), {"model"}, {1.0}, 1, 10);
}

TEST(SubgroupNames, TellAttributesAndGroups) {
  const auto subgroups = subgroups_of(header_with({"all", "gender=F", "gender=F x age=under_30"}));
  EXPECT_THAT(subgroups[0].attributes, IsEmpty());
  EXPECT_THAT(subgroups[1].attributes, ElementsAre("gender"));
  EXPECT_THAT(subgroups[2].attributes, ElementsAre("gender", "age"));
  EXPECT_THAT(subgroups[2].groups, ElementsAre("F", "under_30"));
}

TEST(SubgroupNames, MayHoldTheSignsThatPartThem) {
  const auto subgroups = subgroups_of(header_with({"all", "size=3 x 4", "size=3 x 4 x age=>=30"}));
  EXPECT_THAT(subgroups[1].groups, ElementsAre("3 x 4"));
  EXPECT_THAT(subgroups[2].attributes, ElementsAre("size", "age"));
  EXPECT_THAT(subgroups[2].groups, ElementsAre("3 x 4", ">=30"));
}

TEST(SubgroupNames, AttributesOfConstraintsAreUsedInTraining) {
  const auto header = header_with({"all", "gender=F", "gender=M", "age=old", "gender=F x age=old"});
  const auto subgroups = subgroups_of(header);  // the constraint names [M] and [F]
  EXPECT_FALSE(subgroups[0].used_in_training);
  EXPECT_TRUE(subgroups[1].used_in_training);
  EXPECT_FALSE(subgroups[1].used_in_part);
  EXPECT_FALSE(subgroups[3].used_in_training);
  EXPECT_TRUE(subgroups[4].used_in_training);
  EXPECT_TRUE(subgroups[4].used_in_part);
}

TEST(SubgroupNames, ConditionsMayNameSeveralGroupsAndMeasuresHaveIndices) {
  auto header = header_with({"all", "gender=F", "age=old", "ethnicity=black"});
  header.constraints[0].expression = "PR_[1] | [ F ,\told ] <= 0.2";
  const auto subgroups = subgroups_of(header);
  EXPECT_TRUE(subgroups[1].used_in_training);
  EXPECT_TRUE(subgroups[2].used_in_training);
  EXPECT_FALSE(subgroups[3].used_in_training);
}

TEST(SubgroupNames, TheIdentitySaysWhichAttributeAGroupIsOf) {
  auto header = header_with({"all", "age=old", "height=old"});
  header.constraints[0].expression = "PR | [old] <= 0.2";
  header.identity = R"({"group":["old"],"group.old.attribute":"age","group.old.overlapping":true})";
  const auto subgroups = subgroups_of(header);
  EXPECT_TRUE(subgroups[1].used_in_training);
  EXPECT_FALSE(subgroups[2].used_in_training);
  const auto families = families_of(header, subgroups);
  EXPECT_TRUE(families[0].overlapping);
  EXPECT_FALSE(families[1].overlapping);
}

TEST(SubgroupNames, DamagedIdentityIsNoObstacle) {
  auto header = header_with({"all", "age=old"});
  for (const char* identity :
       {"", "[", "[1]", R"({"group":[1]})", R"({"group":["old"],"group.old.attribute":3})"}) {
    header.identity = identity;
    EXPECT_EQ(families_of(header, subgroups_of(header)).size(), 1);
  }
}

TEST(SubgroupFamilies, HoldTheGroupsOfAnAttributeOrACrossing) {
  const auto header = header_with({"all", "g=a", "h=x", "g=a x h=x", "g=b", "g=b x h=x"});
  const auto subgroups = subgroups_of(header);
  const auto families = families_of(header, subgroups);
  ASSERT_EQ(families.size(), 3);
  EXPECT_EQ(families[0].name, "g");
  EXPECT_THAT(families[0].members, ElementsAre(1, 4));
  EXPECT_THAT(families[1].members, ElementsAre(2));
  EXPECT_EQ(families[2].name, "g x h");
  EXPECT_THAT(families[2].members, ElementsAre(3, 5));
}

TEST(SlotPlanTest, PutsFamiliesTogetherAndCountsPairs) {
  const auto header = header_with({"all", "g=a", "h=x", "g=b", "h=y", "g=c"});
  const SlotPlan plan(6, families_of(header, subgroups_of(header)));
  EXPECT_EQ(plan.slots(), 11);
  EXPECT_EQ(plan.slot_of(0), 0);
  EXPECT_EQ(plan.slot_of(5), 3);
  EXPECT_EQ(plan.subgroup_at(3), 5);
  EXPECT_EQ(plan.rest_of(1), 6);
  // Pairs a-b, a-c, b-c; x-y; then five groups with their rests.
  EXPECT_EQ(plan.cross(0, 1, 3), 0);
  EXPECT_EQ(plan.cross(0, 5, 1), 1);
  EXPECT_EQ(plan.cross(0, 3, 5), 2);
  EXPECT_EQ(plan.cross(1, 2, 4), 3);
  EXPECT_EQ(plan.cross_with_rest(1), 4);
  EXPECT_EQ(plan.crosses(), 9);
}

}  // namespace
}  // namespace seldon::analysis

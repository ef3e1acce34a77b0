#include <gtest/gtest.h>

#include "table/groups.h"
#include "tests/table/expect_input_error.h"

namespace seldon::table {
namespace {

const std::vector<std::string> columns = {"age"};

class Age final : public RowValues {
 public:
  explicit Age(double age) : age_(age) {}
  std::string_view text(std::size_t) const override { return {}; }
  double number(std::size_t) const override { return age_; }

 private:
  double age_;
};

GroupOptions group(const char* name, const char* where, int line, bool overlapping = false) {
  return {"age", name, where, {"c.toml", line}, overlapping};
}

std::vector<GroupMembers> sort_in(const std::vector<GroupOptions>& groups,
                                  std::initializer_list<double> ages) {
  GroupBuilder builder(groups, columns, "d.csv");
  int line = 2;
  for (double age : ages) builder.add(Age(age), {"d.csv", line++});
  return std::move(builder).finish();
}

TEST(Groups, PartitionTheRows) {
  const auto groups = sort_in({group("young", "age < 30", 10), group("old", "age >= 30", 11)}, {20, 40, 30});
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].attribute, "age");
  EXPECT_EQ(groups[0].name, "young");
  EXPECT_EQ(groups[0].member, (std::vector<std::uint8_t>{1, 0, 0}));
  EXPECT_EQ(groups[1].member, (std::vector<std::uint8_t>{0, 1, 1}));
}

TEST(Groups, ARowInNoneOrTwoIsNamed) {
  EXPECT_EQ(
      input_error([] {
        sort_in({group("young", "age < 30", 10), group("old", "age > 30", 11)}, {20, 40, 30});
      }),
      "d.csv:4: the row is in no group of attribute 'age', which has 'young' (c.toml:10), 'old' (c.toml:11); "
      "add a group for such rows, or mark the groups overlapping");
  EXPECT_EQ(
      input_error([] {
        sort_in({group("young", "age <= 30", 10), group("old", "age >= 30", 11)}, {20, 30});
      }),
      "d.csv:3: the row is in two groups of attribute 'age', 'young' (c.toml:10) and 'old' (c.toml:11); make "
      "their conditions exclude each other, or mark the groups overlapping");
}

TEST(Groups, MayOverlapIfMarked) {
  const auto groups =
      sort_in({group("adult", "age >= 18", 10, true), group("old", "age >= 65", 11, true)}, {10, 20, 70});
  EXPECT_EQ(groups[0].member, (std::vector<std::uint8_t>{0, 1, 1}));
  EXPECT_EQ(groups[1].member, (std::vector<std::uint8_t>{0, 0, 1}));
  EXPECT_TRUE(groups[1].overlapping);
  EXPECT_EQ(
      input_error([] {
        sort_in({group("a", "age >= 18", 10, true), group("b", "age < 18", 11)}, {10, 20});
      }),
      "c.toml:11: some groups of attribute 'age' are marked overlapping and some are not; mark all or none");
}

TEST(Groups, NeedRowsAndNamesOfTheirOwn) {
  EXPECT_EQ(input_error([] {
              sort_in({group("young", "age < 30", 10), group("old", "age >= 30", 11)}, {20, 21});
            }),
            "c.toml:11: group 'old' (age >= 30) has no rows in d.csv; correct the condition or remove it");
  EXPECT_EQ(input_error([] {
              sort_in({group("x", "age < 30", 10), group("x", "age >= 30", 11)}, {20, 40});
            }),
            "c.toml:11: two groups are named 'x'; constraints could not tell them apart: rename one");
}

}  // namespace
}  // namespace seldon::table

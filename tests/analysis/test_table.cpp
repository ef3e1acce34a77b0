#include <gtest/gtest.h>

#include "analysis/table.h"

namespace seldon::analysis {
namespace {

TEST(Table, ACellOfAnIntervalIsANumber) {
  const auto cell = TableCell::of_interval(0.5, 0.4, 0.6);
  EXPECT_EQ(cell.kind, TableCell::Kind::number);
  EXPECT_TRUE(cell.interval);
}

}  // namespace
}  // namespace seldon::analysis

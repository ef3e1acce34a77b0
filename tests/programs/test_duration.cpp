#include <gtest/gtest.h>

#include "programs/duration.h"

namespace seldon::programs {
namespace {

TEST(ParseDuration, ReadsUnits) {
  EXPECT_EQ(parse_duration("90s"), 90);
  EXPECT_EQ(parse_duration("30m"), 1800);
  EXPECT_EQ(parse_duration("1.5h"), 5400);
  EXPECT_EQ(parse_duration("2d"), 172800);
}

/// The forms of sbatch --time that are not a bare number.
TEST(ParseDuration, ReadsWhatSlurmWrites) {
  EXPECT_EQ(parse_duration("30:15"), 1815);
  EXPECT_EQ(parse_duration("12:00:01"), 43201);
  EXPECT_EQ(parse_duration("1-12"), 129600);
  EXPECT_EQ(parse_duration("1-12:30"), 131400);
  EXPECT_EQ(parse_duration("1-00:00:30"), 86430);
}

TEST(ParseDuration, RefusesTheRest) {
  for (const char* text :
       {"",        "90", "s",  "x",     "-5s", "0s", "1h30", "nan", "nans", "infs", "1e999s",
        "1:2:3:4", "1-", "-1", "1-2-3", "1:",  ":1", " 5s",  "5 s", "5s ",  "5ss",  "5S"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

}  // namespace
}  // namespace seldon::programs

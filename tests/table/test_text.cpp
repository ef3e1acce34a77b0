#include <gtest/gtest.h>

#include "table/text.h"
#include "tests/table/expect_input_error.h"

namespace seldon::table {
namespace {

TEST(Text, TrimsBlanksOnly) {
  EXPECT_EQ(trim(" \ta b\t "), "a b");
  EXPECT_EQ(trim("  "), "");
  EXPECT_EQ(trim("\n"), "\n");
}

TEST(Text, QuotesShortlyAndWithoutControlCharacters) {
  EXPECT_EQ(quote("a\tb\x1b"), "'a?b?'");
  EXPECT_EQ(quote(std::string(50, 'x')), "'" + std::string(40, 'x') + "...'");
}

TEST(Text, ReadsWholeNumbersOnly) {
  EXPECT_EQ(parse_number(" -1.5e2 ").value, -150);
  EXPECT_EQ(parse_number("+.5").value, .5);
  EXPECT_EQ(parse_number("").fault, NumberFault::empty);
  EXPECT_EQ(parse_number("  ").fault, NumberFault::empty);
  for (const char* text : {"12x", "A11", "+", "+-1", "1 2", "0x10", "1,5", "--1"})
    EXPECT_EQ(parse_number(text).fault, NumberFault::not_a_number) << text;
  for (const char* text : {"nan", "NaN", "inf", "-INF", "infinity"})
    EXPECT_EQ(parse_number(text).fault, NumberFault::not_finite) << text;
  EXPECT_EQ(parse_number("1e999").fault, NumberFault::out_of_range);
}

TEST(Text, FindsTheNearestName) {
  const std::vector<std::string> names = {"age", "gender", "ethnicity"};
  EXPECT_EQ(nearest("gendre", names), "gender");
  EXPECT_EQ(nearest("ages", names), "age");
  EXPECT_EQ(nearest("x", {}), "");
  EXPECT_EQ(nearest(std::string(100000, 'g'), names), "age");  // the fewest changes, and soon
}

TEST(Text, ARequiredColumnNamesTheNearestOne) {
  const std::vector<std::string> names = {"age", "gender"};
  EXPECT_EQ(require_column("gender", names, {"c.toml", 3}, "d.csv"), 1U);
  EXPECT_EQ(input_error([&] {
              require_column("gendr", names, {"c.toml", 3}, "d.csv");
            }),
            "c.toml:3: d.csv has no column 'gendr'; the nearest name is 'gender'");
}

}  // namespace
}  // namespace seldon::table

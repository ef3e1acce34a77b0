#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "table/text.h"
#include "table/where.h"
#include "tests/table/expect_input_error.h"

namespace seldon::table {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> columns = {"age", "gender", "sex", "personal_status", "hours per week"};

class Row final : public RowValues {
 public:
  explicit Row(std::vector<std::string> fields) : fields_(std::move(fields)) {}
  std::string_view text(std::size_t column) const override { return fields_[column]; }
  double number(std::size_t column) const override {
    return require_number(fields_[column], {"d.csv", 7}, columns[column]);
  }

 private:
  std::vector<std::string> fields_;
};

const Row woman({"29", "1", "F", "A92", "40"});

bool holds(const std::string& expression, const Row& row = woman) {
  return Where(expression, {"c.toml", 23}, columns, "d.csv").holds(row);
}

TEST(Where, ComparesNumbers) {
  EXPECT_TRUE(holds("gender == 1"));
  EXPECT_FALSE(holds("gender == 0"));
  EXPECT_TRUE(holds("gender != 0"));
  EXPECT_TRUE(holds("18 <= age < 30"));
  EXPECT_FALSE(holds("18 <= age < 29"));
  EXPECT_TRUE(holds("18 <= age <= 29"));
  EXPECT_FALSE(holds("29 < age < 40"));
  EXPECT_TRUE(holds("30 > age >= 29"));
  EXPECT_FALSE(holds("age >= 65"));
  EXPECT_TRUE(holds("65 > age"));
  EXPECT_FALSE(holds("65 <= age"));
  EXPECT_TRUE(holds("28.5 < age"));
  EXPECT_TRUE(holds("age > -1e3"));
  EXPECT_TRUE(holds("`hours per week` == 40.0"));
}

TEST(Where, ComparesText) {
  EXPECT_TRUE(holds("sex == \"F\""));
  EXPECT_TRUE(holds("sex == F"));
  EXPECT_FALSE(holds("sex != F"));
  EXPECT_FALSE(holds("personal_status == A91"));
  EXPECT_TRUE(holds("personal_status == A92"));
  EXPECT_TRUE(holds("personal_status in {A91, \"A92\"}"));
  EXPECT_FALSE(holds("personal_status in {A91}"));
  EXPECT_TRUE(holds("age in {28, 29}"));
}

TEST(Where, JoinsConditions) {
  EXPECT_TRUE(holds("sex == F and age < 30"));
  EXPECT_FALSE(holds("sex == F and age < 20"));
  EXPECT_TRUE(holds("sex == M or age < 30"));
  EXPECT_TRUE(holds("not sex == M"));
  EXPECT_FALSE(holds("not (sex == M or age < 30)"));
  // 'and' binds tighter than 'or', 'not' tighter than both.
  EXPECT_TRUE(holds("sex == F or sex == M and age > 100"));
  EXPECT_FALSE(holds("(sex == F or sex == M) and age > 100"));
  EXPECT_TRUE(holds("not sex == M and age == 29"));
  EXPECT_FALSE(holds("not sex == F or age == 30"));
}

TEST(Where, ShowsThePlaceOfAnError) {
  EXPECT_EQ(input_error([] { holds("18 <= agee < 30"); }),
            "c.toml:23: where: d.csv has no column 'agee'; the nearest name is 'age'\n"
            "  18 <= agee < 30\n"
            "        ^");
  EXPECT_EQ(input_error([] { holds("18 <= age <"); }),
            "c.toml:23: where: the expression ends where a column, a number or text belongs\n"
            "  18 <= age <\n"
            "             ^");
  EXPECT_EQ(input_error([] { holds("gender = 0"); }),
            "c.toml:23: where: a single '=' compares nothing; write ==\n"
            "  gender = 0\n"
            "         ^");
}

TEST(Where, RefusesWhatMeansNothing) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "the expression ends"},
      {"age", "a comparison"},
      {"1 < 2", "names no column"},
      {"age < 3 < 4", "the column stands in the middle"},
      {"sex < F", "text has no order"},
      {"age > 1 age < 3", "more than one condition"},
      {"(age > 1", "')' is missing"},
      {"age > 1)", "more than one condition"},
      {"age in 3", "a '{'"},
      {"age in {}", "a column, a number or text"},
      {"age in {3", "',' or '}'"},
      {"3 in {3}", "a column belongs before 'in'"},
      {"sex == \"F", "never closes"},
      {"sex == and", "put 'and' in quotes"},
      {"age == 3x", "starts like a number"},
      {"age == 1e999", "out of the range"},
      {"age == *", "a column, a number or text in double quotes"},
      {"not", "the expression ends"},
  };
  for (const auto& [expression, message] : cases)
    EXPECT_THAT(input_error([&] { holds(expression); }), HasSubstr(message)) << expression;
}

TEST(Where, ANumberAskedOfTextIsAnErrorOfTheRow) {
  EXPECT_THAT(input_error([] { holds("sex == 1"); }),
              HasSubstr("d.csv:7: column 'sex' holds 'F' where a number"));
}

TEST(Where, DeepNestingIsRefusedNotACrash) {
  const std::string deep = std::string(100000, '(') + "age > 1";
  EXPECT_THAT(input_error([&] { holds(deep); }), HasSubstr("nested too deeply"));
  std::string nots;
  for (int i = 0; i < 100000; ++i) nots += "not ";
  EXPECT_THAT(input_error([&] { holds(nots); }), HasSubstr("nested too deeply"));
}

}  // namespace
}  // namespace seldon::table

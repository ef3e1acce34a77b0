#include <cmath>
#include <limits>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "analysis/table.h"

namespace seldon::analysis {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

Table example() {
  Table table{"groups", "Accuracy & more", {"A note with 50 % and a_b."}, {}, {}};
  table.columns = {{"group", "Group", "who", 3}, {"n", "n", "rows", 0}, {"acc", "Accuracy", "share", 3}};
  table.rows = {
      {TableCell::of("gender=F"), TableCell::of_count(1200), TableCell::of_interval(0.5, 0.25, 0.75)},
      {TableCell::of("a|b_{c}"), TableCell::of_count(7), TableCell::of_interval(-12.5, -13, inf).flag()},
      {TableCell::of("empty"), {}, TableCell::of_number(nan, "no rows")},
  };
  return table;
}

TEST(Table, ConsoleAlignsNumbersByTheirPointAndExplainsNaN) {
  EXPECT_EQ(to_console(example()),
            "Accuracy & more\n"
            "Group        n                   Accuracy\n"
            "-----------------------------------------\n"
            "gender=F  1200    0.500 [0.250, 0.750]\n"
            "a|b_{c}      7  -12.500 [-13.000, inf]!\n"
            "empty               NaN               (a)\n"
            "A note with 50 % and a_b.\n"
            "a: no rows\n");
}

TEST(Table, ColoursEndWhereTheyBegan) {
  const auto text = to_console(example(), {.colour = true});
  std::size_t begun = 0, ended = 0;
  for (std::size_t at = 0; (at = text.find("\033[", at)) != std::string::npos; ++at)
    text.compare(at, 4, "\033[0m") == 0 ? ++ended : ++begun;
  EXPECT_GT(begun, 3U);
  EXPECT_EQ(begun, ended);
}

TEST(Table, CsvReadsBackAsTheSameNumbers) {
  auto table = example();
  table.rows[0][2] = TableCell::of_interval(0.1 + 0.2, 1.0 / 3, inf);
  table.rows[2][0] = TableCell::of("a, \"b\"");
  EXPECT_EQ(to_csv(table),
            "group,n,acc,acc_lower,acc_upper,flags,missing\n"
            "gender=F,1200,0.30000000000000004,0.3333333333333333,inf,,\n"
            "a|b_{c},7,-12.5,-13,inf,acc,\n"
            "\"a, \"\"b\"\"\",,,,,,acc: no rows\n");
}

TEST(Table, MarkdownKeepsItsColumnsWhateverANameHolds) {
  EXPECT_EQ(to_markdown(example()),
            "**Accuracy &amp; more**\n\n"
            "| Group | n | Accuracy |\n"
            "| --- | ---: | ---: |\n"
            "| gender=F | 1200 | 0.500 \\[0.250, 0.750\\] |\n"
            "| a\\|b\\_{c} | 7 | -12.500 \\[-13.000, inf\\] ! |\n"
            "| empty |  | NaN <sup>a</sup> |\n"
            "\nA note with 50 % and a\\_b.\n"
            "\na: no rows\n");
}

TEST(Table, LatexEscapesEveryNameAndUsesBooktabs) {
  const auto text = to_latex(example());
  for (const char* part :
       {"\\caption{Accuracy \\& more}", "\\begin{tabular}{lrr}", "\\toprule", "\\midrule", "\\bottomrule",
        "a\\textbar{}b\\_\\{c\\} & 7 & $-$12.500 {[}$-$13.000, $\\infty${]}\\rlap{$^{!}$}",
        "\\label{tab:groups}", "NaN\\textsuperscript{a}", "50 \\% and a\\_b."})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST(Table, JsonTellsNaNFromInfinite) {
  const auto json = nlohmann::json::parse(to_json(example()));
  EXPECT_EQ(json["columns"][2]["name"], "acc");
  EXPECT_EQ(json["rows"][0][0], "gender=F");
  EXPECT_EQ(json["rows"][0][2]["lower"], 0.25);
  EXPECT_EQ(json["rows"][1][2]["upper"], "inf");
  EXPECT_EQ(json["rows"][1][2]["flagged"], true);
  EXPECT_TRUE(json["rows"][2][1].is_null());
  EXPECT_TRUE(json["rows"][2][2]["value"].is_null());
  EXPECT_EQ(json["rows"][2][2]["text"], "no rows");
}

TEST(Table, NamesCannotBreakOutOfALine) {
  auto table = example();
  table.title = "a\nb\x1b[31m";
  table.rows[0][0] = TableCell::of("x\tq\n| z |");
  for (const auto form : {TableForm::console, TableForm::csv, TableForm::markdown, TableForm::latex}) {
    EXPECT_THAT(to_text(table, form), Not(HasSubstr("\x1b"))) << name_of(form);
    EXPECT_THAT(to_text(table, form), Not(HasSubstr("q\n"))) << name_of(form);
  }
}

TEST(Table, ATableWithoutRowsStillHasItsHead) {
  auto table = example();
  table.rows.clear();
  EXPECT_THAT(to_console(table), HasSubstr("Group  n  Accuracy"));
  EXPECT_EQ(to_csv(table), "group,n,acc,flags,missing\n");
}

TEST(Table, FormsAreFoundByTheirNames) {
  for (const auto form :
       {TableForm::console, TableForm::csv, TableForm::markdown, TableForm::latex, TableForm::json})
    EXPECT_EQ(table_form_named(name_of(form)), form);
  EXPECT_EQ(table_form_named("html"), std::nullopt);
}

TEST(Table, LatexNeedsNoFontEncodingForQuotes) {
  Table table;
  table.columns = {{"name", "name", ""}};
  table.rows = {{TableCell::of("a \"b\"")}};
  EXPECT_THAT(to_latex(table), testing::HasSubstr("a \\char34{}b\\char34{}"));
}

}  // namespace
}  // namespace seldon::analysis

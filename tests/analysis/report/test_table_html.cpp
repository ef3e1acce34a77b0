#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/report/table_html.h"

namespace seldon::analysis::report {
namespace {

using testing::HasSubstr;
using testing::Not;

Table example() {
  Table table{"demo_1", "A title & more", {"note 1", "note 2", "note 3", "note 4"}, {}, {}};
  table.columns = {{"name", "name", "", 0}, {"value", "value", "what it is", 3}, {"n", "n", "", 0}};
  table.rows = {
      {TableCell::of("model_a"), TableCell::of_interval(0.5, 0.25, 0.75), TableCell::of_count(1200)},
      {TableCell::of("<b>"), TableCell::of_number(std::nan(""), "no rows"), {}},
      {TableCell::of("c"), TableCell::of_number(-1.0 / 3).flag(), TableCell::of_count(1)}};
  return table;
}

TEST(TableHtml, IsATableThatCanBeRead) {
  const auto html = to_html(example());
  EXPECT_THAT(html, HasSubstr("id=\"table-demo_1\""));
  EXPECT_THAT(html,
              HasSubstr("<caption id=\"table-demo_1-caption\"><span>A title &amp; more</span></caption>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"col\">Name</th><th scope=\"col\" class=\"n\">Value</th>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">model_<wbr>a</th>"));
  EXPECT_THAT(
      html, HasSubstr("<td class=\"n\" data-v=\"0.5\">0.500 <span class=\"ci\">[0.250, 0.750]</span></td>"));
  EXPECT_THAT(html, HasSubstr("<td class=\"n\" data-v=\"1200\">1,200</td>"));
}

TEST(TableHtml, TellsWhyANumberIsMissing) {
  const auto html = to_html(example());
  EXPECT_THAT(html, HasSubstr("<td class=\"n\">NaN<sup>a</sup></td>"));
  EXPECT_THAT(html, HasSubstr("<li><sup>a</sup> no rows</li>"));
}

TEST(TableHtml, KeepsTheDoubleToSortBy) {
  EXPECT_THAT(to_html(example()), HasSubstr("data-v=\"-0.3333333333333333\">−0.333<span class=\"flag\">"));
}

TEST(TableHtml, EscapesNames) {
  auto table = example();
  table.title = "</caption><script>";
  table.columns[1].about = "<i>";
  table.notes[0] = "<u>";
  table.rows[1][1].text = "<s>";
  const auto html = to_html(table);
  for (const auto* tag : {"<b>", "<script>", "<i>", "<u>", "<s>"}) EXPECT_THAT(html, Not(HasSubstr(tag)));
}

TEST(TableHtml, LongNotesAreAsked) {
  const auto html = to_html(example());
  const auto details = html.find("<details");
  EXPECT_LT(html.find("note 3"), details);
  EXPECT_GT(html.find("note 4"), details);
  EXPECT_GT(html.find("what it is"), details);
}

TEST(TableHtml, SaysWhereToFindWhatIsNotPrinted) {
  TableLook look;
  look.screen_only = true;
  look.row_header = 2;
  look.not_printed = {"value"};
  const auto html = to_html(example(), look);
  EXPECT_THAT(html, HasSubstr("class=\"table screen\""));
  EXPECT_THAT(html, HasSubstr("A title &amp; more: 3 rows, in report.html only."));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\" class=\"n\" data-v=\"1200\">"));
  EXPECT_THAT(html, HasSubstr("<td class=\"n x\" data-v=\"0.5\">"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"col\" class=\"n x\">Value</th>"));
}

}  // namespace
}  // namespace seldon::analysis::report

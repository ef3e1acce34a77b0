#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "analysis/report/markup.h"

namespace seldon::analysis::report {
namespace {

TEST(Markup, EscapesWhatMeansSomething) {
  EXPECT_EQ(escaped("a & b < c > \"d\" 'e'"), "a &amp; b &lt; c &gt; &quot;d&quot; &#39;e&#39;");
  EXPECT_EQ(escaped("two\nlines\tand\x01"), "two lines and ");
  EXPECT_EQ(escaped("\xFF bytes"), "\uFFFD bytes");
  EXPECT_EQ(attribute("title", "\" onload=\"x"), " title=\"&quot; onload=&quot;x\"");
}

TEST(Markup, KeepsLinesOfPreformattedText) {
  EXPECT_EQ(escaped_lines("[a]\n\tb = '<'\n"), "[a]\n\tb = &#39;&lt;&#39;\n");
  EXPECT_EQ(escaped_lines(""), "");
  EXPECT_EQ(escaped_lines("x\ry"), "x y");
}

TEST(Markup, JsonCannotEndItsScript) {
  EXPECT_EQ(json_in_script("[\"</script><!--\", \"a & b\"]"),
            "[\"\\u003c/script\\u003e\\u003c!--\", \"a \\u0026 b\"]");
  EXPECT_EQ(json_in_script("\"\u2028 and \u2029\""), "\"\\u2028 and \\u2029\"");
  EXPECT_EQ(json_in_script("\"é…\""), "\"é…\"");
}

TEST(Markup, NumbersForPeople) {
  EXPECT_EQ(number(0.12345), "0.123");
  EXPECT_EQ(number(-0.5, 1), "−0.5");
  EXPECT_EQ(number(1234.5, 1), "1,234.5");
  EXPECT_EQ(number(0.00012), "1.20e-04");
  EXPECT_EQ(number(0), "0.000");
  EXPECT_EQ(number(-0.0), "0.000");
  EXPECT_EQ(number(std::nan("")), "NaN");
  EXPECT_EQ(number(-std::numeric_limits<double>::infinity()), "−∞");
  EXPECT_EQ(count(0), "0");
  EXPECT_EQ(count(999), "999");
  EXPECT_EQ(count(1000), "1,000");
  EXPECT_EQ(count(1234567), "1,234,567");
  EXPECT_EQ(counted(1, "cell"), "1 cell");
  EXPECT_EQ(counted(2, "cell"), "2 cells");
}

TEST(Markup, Words) {
  EXPECT_EQ(words("log_loss"), "Log loss");
  EXPECT_EQ(lower_words("log_loss"), "log loss");
  EXPECT_EQ(capitalised("n"), "n");
  EXPECT_EQ(capitalised("rows"), "Rows");
  EXPECT_EQ(id_of("gender=F x \"age\"_1"), "gender-F-x--age-_1");
  EXPECT_EQ(enumerated(std::vector<std::string>{}), "");
  EXPECT_EQ(enumerated(std::vector<std::string>{"a"}), "a");
  EXPECT_EQ(enumerated(std::vector<std::string>{"a", "b", "c"}), "a, b and c");
}

TEST(Markup, Dates) {
  EXPECT_EQ(date(1795368964.16), "2026-11-22 17:36 UTC");
  EXPECT_EQ(date(0), "unknown");
  EXPECT_EQ(date(std::nan("")), "unknown");
  EXPECT_EQ(date(1e300), "unknown");
}

}  // namespace
}  // namespace seldon::analysis::report

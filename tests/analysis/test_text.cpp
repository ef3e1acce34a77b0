#include <cmath>
#include <cstdlib>
#include <limits>

#include <gtest/gtest.h>

#include "analysis/text.h"

namespace seldon::analysis {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
const double nan = std::nan("");

TEST(Text, ShortestReadsBackAsTheSameDouble) {
  EXPECT_EQ(shortest(0.1), "0.1");
  EXPECT_EQ(shortest(-inf), "-inf");
  EXPECT_EQ(shortest(nan), "nan");
  for (double value : {1.0 / 3, 1e-300, 5e-324, 123456789.123456789, -0.0, 1.7976931348623157e308})
    EXPECT_EQ(std::strtod(shortest(value).c_str(), nullptr), value) << shortest(value);
}

TEST(Text, PythonReprIsThatOfPython) {  // from Python 3.11
  EXPECT_EQ(python_repr(1.0), "1.0");
  EXPECT_EQ(python_repr(0.0), "0.0");
  EXPECT_EQ(python_repr(-0.0), "-0.0");
  EXPECT_EQ(python_repr(0.0001), "0.0001");
  EXPECT_EQ(python_repr(0.00001), "1e-05");
  EXPECT_EQ(python_repr(1.5e-7), "1.5e-07");
  EXPECT_EQ(python_repr(1e15), "1000000000000000.0");
  EXPECT_EQ(python_repr(1e16), "1e+16");
  EXPECT_EQ(python_repr(123456.75), "123456.75");
  EXPECT_EQ(python_repr(0.0316227766016837), "0.0316227766016837");
  EXPECT_EQ(python_repr(nan), "nan");
}

struct NumpyCase {
  std::vector<double> values;
  std::string text;
};

TEST(Text, NumpyStrIsThatOfNumpy) {  // str(np.array(values)), NumPy 2.4
  const std::vector<NumpyCase> cases = {
      {{-0.08542279123}, "[-0.08542279]"},
      {{0.1, -0.2}, "[ 0.1 -0.2]"},
      {{-inf}, "[-inf]"},
      {{-inf, -inf}, "[-inf -inf]"},
      {{nan}, "[nan]"},
      {{inf, -inf, nan}, "[ inf -inf  nan]"},
      {{0.0}, "[0.]"},
      {{1.0, 2.5}, "[1.  2.5]"},
      {{1e-05}, "[1.e-05]"},
      {{1.5e-05, 0.25}, "[1.5e-05 2.5e-01]"},
      {{123456789.0, 1.0}, "[1.23456789e+08 1.00000000e+00]"},
      {{0.1, -inf}, "[ 0.1 -inf]"},
      {{0.123456789123, -12.5, nan}, "[  0.12345679 -12.5                 nan]"},
      {{1e-100, 100000.0, -32500000.0}, "[ 1.00e-100  1.00e+005 -3.25e+007]"},
      {{99999999.1}, "[99999999.1]"},
      {{0.6666666666666666, 0.6666666666666666, 0.6666666666666666, 0.6666666666666666, 0.6666666666666666,
        0.6666666666666666, 0.6666666666666666, 0.6666666666666666},
       "[0.66666667 0.66666667 0.66666667 0.66666667 0.66666667 0.66666667\n 0.66666667 0.66666667]"},
      {{-0.3333333333333333, 0.001, 0.5, -0.3333333333333333, 0.001, 0.5, -0.3333333333333333, 0.001, 0.5},
       "[-0.33333333  0.001       0.5        -0.33333333  0.001       0.5\n -0.33333333  0.001       0.5     "
       "  ]"},
      {{-0.1, 0.05, 1e-12}, "[-1.e-01  5.e-02  1.e-12]"},
      {{1e-05, inf}, "[1.e-05    inf]"},
      {{-0.0}, "[-0.]"},
      {{}, "[]"},
  };
  for (const auto& one : cases) EXPECT_EQ(numpy_str(one.values), one.text);
}

TEST(Text, CsvFieldQuotesOnlyWhereNeeded) {
  EXPECT_EQ(csv_field("plain text"), "plain text");
  EXPECT_EQ(csv_field("a,b"), "\"a,b\"");
  EXPECT_EQ(csv_field("say \"no\"\n"), "\"say \"\"no\"\"\n\"");
}

TEST(Text, OneLineIsValidUtf8WithoutControls) {
  EXPECT_EQ(one_line("a\nb\tc\x7F"), "a b c ");
  EXPECT_EQ(one_line("größe ≥ 0.9 😀"), "größe ≥ 0.9 😀");
  EXPECT_EQ(one_line("\xFF"), "\uFFFD");
  EXPECT_EQ(one_line("\xC3"), "\uFFFD");                                // cut off
  EXPECT_EQ(one_line("\xC0\xAF"), "\uFFFD\uFFFD");                      // overlong '/'
  EXPECT_EQ(one_line("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");            // a surrogate
  EXPECT_EQ(one_line("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");  // beyond U+10FFFF
  EXPECT_EQ(one_line("\xC2\x85x\xE2\x80\xA8y\xEF\xBF\xBFz"), " x y z");
}

TEST(Text, ShorteningAndWrappingCountCharacters) {
  EXPECT_EQ(length("δ ≥ 1"), 5u);
  EXPECT_EQ(shortened("δδδδ", 4), "δδδδ");
  EXPECT_EQ(shortened("δδδδδ", 4), "δδδ…");
  EXPECT_EQ(wrapped("one two three four", 9, 5), (std::vector<std::string>{"one two ", "three ", "four"}));
  EXPECT_EQ(wrapped("aaaaaaaaaaaa", 5, 2), (std::vector<std::string>{"aaaaa", "aaaa…"}));
  EXPECT_EQ(wrapped("", 5, 2), (std::vector<std::string>{""}));
}

}  // namespace
}  // namespace seldon::analysis

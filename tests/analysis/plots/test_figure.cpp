#include <cmath>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/plots/figure.h"
#include "core/error.h"

namespace seldon::analysis {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Figure, FormatsHaveNames) {
  for (auto format : {Format::svg, Format::pdf, Format::png})
    EXPECT_EQ(format_named(name_of(format)), format);
  EXPECT_FALSE(format_named("gif"));
}

TEST(Figure, SizesFollowTheWidth) {
  FigureStyle style;
  EXPECT_EQ(style.text_size(), 11);
  EXPECT_EQ(style.title_size(), 13);
  EXPECT_EQ(style.legend_size(), 11);
  EXPECT_FALSE(style.narrow());
  style.width = two_columns;
  EXPECT_EQ(style.text_size(), 8);
  EXPECT_FALSE(style.narrow());
  style.width = one_column;
  EXPECT_TRUE(style.narrow());
  style.font_size = 6;
  EXPECT_EQ(style.text_size(), 6);
  EXPECT_EQ(style.legend_size(), 6);
}

TEST(Figure, TicsAreRoundAndFew) {
  EXPECT_EQ(script_tics('y', {0, 1}, 6), "set ytics 0.2\nset format y '%.1f'\n");
  EXPECT_EQ(script_tics('x', {0, 1500}, 4), "set xtics 500\nset format x '%.0f'\n");
  EXPECT_EQ(script_tics('y', {0.690, 0.6925}, 7), "set ytics 5e-04\nset format y '%.4f'\n");
}

TEST(Figure, TicsOfLargeAndCloseNumbersDiffer) {
  EXPECT_EQ(script_tics('y', {1e6, 1e6 + 5}, 7), "set ytics 1\nset format y '%.7g'\n");
  EXPECT_EQ(script_tics('y', {1e30, 1.5e30}, 6), "set ytics 1e+29\nset format y '%.2g'\n");
  EXPECT_EQ(script_tics('y', {0.5, 0.5 + 4.5e-8}, 6), "set ytics 1e-08\nset format y '%.8g'\n");
}

TEST(Figure, LongNumbersGetRoom) {
  const FigureStyle style;
  EXPECT_EQ(room_for_tics(style, {0, 1}), 0);
  const double seven = room_for_tics(style, {1e30, 1.5e30}), eight = room_for_tics(style, {-1.5e30, -1e30});
  EXPECT_GT(seven, 0);
  EXPECT_NEAR(eight / seven, 4.0 / 3, 1e-12);  // one character more: four beyond the usual, not three
}

TEST(Figure, OneAmountOfDataStandsInTheMiddle) {
  const auto range = data_range(std::vector<double>{1000, 1000}, true, 0.06);
  EXPECT_NEAR(range.low * range.high, 1e6, 1e-3);
  EXPECT_GT(range.high / range.low, 4);
}

TEST(Figure, LogarithmicTicsFitTheAxis) {
  EXPECT_THAT(script_log_tics('x', {1, 1000}, 7), HasSubstr("10^{%L}"));
  EXPECT_THAT(script_log_tics('x', {90, 1100}, 7),
              HasSubstr("(10, 20, 50, 100, 200, 500, 1000, 2000, 5000)"));
  EXPECT_THAT(script_log_tics('x', {90, 1100}, 3), HasSubstr("(10, 30, 100, 300, 1000, 3000)"));
  // No 1, 2 or 5 between the ends: equal steps.
  EXPECT_THAT(script_log_tics('y', {0.56, 0.69}, 5), HasSubstr("set ytics (0.6, 0.65)"));
}

TEST(Figure, RangesLeaveOutWhatAnAxisCannotShow) {
  const std::vector<double> values = {1, 3, std::nan(""), -INFINITY, INFINITY};
  EXPECT_EQ(range_of(values, false, 0.5).low, 0);
  EXPECT_EQ(range_of(values, false, 0.5).high, 4);
  EXPECT_NEAR(range_of(std::vector<double>{-1, 0, 1, 100}, true, 0.5).low, 0.1, 1e-12);
  EXPECT_NEAR(range_of(std::vector<double>{-1, 0, 1, 100}, true, 0.5).high, 1000, 1e-9);
  const auto constant = range_of(std::vector<double>{2, 2}, false, 0.1);
  EXPECT_LT(constant.low, 2);
  EXPECT_GT(constant.high, 2);
  EXPECT_LT(range_of({}, false, 0.1).low, range_of({}, false, 0.1).high);
}

TEST(Figure, LegendTakesTheColumnsThatFit) {
  FigureStyle style;
  const std::vector<std::string> texts = {"a", "b", "c", "d", "e"};
  EXPECT_EQ(legend_for(style, texts).columns, 5u);
  EXPECT_EQ(legend_for(style, std::vector<std::string>(5, std::string(60, 'x'))).columns, 1u);
  style.legend_columns = 2;
  EXPECT_EQ(legend_for(style, texts).columns, 2u);
  EXPECT_EQ(legend_for(style, texts).lines, 3u);
  style.legend = false;
  EXPECT_EQ(legend_for(style, texts).height, 0);
  EXPECT_EQ(script_legend(style, legend_for(style, texts), 5, "model_", 0, 1), "");
}

TEST(Figure, NumbersOfADataFileAreFiniteOrNaN) {
  EXPECT_EQ(data_number(0.1), "0.1");
  EXPECT_EQ(data_number(INFINITY), "NaN");
  EXPECT_EQ(data_number(std::nan("")), "NaN");
}

}  // namespace
}  // namespace seldon::analysis

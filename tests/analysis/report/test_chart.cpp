#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/report/chart.h"

namespace seldon::analysis::report {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> labels(const Scale& scale) {
  std::vector<std::string> labels;
  for (const auto& tick : scale.ticks(5)) labels.push_back(tick.label);
  return labels;
}

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(Scale, LinearTicksAreRound) {
  EXPECT_THAT(labels({Scale::Kind::linear, 0, 1}), ElementsAre("0.0", "0.2", "0.4", "0.6", "0.8", "1.0"));
  EXPECT_THAT(labels({Scale::Kind::linear, -0.02, 0.05}), ElementsAre("−0.02", "0.00", "0.02", "0.04"));
  EXPECT_THAT(labels({Scale::Kind::linear, 0, 0.25}),
              ElementsAre("0.00", "0.05", "0.10", "0.15", "0.20", "0.25"));
}

TEST(Scale, LogarithmicTicksArePowersOfTen) {
  EXPECT_THAT(labels({Scale::Kind::log, 1, 1000}), ElementsAre("1", "10", "100", "1,000"));
  EXPECT_THAT(labels({Scale::Kind::log, 90, 2500}), ElementsAre("100", "200", "500", "1,000", "2,000"));
  EXPECT_THAT(labels({Scale::Kind::log, 1000, 3e6}), ElementsAre("1,000", "10k", "100k", "1M"));
  EXPECT_THAT(labels({Scale::Kind::log, 210, 240}), ElementsAre("210", "240"));
  EXPECT_THAT(labels(Scale(Scale::Kind::log, 300, 5000).marked_at({400, 1200, 4000})),
              ElementsAre("400", "1,200", "4,000"));
}

TEST(Scale, PlacesValues) {
  const Scale log(Scale::Kind::log, 1, 100);
  EXPECT_DOUBLE_EQ(log.at(1), 0);
  EXPECT_DOUBLE_EQ(log.at(10), 0.5);
  EXPECT_DOUBLE_EQ(log.at(100), 1);
  const auto round = Scale::round(0.47, 0.71);
  EXPECT_DOUBLE_EQ(round.low(), 0.45);
  EXPECT_DOUBLE_EQ(round.high(), 0.75);
}

TEST(Scale, WithoutAnExtent) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const auto& scale : {Scale(Scale::Kind::linear, 0.5, 0.5), Scale(Scale::Kind::log, 100, 100),
                            Scale(Scale::Kind::log, 0, 10), Scale(Scale::Kind::linear, inf, -inf),
                            Scale::round(0, 0), Scale::roomy(3, 3)}) {
    EXPECT_LT(scale.low(), scale.high());
    EXPECT_GE(scale.ticks(5).size(), 2U);
    EXPECT_TRUE(std::isfinite(scale.at((scale.low() + scale.high()) / 2)));
  }
}

TEST(Series, NeighboursAndSeriesOfOneColourDiffer) {
  std::set<std::string> looks;
  for (std::size_t i = 0; i < 24; ++i)
    looks.insert(series_class(i).substr(series_class(i).find(' ')) + series_dash(i) +
                 series_marker(i, 0, 0, 3));
  EXPECT_EQ(looks.size(), 24U);
  EXPECT_EQ(series_class(9), "m9 c1");
}

class PanelTest : public testing::Test {
 protected:
  Panel panel_{
      {"Title", "Description <b>", "x", "y & z"}, {Scale::Kind::log, 1, 100}, {Scale::Kind::linear, 0, 1}};
};

TEST_F(PanelTest, DrawsACurveWithItsBand) {
  const std::vector<CurvePoint> points = {{1, 0.5, 0.4, 0.6, "first\nline"}, {10, 0.6, 0.5, 0.7, "<second>"}};
  panel_.curve(2, points);
  const auto svg = panel_.svg();
  EXPECT_THAT(svg, HasSubstr("role=\"img\" aria-label=\"Title. Description &lt;b&gt;\""));
  EXPECT_THAT(svg, HasSubstr("y &amp; z"));
  EXPECT_EQ(occurrences(svg, "class=\"band m2 c2\""), 1U);
  EXPECT_EQ(occurrences(svg, "class=\"line m2 c2\""), 1U);
  EXPECT_EQ(occurrences(svg, "class=\"dot pt m2 c2\""), 2U);
  EXPECT_THAT(svg, HasSubstr("data-tip=\"first\nline\""));
  EXPECT_THAT(svg, HasSubstr("data-tip=\"&lt;second&gt;\""));
}

TEST_F(PanelTest, APointAloneHasABarForItsBand) {
  const std::vector<CurvePoint> points = {{10, 0.5, 0.4, 0.6, "alone"}};
  panel_.curve(0, points);
  EXPECT_EQ(occurrences(panel_.svg(), "class=\"bar"), 1U);
  EXPECT_EQ(occurrences(panel_.svg(), "class=\"line"), 0U);
}

TEST_F(PanelTest, ABandIsInterruptedWhereItIsUnknown) {
  const double nan = std::nan("");
  const std::vector<CurvePoint> points = {{1, 0.5, 0.4, 0.6, ""},
                                          {2, 0.5, 0.4, 0.6, ""},
                                          {3, 0.5, nan, nan, ""},
                                          {4, 0.5, 0.4, 0.6, ""},
                                          {5, 0.5, 0.4, 0.6, ""}};
  panel_.curve(0, points);
  const auto svg = panel_.svg();
  const auto from = svg.find("class=\"band"), to = svg.find("/>", from);
  EXPECT_EQ(occurrences(svg.substr(from, to - from), "Z"), 2U);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST_F(PanelTest, CrossesViolateAndRingsDoNot) {
  const std::vector<Dot> dots = {{1, 0.2, 0, false, "ok"}, {10, 0.3, 1, true, "bad"}};
  panel_.dots(dots);
  panel_.shade_above(0.25, "violates");
  const auto svg = panel_.svg();
  EXPECT_EQ(occurrences(svg, "class=\"pt ring m0 c0\""), 1U);
  EXPECT_EQ(occurrences(svg, "class=\"pt cross m1 c1\""), 1U);
  EXPECT_THAT(svg, HasSubstr(">violates</text>"));
}

TEST_F(PanelTest, LevelsOutsideAreLeftOut) {
  panel_.level(0.05, "δ = 0.05");
  panel_.level(1.5, "too high");
  panel_.upright(10, "best");
  panel_.upright(1000, "too far");
  const auto svg = panel_.svg();
  EXPECT_EQ(occurrences(svg, "class=\"level\""), 2U);
  EXPECT_THAT(svg, HasSubstr("δ = 0.05"));
  EXPECT_THAT(svg, Not(HasSubstr("too ")));
}

TEST_F(PanelTest, TracesCanBePointedAtHereAndThere) {
  std::vector<CurvePoint> points;
  for (int i = 1; i <= 100; ++i) points.push_back({static_cast<double>(i), 0.5, 0.4, 0.6, "told"});
  panel_.trace(0, points, 20);
  EXPECT_EQ(occurrences(panel_.svg(), "data-tip"), 20U);
  // The legend, which hides the models' m0, leaves the constraints' alone.
  EXPECT_EQ(occurrences(panel_.svg(), " m0 "), 22U);
}

TEST_F(PanelTest, TracesOfConstraintsAreNotTheModels) {
  const std::vector<CurvePoint> points = {{1, 0.5, 0.4, 0.6, "told"}, {2, 0.6, 0.5, 0.7, "told"}};
  panel_.trace(0, points, 2, SeriesOf::constraint);
  panel_.trace(1, points, 2, SeriesOf::constraint);
  const auto svg = panel_.svg();
  EXPECT_THAT(svg, Not(HasSubstr(" m0 ")));
  EXPECT_THAT(svg, AllOf(HasSubstr(" k0 c0\""), HasSubstr(" k1 c1\" stroke-dasharray")));
}

}  // namespace
}  // namespace seldon::analysis::report

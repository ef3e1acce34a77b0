#include <array>
#include <cmath>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/plots/gnuplot.h"
#include "analysis/plots/pairs.h"
#include "constraints.h"
#include "core/error.h"
#include "example.h"

namespace seldon::analysis {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// Eight trials. Pairs: trials 0 to 3. Trial 4: only the first has a solution; 5: only the second; 6:
/// neither; 7: the second failed.
Results eight_trials() {
  auto results = example::empty(2, {1.0}, 8);
  constexpr std::array first = {0.70, 0.66, 0.71, 0.69}, second = {0.61, 0.60, 0.66, 0.59};
  for (std::size_t trial = 0; trial < 4; ++trial) {
    example::solve(results, 0, 0, trial, first[trial], -0.1);
    example::solve(results, 1, 0, trial, second[trial], 0.1);
  }
  example::solve(results, 0, 0, 4, 5, -0.1);
  example::refuse(results, 1, 0, 4, NsfReason::one_class);
  example::refuse(results, 0, 0, 5, NsfReason::safety_test);
  example::solve(results, 1, 0, 5, 7, -0.1);
  example::refuse(results, 0, 0, 6, NsfReason::safety_test);
  example::solve(results, 1, 0, 6, std::nan(""), -0.1);  // no performance, no pair
  example::solve(results, 0, 0, 7, 9, -0.1);
  example::set_state(results, 1, 0, 7, CellState::failed, "no memory");
  return results;
}

TEST(Pairs, DifferenceIsThatOfSciPy) {
  // a, b: numpy arrays of the four pairs; d = a - b; mean, sem, t.interval(.95, 3, ...), ttest_rel(a, b)
  const auto pairs = compare_pairs(eight_trials());
  ASSERT_EQ(pairs.curves.size(), 1u);
  const auto& point = pairs.curves[0].points.at(0);
  EXPECT_EQ(point.recorded, 7u);
  EXPECT_EQ(point.pairs, 4u);
  EXPECT_EQ(point.only_first, 1u);
  EXPECT_EQ(point.only_second, 1u);
  EXPECT_NEAR(point.first, 0.69, 1e-12);
  EXPECT_NEAR(point.second, 0.615, 1e-12);
  EXPECT_NEAR(point.difference, 0.075, 1e-12);
  EXPECT_NEAR(point.error, 0.011902380714238082, 1e-12);
  EXPECT_NEAR(point.lower, 0.03712131247189294, 1e-12);
  EXPECT_NEAR(point.upper, 0.11287868752810704, 1e-12);
  EXPECT_NEAR(point.p, 0.008075137621559373, 1e-12);
  const auto ninety = compare_pairs(eight_trials(), {}, {}, "", 0.9).curves[0].points[0];
  EXPECT_NEAR(ninety.lower, 0.04698937244002166, 1e-12);
  EXPECT_NEAR(ninety.upper, 0.1030106275599783, 1e-12);
}

TEST(Pairs, OrderTruthAndMeasureAreChosen) {
  const auto pairs =
      compare_pairs(eight_trials(), {.rule = {}, .truth = "held_out"}, {"baseline_1", "qsa"}, "accuracy");
  EXPECT_EQ(pairs.truth, "held_out");
  EXPECT_EQ(pairs.measure, "accuracy");
  EXPECT_EQ(pairs.curves[0].first, "baseline_1");
  EXPECT_NEAR(pairs.curves[0].points[0].difference, -0.075, 1e-12);
  EXPECT_NEAR(pairs.curves[0].points[0].first, 11.615, 1e-12);  // the example: accuracy + 1, held out + 10
}

TEST(Pairs, FewerThanTwoPairsHaveNoInterval) {
  auto results = example::empty(2, {0.5, 1.0}, 2);
  example::solve(results, 0, 1, 0, 0.5, -0.1);
  example::solve(results, 1, 1, 0, 0.25, -0.1);
  const auto points = compare_pairs(results).curves[0].points;
  EXPECT_EQ(points[0].pairs, 0u);
  EXPECT_TRUE(std::isnan(points[0].difference));
  EXPECT_EQ(points[1].pairs, 1u);
  EXPECT_EQ(points[1].difference, 0.25);
  for (double value : {points[1].error, points[1].lower, points[1].upper, points[1].p})
    EXPECT_TRUE(std::isnan(value));
  const auto table = pairs_table(compare_pairs(results));
  EXPECT_THAT(to_csv(table), HasSubstr("0.5,0.25,0.25,,,"));  // no interval, rather than one of NaN
  EXPECT_EQ(to_console(table, {}).find("[NaN"), std::string::npos);
  EXPECT_THAT(pairs_data(compare_pairs(results)), HasSubstr("1 1000 0.25 NaN NaN NaN 1 0 0 0.5 0.25 NaN\n"));
  const example::Folder folder;
  write_pairs(compare_pairs(results), {}, folder.path(), std::array{Format::svg});
}

TEST(Pairs, EveryFormatIsDrawn) {
  const example::Folder folder;
  for (double width : {one_column, two_columns, full_width}) {
    PairsOptions options;
    options.style.width = width;
    options.labels = {{"qsa", "Fair '`touch pwned`'"}};
    write_pairs(compare_pairs(example::many(12)), options, folder.path(),
                std::array{Format::svg, Format::pdf, Format::png});
    const auto svg = example::read_file(folder.path() / "pairs.svg");
    for (const char* text : {"Fair '`touch pwned`' − baseline_1", "Log loss, difference",
                             "ground truth: original", "95 % interval", "Pairs"})
      EXPECT_THAT(svg, HasSubstr(text));
    EXPECT_EQ(run_gnuplot(folder.path(), {"-e", "format = 'png'", "pairs.gp"}), "");
  }
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "pwned"));
  EXPECT_THAT(example::read_file(folder.path() / "pairs.pdf"), StartsWith("%PDF"));
}

TEST(Pairs, TableHoldsTheNumbers) {
  const auto table = pairs_table(compare_pairs(eight_trials()));
  ASSERT_EQ(table.rows.size(), 1u);
  ASSERT_EQ(table.rows[0].size(), table.columns.size());
  const auto csv = to_csv(table);
  EXPECT_THAT(csv, StartsWith("first,second,data_frac,n,recorded,pairs,only_first,only_second,mean_first,"
                              "mean_second,difference,difference_lower,difference_upper,standard_error,p"));
  EXPECT_THAT(csv, HasSubstr("qsa,baseline_1,1,1000,7,4,1,1,"));
  for (auto form : {TableForm::console, TableForm::markdown, TableForm::latex, TableForm::json})
    EXPECT_THAT(to_text(table, form), HasSubstr("original data"));
}

TEST(Pairs, WhatCannotBeComparedIsRefused) {
  const auto results = example::small();
  EXPECT_THROW(compare_pairs(results, {}, {"qsa"}), InputError);
  EXPECT_THROW(compare_pairs(results, {}, {"qsa", "qsa"}), InputError);
  EXPECT_THROW(compare_pairs(results, {}, {"qsa", "nobody"}), InputError);
  EXPECT_THROW(compare_pairs(results, {}, {}, "nothing"), InputError);
  EXPECT_THROW(compare_pairs(results, {}, {}, "", 1), InputError);
}

}  // namespace
}  // namespace seldon::analysis

#include <array>
#include <cmath>
#include <set>
#include <sstream>
#include <stdlib.h>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/plots/gnuplot.h"
#include "analysis/output.h"
#include "analysis/plots/three_plots.h"
#include "core/error.h"
#include "example.h"

namespace seldon::analysis {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::array all_formats = {Format::svg, Format::pdf, Format::png};

/// Draws all formats and expects gnuplot to have nothing to say.
void expect_drawn(const Results& results, const std::filesystem::path& folder,
                  const Selection& selection = {}) {
  write_three_plots(aggregate(results, selection), folder, all_formats);
  EXPECT_THAT(example::read_file(folder / "three_plots.svg"), StartsWith("<?xml"));
  EXPECT_THAT(example::read_file(folder / "three_plots.svg"), HasSubstr("</svg>"));
  EXPECT_THAT(example::read_file(folder / "three_plots.pdf"), StartsWith("%PDF"));
  EXPECT_THAT(example::read_file(folder / "three_plots.png"), StartsWith("\x89PNG"));
  EXPECT_EQ(run_gnuplot(folder, {"-e", "format = 'png'", "three_plots.gp"}), "");
}

TEST(ThreePlots, DrawsEveryFormatWithScriptAndData) {
  const example::Folder folder;
  expect_drawn(example::small(), folder.path() / "new" / "folder");
  expect_drawn(example::small(), folder.path() / "new" / "folder");  // over what is there
  const auto svg = example::read_file(folder.path() / "new" / "folder" / "three_plots.svg");
  for (const char* text : {"Log loss", "Solution rate", "Failure rate", "Amount of data (rows)", "qsa",
                           "baseline_1", "parity:  abs((PR | [M]) - (PR | [F])) ≤ 0.2", "soft decisions",
                           "δ = 0.05", "ground truth: original data", "standard error over 10 trials"})
    EXPECT_THAT(svg, HasSubstr(text));
  EXPECT_THAT(svg, Not(HasSubstr("PARTIAL")));
}

TEST(ThreePlots, RuleAndTruthAreNamed) {
  const auto script = three_plots_script(aggregate(example::small(), {.rule = "hard", .truth = "held_out"}));
  EXPECT_THAT(script, HasSubstr("hard decisions (predicted labels),  δ = 0.05"));
  EXPECT_THAT(script, HasSubstr("ground truth: held-out rows"));
}

TEST(ThreePlots, DeltaIsNoLineWhereHeldOutRowsJudge) {
  EXPECT_THAT(three_plots_script(aggregate(example::small())),
              HasSubstr("set arrow 1 from graph 0, first 0.05"));
  const auto held_out = three_plots_script(aggregate(example::small(), {.rule = {}, .truth = "held_out"}));
  EXPECT_THAT(held_out, Not(HasSubstr("set arrow 1 ")));
  EXPECT_THAT(held_out, Not(HasSubstr("set label 99 ")));
}

TEST(ThreePlots, DataHoldsBandsCutAtZeroAndOne) {
  auto results = example::empty(1, {1.0}, 2);
  example::solve(results, 0, 0, 0, 0.5, -0.1);
  example::refuse(results, 0, 0, 1, NsfReason::safety_test);
  // pandas.Series([1., 0.]): mean .5, sem .5; one solution: no performance is drawn.
  EXPECT_THAT(three_plots_data(aggregate(results)), Not(HasSubstr("performance, log_loss")));
  EXPECT_THAT(three_plots_data(aggregate(results)),
              HasSubstr("# qsa: solution rate\n1 1000 0.5 0 1 0.5 0.0125791"));

  results = example::empty(1, {1.0}, 3);
  for (std::size_t trial = 0; trial < 2; ++trial) example::solve(results, 0, 0, trial, 0.5, -0.1);
  example::refuse(results, 0, 0, 2, NsfReason::safety_test);
  // pandas.Series([1., 1., 0.]): mean .6666666666666666, sem .3333333333333333; the upper end is cut at 1.
  EXPECT_THAT(three_plots_data(aggregate(results)), HasSubstr("1 1000 0.6666666666666666 0.333333333333333"));
  EXPECT_THAT(three_plots_data(aggregate(results)),
              HasSubstr("# qsa: performance, log_loss\n1 1000 0.5 0.5 0.5 0 NaN NaN 2 NaN NaN\n"));
}

// Not the PDF: Cairo writes the date into it.
TEST(ThreePlots, EqualDataGiveEqualFiles) {
  const example::Folder one, two;
  expect_drawn(example::small(), one.path());
  expect_drawn(example::small(), two.path());
  for (const char* name : {"three_plots.gp", "three_plots.dat", "three_plots.svg", "three_plots.png"})
    EXPECT_EQ(example::read_file(one.path() / name), example::read_file(two.path() / name)) << name;
}

TEST(ThreePlots, HostileNamesAreOnlyText) {
  const example::Folder folder;
  auto results = example::small();
  const std::string hostile =
      "'; system('touch pwned'); print '`touch pwned`$(touch pwned)\n!touch pwned\n{/Bold} %s \xFF ≥";
  results.header.name = hostile;
  results.models[0].header.name = results.header.models[0].name = hostile;
  results.models[1].header.name = "a\"b\\ <b>&amp; _x^2 @x";
  results.header.constraints[0].expression = hostile + " >= 0.9";
  for (auto& model : results.models) {
    model.header.shape.performance[0] = hostile;
    model.header.shape.constraints[0] = hostile;
  }
  for (auto& model : results.header.models) {
    model.shape.performance[0] = hostile;
    model.shape.truths[0] = hostile;
    model.shape.rules[0] = hostile;
  }
  results.header.constraints[0].name = results.header.constraints[0].decision = hostile;
  for (auto& model : results.models) model.header.shape.rules[0] = model.header.shape.truths[0] = hostile;
  expect_drawn(results, folder.path());
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "pwned"));
  const auto svg = example::read_file(folder.path() / "three_plots.svg");
  EXPECT_THAT(svg, HasSubstr("a\"b\\ &lt;b>&amp;amp; _x^2 @x"));
  EXPECT_THAT(svg, HasSubstr("`touch pwned`"));  // as text
  EXPECT_THAT(svg, Not(HasSubstr("\xFF")));
}

TEST(ThreePlots, NoSolutionAnywhereLeavesThePanelsEmpty) {
  const example::Folder folder;
  auto results = example::empty(1, {0.01, 0.1, 1.0}, 4);
  for (std::size_t fraction = 0; fraction < 3; ++fraction)
    for (std::size_t trial = 0; trial < 4; ++trial)
      example::refuse(results, 0, fraction, trial, NsfReason::safety_test);
  expect_drawn(results, folder.path());
  EXPECT_THAT(example::read_file(folder.path() / "three_plots.dat"), Not(HasSubstr("performance, ")));
}

TEST(ThreePlots, NothingRecordedYetIsDrawnAsPartial) {
  const example::Folder folder;
  expect_drawn(example::empty(2, {0.01, 1.0}, 4), folder.path());
  EXPECT_THAT(example::read_file(folder.path() / "three_plots.gp"),
              HasSubstr("PARTIAL: 0 of 16 cells recorded"));
}

TEST(ThreePlots, FailedCellsAreCountedInTheFigure) {
  auto results = example::small();
  example::set_state(results, 0, 0, 0, CellState::failed, "no memory");
  EXPECT_THAT(three_plots_script(aggregate(results)),
              HasSubstr("PARTIAL: 79 of 80 cells recorded, 1 failed"));
}

TEST(ThreePlots, OneFractionAndOneTrial) {
  const example::Folder folder;
  auto results = example::empty(1, {1.0}, 1);
  example::solve(results, 0, 0, 0, 0.5, -0.1);
  expect_drawn(results, folder.path());
  auto two_trials = example::empty(2, {1.0}, 2);
  for (std::size_t trial = 0; trial < 2; ++trial) {
    example::solve(two_trials, 0, 0, trial, 0.5, -0.1);
    example::solve(two_trials, 1, 0, trial, 0.5 + 0.1 * static_cast<double>(trial), -0.1);
  }
  expect_drawn(two_trials, folder.path());
}

TEST(ThreePlots, ConstantAndMissingPerformance) {
  const example::Folder folder;
  auto results = example::empty(2, {0.1, 1.0}, 3);
  for (std::size_t fraction = 0; fraction < 2; ++fraction)
    for (std::size_t trial = 0; trial < 3; ++trial) {
      example::solve(results, 0, fraction, trial, 0.6931471805599453, -0.1);
      example::solve(results, 1, fraction, trial, std::nan(""), -0.1);
    }
  expect_drawn(results, folder.path());
}

TEST(ThreePlots, MoreModelsThanColoursStayDistinct) {
  const example::Folder folder;
  auto results = example::empty(12, {0.01, 0.1, 1.0}, 3);
  for (std::size_t model = 0; model < 12; ++model)
    for (std::size_t fraction = 0; fraction < 3; ++fraction)
      for (std::size_t trial = 0; trial < 3; ++trial)
        example::solve(results, model, fraction, trial, 0.5 + 0.01 * static_cast<double>(model + trial),
                       -0.1);
  expect_drawn(results, folder.path());
  const auto script = three_plots_script(aggregate(results));
  std::set<std::string> styles;
  std::istringstream lines(script);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("set style line "))
      styles.insert(line.substr(line.find("linecolor"), 27) + line.substr(line.find("pointtype"), 13));
  EXPECT_EQ(styles.size(), 12u);
}

TEST(ThreePlots, OneRowPerConstraint) {
  const example::Folder folder;
  auto results = example::small();
  results.header.constraints.push_back({"other", "PR - 0.5 <= 0", "soft", "student_t", 0.1});
  expect_drawn(results, folder.path());  // no model has it: its failure panel stays empty
  const auto svg = example::read_file(folder.path() / "three_plots.svg");
  EXPECT_THAT(svg, HasSubstr("δ = 0.05"));
  EXPECT_THAT(svg, HasSubstr("δ = 0.1"));
  EXPECT_THAT(svg, HasSubstr("other:  PR - 0.5 ≤ 0"));
}

TEST(ThreePlots, NoConstraintLeavesTwoPanels) {
  const example::Folder folder;
  auto results = example::small();
  results.header.constraints.clear();
  expect_drawn(results, folder.path());
  EXPECT_THAT(example::read_file(folder.path() / "three_plots.svg"), Not(HasSubstr("Failure rate")));
}

TEST(ThreePlots, FolderThatCannotBeWrittenIsAnInputError) {
  EXPECT_THROW(write_three_plots(aggregate(example::small()), "/proc/plots", all_formats), InputError);
  const example::Folder folder;
  make_folder(folder.path() / "three_plots.pdf");  // in the way
  EXPECT_THROW(write_three_plots(aggregate(example::small()), folder.path(), all_formats), InputError);
}

TEST(ThreePlots, FailingGnuplotLeavesTheOlderFigure) {
  const example::Folder folder, programs;
  write_file(folder.path() / "three_plots.svg", "older");
  write_file(programs.path() / "gnuplot", "#!/bin/sh\necho half a figure > three_plots.svg.part\nexit 1\n");
  std::filesystem::permissions(programs.path() / "gnuplot", std::filesystem::perms::owner_all);
  const std::string path = std::getenv("PATH");
  setenv("PATH", programs.path().c_str(), 1);
  EXPECT_THROW(write_three_plots(aggregate(example::small()), folder.path(), std::array{Format::svg}),
               InternalError);
  setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(example::read_file(folder.path() / "three_plots.svg"), "older");
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "three_plots.svg.part"));
}

TEST(ThreePlots, FormatsHaveNames) {
  for (auto format : all_formats) EXPECT_EQ(format_named(name_of(format)), format);
  EXPECT_FALSE(format_named("gif"));
}

}  // namespace
}  // namespace seldon::analysis

#include <array>
#include <cmath>
#include <set>
#include <sstream>
#include <stdlib.h>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/output.h"
#include "analysis/plots/gnuplot.h"
#include "analysis/plots/three_plots.h"
#include "constraints.h"
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
                  const ThreePlotsOptions& options = {}) {
  write_three_plots(aggregate(results), folder, all_formats, options);
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

/// What tells the curves of a script apart.
std::set<std::string> styles_of(const std::string& script) {
  std::set<std::string> styles;
  std::istringstream lines(script);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("set style line "))
      styles.insert(line.substr(line.find("linecolor"), 27) +
                    line.substr(line.find("pointtype"), line.find(" pointsize") - line.find("pointtype")));
  return styles;
}

TEST(ThreePlots, MoreModelsThanColoursStayDistinct) {
  const example::Folder folder;
  expect_drawn(example::many(12), folder.path());
  EXPECT_EQ(styles_of(three_plots_script(aggregate(example::many(12)))).size(), 12u);
  EXPECT_EQ(styles_of(three_plots_script(aggregate(example::many(40)))).size(), 40u);
}

TEST(ThreePlots, EveryWidthDrawsEveryPanel) {
  const example::Folder folder;
  for (double width : {one_column, two_columns, full_width})
    for (auto failure : {FailurePanels::all, FailurePanels::both}) {
      ThreePlotsOptions options;
      options.style.width = width;
      options.failure = failure;
      write_three_plots(aggregate(example::many(12)), folder.path(), std::array{Format::svg}, options);
      const auto svg = example::read_file(folder.path() / "three_plots.svg");
      for (const char* text : {"Log loss", "Solution rate", "Failure rate",
                               "parity:", "second:", "third:", "any constraint violated:", "Σδ = 0.2",
                               "δ = 0.1", "soft decisions", "ground truth: original", "baseline_11"})
        EXPECT_THAT(svg, HasSubstr(text)) << width;
      EXPECT_EQ(svg.find("Failure rate of solutions") != std::string::npos, failure == FailurePanels::both);
    }
}

TEST(ThreePlots, RowOfAllConstraintsNamesRulesAndItsBound) {
  auto results = example::many(2);
  EXPECT_THAT(three_plots_script(aggregate(results)), HasSubstr("set label 99 \"Σδ = 0.2\""));
  results.header.constraints[1].decision = "hard";
  EXPECT_THAT(three_plots_script(aggregate(results)),
              HasSubstr("each by its own decisions (soft, hard, soft),  Σδ = 0.2"));
}

TEST(ThreePlots, RowOfAllConstraintsIsAChoice) {
  const auto summary = aggregate(example::many(2));
  EXPECT_THAT(three_plots_script(summary), HasSubstr("any constraint violated"));
  ThreePlotsOptions options;
  options.joint = false;
  EXPECT_THAT(three_plots_script(summary, options), Not(HasSubstr("any constraint violated")));
  options.joint = true;  // one constraint has no such row
  EXPECT_THAT(three_plots_script(aggregate(example::small()), options),
              Not(HasSubstr("any constraint violated")));
}

TEST(ThreePlots, DataHoldsJointAndConditionalFailures) {
  auto results = example::empty(1, {1.0}, 4);
  for (std::size_t trial = 0; trial < 3; ++trial)
    example::solve(results, 0, 0, trial, 0.5, trial == 0 ? 0.1 : -0.1);
  example::refuse(results, 0, 0, 3, NsfReason::safety_test);
  example::add_constraint(results, "other", 0.05, [](std::size_t, std::size_t, std::size_t trial) {
    return trial == 1 ? 1.0 : -1.0;
  });
  const auto data = three_plots_data(aggregate(results));
  // pandas: [1, 1, 0, 0] and [1, 1, 0]: means .5 and 2/3
  EXPECT_THAT(data, HasSubstr("# qsa: failure rate, any constraint\n1 1000 0.5 0.21132486540518713 "
                              "0.7886751345948129 0.28867513459481287 "));
  EXPECT_THAT(data,
              HasSubstr("# qsa: failure rate among solutions, any constraint\n1 1000 0.6666666666666666 "));
  EXPECT_THAT(data, HasSubstr("# qsa: failure rate, parity\n1 1000 0.25 0 0.5 0.25 "));
  EXPECT_THAT(data, HasSubstr("# qsa: failure rate among solutions, other\n1 1000 0.3333333333333333 "));
}

TEST(ThreePlots, OptionsReachTheFigure) {
  const example::Folder folder;
  ThreePlotsOptions options;
  options.style.width = two_columns;
  options.style.font = "DejaVu Serif";
  options.style.font_size = 7.5;
  options.style.title_font_size = 9.5;
  options.style.legend_font_size = 6.5;
  options.style.legend_columns = 1;
  options.style.title_text = "A title; `touch pwned`";
  options.style.marker_size = 2;
  options.style.name = "figure-3";
  options.labels = {{"baseline_1", "Logistic '$(touch pwned)' regression"}};
  options.x_label = "m";
  options.performance_label = "Loss (nats)";
  options.solution_label = "P(solution)";
  options.failure_label = "P(violation)";
  options.performance_log = true;
  options.x_log = false;
  options.performance_limits = AxisRange{0.4, 0.9};
  options.counts = true;
  options.failure = FailurePanels::both;
  write_three_plots(aggregate(example::small()), folder.path(), all_formats, options);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "pwned"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "three_plots.gp"));
  const auto svg = example::read_file(folder.path() / "figure-3.svg");
  for (const char* text : {"A title; `touch pwned`", "Logistic '$(touch pwned)' regression", "Loss (nats)",
                           "P(solution)", "P(violation)", "P(violation), solutions only", "DejaVu Serif"})
    EXPECT_THAT(svg, HasSubstr(text));
  EXPECT_THAT(svg, Not(HasSubstr("Amount of data")));
  const auto script = example::read_file(folder.path() / "figure-3.gp");
  for (const char* text : {"set yrange [0.4:0.9]", "set logscale y 10", "font ',9.5'", "font ',6.5'",
                           "maxcols 1 ", "size 7.16in,", "data = 'figure-3.dat'", "DejaVu Serif,7.5"})
    EXPECT_THAT(script, HasSubstr(text));
  EXPECT_THAT(script, Not(HasSubstr("set logscale x")));
  EXPECT_EQ(run_gnuplot(folder.path(), {"-e", "format = 'png'", "figure-3.gp"}), "");
}

TEST(ThreePlots, LegendTitleAndDeltaCanBeLeftOut) {
  ThreePlotsOptions options;
  options.style.legend = options.style.title = options.delta = false;
  auto results = example::small();
  results.header.name = "the_experiment";
  const auto script = three_plots_script(aggregate(results), options);
  for (const char* text : {"keyentry", "the_experiment", "PR | [M]", "set arrow 1 "})
    EXPECT_THAT(script, Not(HasSubstr(text)));
  // What judges is named all the same.
  EXPECT_THAT(script, HasSubstr("soft decisions (mean probabilities)"));
  EXPECT_THAT(script, HasSubstr("ground truth: original data"));
}

TEST(ThreePlots, NumbersOfTrialsStandAtPerformancesThatLackSome) {
  ThreePlotsOptions options;
  const auto summary = aggregate(example::small());  // qsa: 0, 3, 6 and 9 of 10 trials
  EXPECT_THAT(three_plots_script(summary, options), Not(HasSubstr("with labels")));
  options.counts = true;
  const auto script = three_plots_script(summary, options);
  EXPECT_THAT(script, HasSubstr("data index 0 using 2:(strstrt(' 0 1 2 ', sprintf(' %d ', $0)) > 0"));
  EXPECT_THAT(script, Not(HasSubstr("data index 1 using 2:(strstrt")));  // the baseline: all ten
}

TEST(ThreePlots, IntervalIsNamed) {
  for (const auto& [interval, words] :
       {std::pair{RateInterval::standard_error,
                  "standard error over 10 trials (at rates 0 and 1: Wilson, z = 1)"},
        std::pair{RateInterval::wilson, "rates with Wilson's 95 % interval over 10 trials"},
        std::pair{RateInterval::exact, "rates with Clopper and Pearson's 95 % interval"}}) {
    const auto summary = aggregate(example::small(), {}, {{}, {}, {}, interval});
    EXPECT_THAT(replaced(three_plots_script(summary), "\\047", "'"), HasSubstr(words));
  }
}

template <class Change>
void expect_refused(const std::string& words, Change change) {
  ThreePlotsOptions options;
  change(options);
  try {
    three_plots_script(aggregate(example::small()), options);
    ADD_FAILURE() << words;
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr(words));
  }
}

TEST(ThreePlots, WhatCannotBeDrawnIsRefused) {
  expect_refused("--width is 1", [](auto& o) { o.style.width = 1; });
  expect_refused("--font-size is 1000", [](auto& o) { o.style.font_size = 1000; });
  expect_refused("--font-size is nan", [](auto& o) { o.style.font_size = std::nan(""); });
  expect_refused("--marker-size is -1", [](auto& o) { o.style.marker_size = -1; });
  expect_refused("--font: 'x'; system(", [](auto& o) { o.style.font = "x'; system('touch pwned')"; });
  expect_refused("--name: '../x'", [](auto& o) { o.style.name = "../x"; });
  expect_refused("--name: 'a'b'", [](auto& o) { o.style.name = "a'b"; });
  expect_refused("--performance-limits 2,1", [](auto& o) { o.performance_limits = AxisRange{2, 1}; });
  expect_refused("begins above 0", [](auto& o) {
    o.performance_limits = AxisRange{-1, 1};
    o.performance_log = true;
  });
  expect_refused("shown are 'qsa', 'baseline_1'", [](auto& o) { o.labels = {{"qsb", "x"}}; });
}

TEST(ThreePlots, LogarithmicAxisRefusesWhatIsNotAboveZero) {
  auto results = example::empty(1, {1.0}, 2);
  for (std::size_t trial = 0; trial < 2; ++trial) example::solve(results, 0, 0, trial, -0.5, -0.1);
  ThreePlotsOptions options;
  options.performance_log = true;
  EXPECT_THROW(three_plots_script(aggregate(results), options), InputError);
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

}  // namespace
}  // namespace seldon::analysis

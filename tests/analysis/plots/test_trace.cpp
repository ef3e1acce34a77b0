#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/plots/gnuplot.h"
#include "analysis/plots/trace.h"
#include "core/error.h"
#include "example.h"

namespace seldon::analysis {
namespace {

using testing::HasSubstr;
using testing::Not;

const double nan = std::nan("");
const double infinity = std::numeric_limits<double>::infinity();

/// Iterations of one constraint: loss, multiplier, upper bound.
CellTrace cell(std::vector<double> values, std::int64_t best, bool feasible, std::uint32_t trial = 0) {
  return {std::move(values), {trial, best, feasible, feasible}};
}

TraceSummary summary_of(const std::vector<CellTrace>& cells, TraceBand band, std::size_t constraints = 1) {
  TraceSummary summary;
  summary.experiment = "example";
  summary.model = "qsa";
  summary.n_trials = static_cast<std::uint32_t>(cells.size());
  summary.band = band;
  for (std::size_t c = 0; c < constraints; ++c)
    summary.constraints.push_back(
        {std::string(1, static_cast<char>('a' + c)), "PR <= 0.5", "soft", "student_t", 0.05});
  summarise_traces(cells, summary);
  return summary;
}

/// Losses 5, 1, 2, 9 and then 1, 4, 2.5: the fourth trial stops after its first iteration.
std::vector<CellTrace> four_trials() {
  return {cell({5, 0.5, -1, 1, 0, 4}, 0, true, 0), cell({1, 0.5, 2, 4, 2, 0.25}, 1, false, 1),
          cell({2, 0.5, 0, 2.5, 1, -2}, 1, true, 2), cell({9, 0.5, 1, nan, nan, nan}, 0, false, 3)};
}

TEST(Trace, MedianAndQuartilesAreThoseOfNumPy) {
  const auto summary = summary_of(four_trials(), TraceBand::quartiles);
  ASSERT_EQ(summary.iterations(), 2u);
  EXPECT_EQ(summary.running, (std::vector<std::uint32_t>{4, 3}));
  // numpy.quantile([5, 1, 2, 9], [.25, .5, .75]), and of [1, 4, 2.5]
  EXPECT_EQ(summary.loss.lower, (std::vector<double>{1.75, 1.75}));
  EXPECT_EQ(summary.loss.centre, (std::vector<double>{3.5, 2.5}));
  EXPECT_EQ(summary.loss.upper, (std::vector<double>{6, 3.25}));
  EXPECT_EQ(summary.multiplier.at(0).centre, (std::vector<double>{0.5, 1}));
  EXPECT_EQ(summary.upper.at(0).centre, (std::vector<double>{0.5, 0.25}));
  // Lagrangians 4.5, 2, 2, 9.5 and then 1, 4.5, .5: of each trial by itself
  EXPECT_EQ(summary.lagrangian.centre, (std::vector<double>{3.25, 1}));
  EXPECT_EQ(summary.best_feasible(), 0.5);  // of iterations 0 and 1
}

TEST(Trace, MeanAndStandardErrorAreThoseOfPandas) {
  const auto summary = summary_of(four_trials(), TraceBand::standard_error);
  // pandas.Series([5, 1, 2, 9]): mean, sem; then [1, 4, 2.5]
  EXPECT_NEAR(summary.loss.centre[0], 4.25, 1e-12);
  EXPECT_NEAR(summary.loss.upper[0], 4.25 + 1.796988221070652, 1e-12);
  EXPECT_NEAR(summary.loss.lower[1], 2.5 - 0.8660254037844387, 1e-12);
}

TEST(Trace, LagrangianSumsOverConstraintsAndLeavesOutWhatSatOut) {
  const auto summary =
      summary_of({cell({1, 2, 3, 4, 5, 1, 2, nan, 4, 5, 1, 0, infinity, 0, -infinity}, 2, true)},
                 TraceBand::quartiles, 2);
  EXPECT_EQ(summary.lagrangian.centre, (std::vector<double>{27, 21, 1}));
  EXPECT_EQ(summary.upper[0].centre[2], infinity);
  EXPECT_THAT(trace_data(summary), HasSubstr("\n2 1 1 1 1 1 1 1 0 0 0 NaN NaN NaN 0 0 0 NaN NaN NaN\n"));
}

TEST(Trace, LongestTrialSetsTheLength) {
  const auto summary = summary_of({cell({1, 1, 1, nan, nan, nan, nan, nan, nan}, 0, true),
                                   cell({1, 1, 1, 2, 1, 1, nan, nan, nan}, 0, true)},
                                  TraceBand::quartiles);
  EXPECT_EQ(summary.running, (std::vector<std::uint32_t>{2, 1}));
  EXPECT_EQ(summary.loss.lower[1], 2);  // one trial: no band
}

TEST(Trace, TracesThatDoNotFitAreRefused) {
  EXPECT_THROW(summary_of({}, TraceBand::quartiles), InputError);
  EXPECT_THROW(summary_of({cell({1, 2}, 0, true)}, TraceBand::quartiles), InternalError);
  EXPECT_THROW(
      summary_of({cell({1, 2, 3}, 0, true), cell({1, 2, 3, 1, 2, 3}, 0, true)}, TraceBand::quartiles),
      InternalError);
}

/// A store of one Seldonian model with traces of three iterations and a baseline without; trial t of fraction
/// .5 has losses t, t + 1, t + 2; trial 2 found nothing feasible, trial 3 had too few rows, trial 4 is not
/// run.
class TraceStore : public testing::Test {
 protected:
  TraceStore() {
    auto results = example::empty(2, {0.5, 1.0}, 5);
    results.header.models[0].shape.trace_iterations = 3;
    path_ = (folder_.path() / "trace.h5").string();
    auto writer = store::Writer::create(path_, results.header);
    for (std::uint32_t trial = 0; trial < 4; ++trial) {
      CellRecord record(writer.layout(0));
      const bool solved = trial < 2;
      record.set_outcome(solved ? Outcome::solution : Outcome::no_solution_found,
                         solved       ? NsfReason::none
                         : trial == 2 ? NsfReason::not_feasible
                                      : NsfReason::too_few_rows);
      record.view<std::int64_t>(Field::best_iteration)[0] = trial == 3 ? -1 : trial == 2 ? 2 : 1;
      auto trace = record.doubles(Field::trace);
      for (std::size_t i = 0; trial < 3 && i < 3; ++i) {
        trace[3 * i] = trial + i == 4 ? last_loss : static_cast<double>(trial + i);
        trace[3 * i + 1] = 0.5;
        trace[3 * i + 2] = trial == 2 ? 1 : i == 0 ? 2 : -2;
      }
      record.seal("qsa", 0.5, trial);
      writer.write({{0, 0, 0, trial}, CellState::done, std::move(record).take_bytes(), {}});
    }
    writer.sync();
  }

  TraceSummary read(const TraceChoice& choice) const { return read_trace(store::Reader(path_), choice); }
  std::string refusal(const TraceChoice& choice) const {
    try {
      read(choice);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }

  static constexpr double last_loss = 4.123456789;  ///< of trial 2; the store holds it once
  example::Folder folder_;
  std::string path_;
};

TEST_F(TraceStore, DamagedRecordIsLeftOutAndCounted) {
  EXPECT_EQ(read({.model = "", .fraction = 0.5, .trial = {}}).damage.cells, 0u);
  example::damage(path_, last_loss);
  const auto summary = read({.model = "", .fraction = 0.5, .trial = {}});
  EXPECT_EQ(summary.best.size(), 2u);
  EXPECT_EQ(summary.damage.cells, 1u);
  EXPECT_EQ(summary.damage.first, "model 'qsa', data fraction 0.5, trial 2");
  EXPECT_THAT(refusal({.model = "", .fraction = 0.5, .trial = 2}), testing::HasSubstr("checksum"));
}

TEST_F(TraceStore, BandOverTheTrialsThatHaveOne) {
  const auto summary = read({.model = "", .fraction = 0.5, .trial = {}});
  EXPECT_EQ(summary.model, "qsa");
  EXPECT_EQ(summary.rows, 500u);
  EXPECT_EQ(summary.running, (std::vector<std::uint32_t>{3, 3, 3}));
  EXPECT_EQ(summary.loss.centre, (std::vector<double>{1, 2, 3}));
  ASSERT_EQ(summary.best.size(), 3u);
  EXPECT_TRUE(summary.best[0].feasible);
  EXPECT_TRUE(summary.best[0].solution);
  EXPECT_FALSE(summary.best[2].feasible);
  EXPECT_EQ(summary.best_feasible(), 1);
}

TEST_F(TraceStore, OneTrial) {
  const auto summary = read({.model = "qsa", .fraction = 0.5, .trial = 1});
  EXPECT_EQ(summary.loss.centre, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(summary.lagrangian.centre, (std::vector<double>{2, 1, 2}));
  EXPECT_EQ(summary.best.at(0).iteration, 1);
}

TEST_F(TraceStore, FiguresAtEveryWidth) {
  for (double width : {one_column, two_columns, full_width})
    for (std::optional<std::uint32_t> trial : {std::optional<std::uint32_t>(), {0}, {2}}) {
      FigureStyle style;
      style.width = width;
      const auto summary = read({.model = "qsa", .fraction = 0.5, .trial = trial});
      write_trace(summary, style, folder_.path(), std::array{Format::svg, Format::pdf, Format::png});
      const auto svg = example::read_file(folder_.path() / "trace.svg");
      for (const char* text :
           {"Loss", "Multiplier λ", "Upper bound U", "Loss + λ U", "Iteration", "soft decisions"})
        EXPECT_THAT(svg, HasSubstr(text));
      EXPECT_EQ(run_gnuplot(folder_.path(), {"-e", "format = 'svg'", "trace.gp"}), "");
    }
  EXPECT_THAT(trace_script(read({.model = "", .fraction = 0.5, .trial = 0}), {}),
              HasSubstr("dotted: the iterate that was returned, 1, the best feasible one; it passed"));
  EXPECT_THAT(trace_script(read({.model = "", .fraction = 0.5, .trial = 2}), {}),
              HasSubstr("2, of the least violation (none was feasible); no solution was found"));
}

TEST_F(TraceStore, WhatIsNotThereIsRefusedWithWhatIs) {
  EXPECT_THAT(refusal({.model = "nobody", .fraction = {}, .trial = {}}),
              HasSubstr("it holds 'qsa', 'baseline_1'"));
  EXPECT_THAT(refusal({.model = "baseline_1", .fraction = {}, .trial = {}}),
              HasSubstr("set model.baseline_1.keep_trace = true"));
  EXPECT_THAT(refusal({.model = "", .fraction = 0.25, .trial = {}}), HasSubstr("it holds 0.5, 1"));
  EXPECT_THAT(refusal({.model = "", .fraction = 0.5, .trial = 5}), HasSubstr("it holds 0 to 4"));
  EXPECT_THAT(refusal({.model = "", .fraction = 0.5, .trial = 4}), HasSubstr("has not been run"));
  EXPECT_THAT(refusal({.model = "", .fraction = 0.5, .trial = 3}), HasSubstr("too_few_rows"));
  EXPECT_THAT(refusal({.model = "", .fraction = 1, .trial = {}}), HasSubstr("no other has a trace"));
}

TEST(Trace, StoreWithoutTracesSaysHowToKeepThem) {
  const example::Folder folder;
  const store::Reader reader(example::write_store(example::small(), folder.path()));
  EXPECT_FALSE(has_trace(reader.header(), "qsa"));
  try {
    read_trace(reader, {});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("set model.NAME.keep_trace = true"));
  }
}

}  // namespace
}  // namespace seldon::analysis

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/status.h"
#include "example.h"

namespace seldon::analysis {
namespace {

using testing::HasSubstr;
using testing::Not;

Results half_done() {
  auto results = example::empty(2, {0.1, 1.0}, 4);
  for (std::size_t trial = 0; trial < 4; ++trial) {
    if (trial == 0)
      example::solve(results, 0, 0, trial, 0.5, -0.1);
    else
      example::refuse(results, 0, 0, trial, trial == 1 ? NsfReason::not_feasible : NsfReason::safety_test);
    results.models[0].runs[trial].start =
        1000 + static_cast<double>(trial);  // one after the other, .25 s each
  }
  example::set_state(results, 1, 0, 0, CellState::failed, "bad alloc\nwith a trace");
  example::set_state(results, 1, 0, 1, CellState::failed, "bad alloc\nwith another");
  example::set_state(results, 1, 0, 2, CellState::failed, "other \x1B[31m trouble");
  return results;
}

TEST(Status, CountsCellsByStateSolutionsAndReasons) {
  const auto status = status_of(half_done(), 2000);
  EXPECT_EQ(status.cells, 16u);
  EXPECT_EQ(status.final_cells, 7u);
  ASSERT_EQ(status.models.size(), 2u);
  EXPECT_EQ(status.models[0].cells[static_cast<std::size_t>(CellState::done)], 4u);
  EXPECT_EQ(status.models[0].cells[static_cast<std::size_t>(CellState::pending)], 4u);
  EXPECT_EQ(status.models[1].cells[static_cast<std::size_t>(CellState::failed)], 3u);
  EXPECT_EQ(status.models[0].solutions, 1u);
  EXPECT_EQ(status.models[0].nsf,
            (std::map<std::string, std::uint64_t>{{"not_feasible", 1}, {"safety_test", 2}}));
}

TEST(Status, FailuresAreGroupedByTheFirstLine) {
  const auto status = status_of(half_done(), 2000);
  ASSERT_EQ(status.failures.size(), 2u);
  EXPECT_EQ(status.failures[0].message, "bad alloc");
  EXPECT_EQ(status.failures[0].cells, 2u);
  EXPECT_EQ(status.failures[0].model, "baseline_1");
  EXPECT_EQ(status.failures[0].fraction, 0.1);
  EXPECT_EQ(status.failures[0].trial, 0u);
  EXPECT_EQ(status.failures[1].message, "other  [31m trouble");  // no escape sequence reaches the terminal
}

TEST(Status, PaceComesFromTheLatestRecordsWhileCellsAreLeased) {
  auto results = half_done();
  EXPECT_FALSE(status_of(results, 1004).pace);  // nothing is leased
  example::set_state(results, 0, 1, 0, CellState::leased);
  const auto status = status_of(results, 1005.25);
  ASSERT_TRUE(status.pace);
  EXPECT_DOUBLE_EQ(status.pace->cells_per_second, 4 / 3.25);  // four cells from 1000 to 1003.25
  EXPECT_DOUBLE_EQ(status.pace->seconds_since_last, 2);
  EXPECT_DOUBLE_EQ(status.pace->seconds_left, 9 * 3.25 / 4);
}

TEST(Status, SilenceMeansThatNobodyRuns) {
  auto results = half_done();
  example::set_state(results, 0, 1, 0, CellState::leased);
  EXPECT_FALSE(status_of(results, 100000).pace);
  EXPECT_THAT(status_text(status_of(results, 100000)), HasSubstr("nothing was recorded lately"));
}

TEST(Status, TextTellsAll) {
  const auto text = status_text(status_of(half_done(), 2000));
  EXPECT_THAT(text, HasSubstr("2 models x 2 data fractions x 4 trials = 16 cells"));
  EXPECT_THAT(text, HasSubstr("9 cells to do; not running"));
  EXPECT_THAT(text, HasSubstr("25.0 %"));
  EXPECT_THAT(text, HasSubstr("qsa: 2 x safety_test"));
  EXPECT_THAT(text, HasSubstr("2 x bad alloc  (first: baseline_1, data fraction 0.1, trial 0)"));
}

TEST(Status, FinishedExperimentIsComplete) {
  const auto text = status_text(status_of(example::small(), 2000));
  EXPECT_THAT(text, HasSubstr("80 ended (100.0 %), complete"));
  EXPECT_THAT(text, Not(HasSubstr("failed cells")));
}

TEST(Status, FailedCellsAreNoCompletion) {
  auto results = example::small();
  example::set_state(results, 0, 0, 0, CellState::failed, "no memory");
  const auto text = status_text(status_of(results, 2000));
  EXPECT_THAT(text,
              HasSubstr("80 ended (100.0 %), 1 cell failed; the same `seldon run` with --retry failed"));
  EXPECT_THAT(text, Not(HasSubstr("complete")));
}

}  // namespace
}  // namespace seldon::analysis

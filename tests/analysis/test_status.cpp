#include <cmath>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "analysis/status.h"
#include "core/error.h"
#include "core/process.h"
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

TEST(Status, FailuresTellTheirHosts) {
  auto results = half_done();
  for (std::size_t cell = 0; cell < 3; ++cell)
    results.models[1].runs[cell].host = cell == 1 ? "node2" : "node1";
  const auto status = status_of(results, 2000);
  EXPECT_EQ(status.failures[0].hosts, (std::map<std::string, std::uint64_t>{{"node1", 1}, {"node2", 1}}));
  EXPECT_THAT(status_text(status), HasSubstr("2 x bad alloc on node1 (1), node2 (1)  (first: baseline_1"));
}

// ---- from the states alone, and from what the run tells of itself ---------------------------------------

store::LiveStatus live() {
  store::LiveStatus live;
  live.job = "4711";
  live.restarts = 1;
  live.host = "another-host";
  live.pid = 12;
  live.started = 1000;
  live.heartbeat = 1998;
  live.ends_at = 2000 + 7200;
  live.rate = 61.3;
  live.seconds_left = 240;
  live.workers = {{1, "node1", "busy", store::LivePack{"qsa", 0.5, 25, 25}, 12, 70, 1},
                  {2, "node2", "idle", std::nullopt, 100, 5, 0},
                  {3, "node2", "busy", store::LivePack{"big", 1, 3, 1}, 400, 2, 0}};
  return live;
}

class StatusOfStore : public testing::Test {
 protected:
  Status look(const store::LiveStatus& told) {
    store::LiveStatusFile(store_).write(told);
    auto status = status_of_states(store_, 2000);
    add_live(status, store_);
    return status;
  }
  static Results results() {
    auto results = half_done();
    for (std::size_t cell = 0; cell < 3; ++cell) results.models[1].runs[cell].host = "node1";
    example::set_state(results, 0, 1, 0, CellState::leased);
    return results;
  }
  example::Folder folder_;
  std::string store_ = example::write_store(results(), folder_.path());
};

TEST_F(StatusOfStore, StatesAloneTellAllButSolutions) {
  const auto whole = status_of(read_results(store_, Runs::read), 2000);
  const auto status = status_of_states(store_, 2000);
  EXPECT_FALSE(status.solutions_known);
  EXPECT_EQ(status.owner, Owner::unknown);
  EXPECT_EQ(status.cells, whole.cells);
  EXPECT_EQ(status.final_cells, whole.final_cells);
  EXPECT_EQ(status.failed, 3u);
  EXPECT_EQ(status.leased, 1u);
  for (std::size_t m = 0; m < 2; ++m) EXPECT_EQ(status.models[m].cells, whole.models[m].cells);
  ASSERT_EQ(status.failures.size(), whole.failures.size());
  EXPECT_EQ(status.failures[0].message, whole.failures[0].message);
  EXPECT_THAT(status_text(status), Not(HasSubstr("solutions")));
}

TEST_F(StatusOfStore, RunningOwnerTellsRateTimeLeftAndWorkers) {
  const auto status = look(live());
  EXPECT_EQ(status.owner, Owner::running);
  const auto text = status_text(status);
  EXPECT_THAT(text, HasSubstr("9 cells to do, 1 under way"));
  EXPECT_THAT(
      text, HasSubstr("running: job 4711, restart 1, another-host, process 12; alive 2 s ago, started 17 min "
                      "ago, wall-time ends in 2.0 h"));
  EXPECT_THAT(text, HasSubstr("61 cells/s in the last minute, about 4 min left"));
  EXPECT_THAT(text, HasSubstr("3 workers: 2 busy, 1 idle"));
  const auto longest = text.find("big, data fraction 1, trial 3\n"), other = text.find("trials 25-49\n"),
             idle = text.find("- (idle)");
  ASSERT_NE(longest, std::string::npos);
  ASSERT_NE(idle, std::string::npos);
  EXPECT_LT(longest, other);
  EXPECT_LT(other, idle);
}

TEST_F(StatusOfStore, ReasonWhyNothingRunsIsTold) {
  auto told = live();
  told.workers = {};
  told.reason = "no worker has come up yet";
  EXPECT_THAT(status_text(look(told)), HasSubstr("nothing runs: no worker has come up yet"));
}

TEST_F(StatusOfStore, ManyWorkersAreSummedUp) {
  auto told = live();
  for (int rank = 4; rank <= 5000; ++rank)
    told.workers.push_back({rank, "node3", "busy", std::nullopt, 1, 0, 0});
  const auto text = status_text(look(told));
  EXPECT_THAT(text, HasSubstr("5000 workers: 4999 busy, 1 idle"));
  EXPECT_THAT(text, HasSubstr("... and 4988 more"));
}

TEST_F(StatusOfStore, EndedAndSilentOwnersAreToldApart) {
  auto told = live();
  told.exit_code = 3;
  told.reason = "the wall-time is over";
  auto status = look(told);
  EXPECT_EQ(status.owner, Owner::ended);
  EXPECT_THAT(status_text(status), HasSubstr("the last run ended 2 s ago with exit code 3 (job 4711"));
  EXPECT_THAT(status_text(status), HasSubstr("the wall-time is over"));
  told = live();
  told.heartbeat = 2000 - 61;
  status = look(told);
  EXPECT_EQ(status.owner, Owner::silent);
  EXPECT_THAT(status_text(status), HasSubstr("its last sign of life 61 s ago: it was killed, most likely"));
  EXPECT_THAT(status_text(status), HasSubstr("9 cells to do; not running"));
}

TEST_F(StatusOfStore, ProcessThatIsGoneFromThisHostIsSilentAtOnce) {
  auto told = live();
  char name[256] = "";
  ASSERT_EQ(gethostname(name, sizeof name - 1), 0);
  told.host = name;
  const auto self = this_process();
  told.pid = self.pid;
  told.process_start = self.started;
  EXPECT_EQ(look(told).owner, Owner::running);
  told.process_start += 1;  // another process that got the same number
  EXPECT_EQ(look(told).owner, Owner::silent);
}

TEST_F(StatusOfStore, CountsCellsByState) {
  EXPECT_EQ(count_cells(store_, "done"), 4u);
  EXPECT_EQ(count_cells(store_, "failed"), 3u);
  EXPECT_EQ(count_cells(store_, "leased"), 1u);
  EXPECT_EQ(count_cells(store_, "pending"), 8u);
  EXPECT_EQ(count_cells(store_, "all"), 16u);
  EXPECT_THROW(count_cells(store_, "DONE"), InputError);
}

TEST_F(StatusOfStore, ProgressSeesWhatRecordsNoCell) {
  EXPECT_EQ(count_cells(store_, "progress"), 4u);
  auto harder = results();
  harder.models[1].runs[2].failures = 2;
  harder.models[1].runs[1].suspicion = {2, 1, false};
  const example::Folder another;
  EXPECT_EQ(count_cells(example::write_store(harder, another.path()), "progress"), 9u);
}

TEST_F(StatusOfStore, JsonHoldsTheSame) {
  auto status = look(live());
  auto json = nlohmann::json::parse(status_json(status));
  EXPECT_EQ(json["run"], "running");
  EXPECT_EQ(json["cells"], 16);
  EXPECT_EQ(json["models"][1]["failed"], 3);
  EXPECT_FALSE(json["models"][0].contains("solutions"));
  EXPECT_EQ(json["failures"][0]["hosts"]["node1"], 2);
  EXPECT_EQ(json["live"]["workers"][2]["pack"]["model"], "big");
  json = nlohmann::json::parse(status_json(status_of(read_results(store_, Runs::read), 2000)));
  EXPECT_EQ(json["models"][0]["solutions"], 1);
  EXPECT_FALSE(json.contains("live"));
}

}  // namespace
}  // namespace seldon::analysis

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <signal.h>
#include <string>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "programs/run.h"
#include "store/store.h"
#include "tests/programs/command.h"
#include "tests/programs/fake_engine.h"

namespace seldon {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

/// The program fake_run on 0 (no launcher), 1, 2 or 4 ranks.
class RunTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string(test->test_suite_name()) + "." + test->name();
    std::ranges::replace(name, '/', '.');
    folder_ = fs::temp_directory_path() / ("seldon-" + name + "-" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string store() const { return (folder_ / "s.h5").string(); }
  std::vector<std::string> command(int ranks, const std::vector<std::string>& options = {},
                                   const std::string& store_name = "s.h5") const {
    std::vector<std::string> arguments{SELDON_BINARY_DIR "/bin/fake_run", (folder_ / store_name).string()};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return with_ranks(ranks, arguments);
  }
  /// The digest of an undisturbed run of the same options, alone.
  std::string undisturbed(const std::vector<std::string>& options = {}) const {
    const auto result = run_command(command(0, options, "undisturbed.h5"));
    EXPECT_EQ(result.status, 0) << result.output;
    return store::digest((folder_ / "undisturbed.h5").string());
  }
  std::uint64_t done() const {
    std::uint64_t count = 0;
    const store::Reader reader(store());
    for (std::uint32_t model = 0; model < reader.header().models.size(); ++model)
      count += static_cast<std::uint64_t>(std::ranges::count(reader.states(model), CellState::done));
    return count;
  }
  /// Waits until the store exists and holds at least so many records.
  void wait_for_records(std::uint64_t count) const {
    for (int i = 0; i < 1000; ++i) {
      if (fs::exists(store()) && done() >= count) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL() << "no " << count << " records after ten seconds";
  }

  fs::path folder_;
};

/// With the counts at which a run takes another way: alone, alone under a launcher, one worker, several.
class EachRunTest : public RunTest {};
/// Alone and with several workers, for what does not depend on their number: each start of MPI takes a
/// second.
class EitherRunTest : public RunTest {};

TEST_P(EachRunTest, RecordsTheSameBitsOnAnyNumberOfRanks) {
  const auto result = run_command(command(GetParam()));
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("complete in"));
  EXPECT_EQ(done(), 120u);
  EXPECT_EQ(store::digest(store()), undisturbed());

  const auto again = run_command(command(GetParam()));
  EXPECT_EQ(again.status, 0) << again.output;
  EXPECT_THAT(again.output, HasSubstr("has all 120 cells already"));
}

TEST_P(EitherRunTest, CarriesLargeDataToEveryRank) {
  const auto result = run_command(command(GetParam(), {"--data-bytes", "3000000"}));
  EXPECT_EQ(result.status, 0) << result.output;
}

TEST_P(EachRunTest, GoesOnAfterAKillWithTheSameDigest) {
  const std::vector<std::string> options{"--trials", "80", "--microseconds", "5000"};
  for (int kills = 1; kills <= 2; ++kills) {
    Command running(command(GetParam(), options));
    wait_for_records(static_cast<std::uint64_t>(50 * kills));
    running.kill_all(store());
    EXPECT_EQ(running.wait().status, 128 + SIGKILL);
  }
  EXPECT_LT(done(), 480u);
  const auto result = run_command(command(GetParam(), options));
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("going on with"));
  EXPECT_EQ(store::digest(store()), undisturbed({"--trials", "80"}));
}

TEST_P(EitherRunTest, RecordsTheOthersOfAPackWhoseCellThrows) {
  const auto result = run_command(command(GetParam(), {"--throws-at", "6"}));
  EXPECT_EQ(result.status, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("6 cells failed"));
  const store::Reader reader(store());
  for (std::uint32_t model = 0; model < 2; ++model) {
    const auto states = reader.states(model);
    const auto runs = reader.runs(model);
    for (std::size_t row = 0; row < states.size(); ++row) {
      const bool bad = row % 20 == 6;
      EXPECT_EQ(states[row], bad ? CellState::failed : CellState::done);
      EXPECT_EQ(runs[row].attempt, bad ? 3u : 1u);
      EXPECT_EQ(runs[row].message, bad ? "trial 6 is bad" : "");
    }
  }
}

TEST_P(EitherRunTest, TriesFailedCellsAgainWhereAskedTo) {
  EXPECT_EQ(run_command(command(0, {"--throws-at", "6"})).status, 3);
  auto result = run_command(command(0));  // the bug is mended, but nobody asked
  EXPECT_EQ(result.status, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("--retry failed"));
  EXPECT_THAT(result.output, ::testing::Not(HasSubstr("nothing to do")));
  result = run_command(command(GetParam(), {"--retry-failed"}));
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(store::digest(store()), undisturbed());
}

TEST_P(EitherRunTest, ComparesWhatItComputesTwice) {
  auto result = run_command(command(GetParam(), {"--whole", "--throws-at", "6"}));
  EXPECT_EQ(result.status, 3)
      << result.output;  // cell 6 was tried three times, its neighbours came out equal
  const std::string before = store::digest(store());
  result =
      run_command(command(GetParam(), {"--whole", "--throws-at", "6", "--drift", "1", "--retry-failed"}));
  EXPECT_EQ(result.status, 4) << result.output;
  EXPECT_THAT(result.output, HasSubstr("computed twice with different results"));
  result = run_command(command(0, {"--whole", "--throws-at", "6"}));
  EXPECT_EQ(result.status, 3) << result.output;
  EXPECT_EQ(store::digest(store()), before);
}

TEST_P(EitherRunTest, EndsEveryRankWhereALogCannotBeWritten) {
  fs::create_directories(folder_ / "logs" / "seldon-0.log");
  const auto result = run_command(command(GetParam(), {"--log-dir", (folder_ / "logs").string()}));
  EXPECT_EQ(result.status, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr("name a folder that can be written"));
}

TEST_P(EitherRunTest, SurvivesAnEngineThatThrowsOutOfThePack) {
  const auto result = run_command(command(GetParam(), {"--throws-packs"}));
  EXPECT_EQ(result.status, 3) << result.output;
  EXPECT_EQ(done(), 60u);
  const store::Reader reader(store());
  for (const RunInfo& info : reader.runs(0)) EXPECT_EQ(info.message, "the whole pack is bad");
}

TEST_P(EitherRunTest, RefusesABadConfigOnEveryRank) {
  const auto result = run_command(command(GetParam(), {"--bad-config"}));
  EXPECT_EQ(result.status, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr("seldon: error: fake.toml:3: the config is bad"));
  EXPECT_FALSE(fs::exists(store()));
}

TEST_P(EitherRunTest, RefusesAStoreOfAnotherExperiment) {
  EXPECT_EQ(run_command(command(0)).status, 0);
  const auto result = run_command(command(GetParam(), {"--seed", "2"}));
  EXPECT_EQ(result.status, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr("holds another experiment"));
}

INSTANTIATE_TEST_SUITE_P(Ranks, EachRunTest, ::testing::Values(0, 1, 2, 4));
INSTANTIATE_TEST_SUITE_P(Ranks, EitherRunTest, ::testing::Values(0, 3));

using RunAloneTest = RunTest;

TEST_F(RunAloneTest, StopsCleanlyOnSignals) {
  for (const int signal : {SIGINT, SIGTERM}) {
    Command running(command(0, {"--microseconds", "20000"}));
    wait_for_records((fs::exists(store()) ? done() : 0) + 10);
    running.kill(signal);
    const auto result = running.wait();
    EXPECT_EQ(result.status, 3) << result.output;
    EXPECT_THAT(result.output, HasSubstr("the same command goes on"));
  }
  const store::Reader reader(store());
  for (std::uint32_t model = 0; model < 2; ++model)
    for (const CellState state : reader.states(model)) EXPECT_NE(state, CellState::leased);
  EXPECT_EQ(run_command(command(0)).status, 0);
  EXPECT_EQ(store::digest(store()), undisturbed());
}

TEST_F(RunAloneTest, EndsIncompleteWhereNoRankHasAnEngine) {
  const auto result = run_command(command(2, {"--bad-rank", "1"}));
  EXPECT_EQ(result.status, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("this rank has no engine"));
}

TEST_F(RunAloneTest, DoesWithoutARankThatHasNoEngine) {
  const auto result = run_command(command(4, {"--bad-rank", "1"}));
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(done(), 120u);
}

TEST_F(RunAloneTest, WritesALogForEachRank) {
  const std::string logs = (folder_ / "logs").string();
  const auto result = run_command(command(2, {"--log-dir", logs}));
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_GT(fs::file_size(logs + "/seldon-0.log"), 0u);
  EXPECT_TRUE(fs::exists(logs + "/seldon-1.log"));
}

}  // namespace
}  // namespace seldon

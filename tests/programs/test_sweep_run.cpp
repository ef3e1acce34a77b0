// Several experiments in one run: fake_run --sweep N FOLDER, alone and on ranks.

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <signal.h>
#include <sstream>
#include <string>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/live_status.h"
#include "store/store.h"
#include "store/sweep_folder.h"
#include "tests/programs/command.h"

namespace seldon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

class SweepRunTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string(test->test_suite_name()) + "." + test->name();
    std::ranges::replace(name, '/', '.');
    folder_ = fs::temp_directory_path() / ("seldon-" + name + "-" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string sweep() const { return (folder_ / "sweep").string(); }
  std::vector<std::string> command(int ranks, const std::vector<std::string>& options) const {
    std::vector<std::string> arguments{SELDON_BINARY_DIR "/bin/fake_run", sweep()};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return with_ranks(ranks, arguments);
  }
  std::string member(int seed) const { return store::member_path(sweep(), "seed-" + std::to_string(seed)); }
  /// The digest of a run of this experiment alone.
  std::string alone(int seed, std::vector<std::string> options = {}) const {
    const std::string path = (folder_ / ("alone-" + std::to_string(seed) + ".h5")).string();
    options.insert(options.begin(),
                   {SELDON_BINARY_DIR "/bin/fake_run", path, "--seed", std::to_string(seed)});
    const auto result = run_command(options);
    EXPECT_EQ(result.status, 0) << result.output;
    return store::digest(path);
  }
  std::uint64_t done(int seed) const {
    if (!fs::exists(member(seed))) return 0;
    std::uint64_t count = 0;
    const store::Reader reader(member(seed));
    for (std::uint32_t model = 0; model < reader.header().models.size(); ++model)
      count += static_cast<std::uint64_t>(std::ranges::count(reader.states(model), CellState::done));
    return count;
  }
  /// Fields of summary.csv by the name of the experiment and of the column; no field of these tests is
  /// quoted.
  std::map<std::string, std::map<std::string, std::string>> summary() const {
    std::ifstream file(sweep() + "/summary.csv");
    EXPECT_TRUE(file.good());
    const auto fields = [](const std::string& line) {
      std::vector<std::string> parts(1);
      for (const char c : line) c == ',' ? parts.emplace_back() : parts.back() += c, void();
      return parts;
    };
    std::string line;
    std::getline(file, line);
    const auto head = fields(line);
    std::map<std::string, std::map<std::string, std::string>> rows;
    while (std::getline(file, line)) {
      const auto row = fields(line);
      for (std::size_t i = 0; i < std::min(head.size(), row.size()); ++i) rows[row[0]][head[i]] = row[i];
    }
    return rows;
  }

  fs::path folder_;
};

TEST_P(SweepRunTest, EachExperimentHasTheDigestOfARunOfItsOwn) {
  const auto result = run_command(command(GetParam(), {"--sweep", "3"}));
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("3 experiments for"));
  EXPECT_THAT(result.output, HasSubstr("complete in"));
  for (int seed = 1; seed <= 3; ++seed) {
    EXPECT_EQ(store::digest(member(seed)), alone(seed)) << seed;
    EXPECT_TRUE(fs::exists(member(seed) + ".packs.jsonl"));
    EXPECT_EQ(store::read_live_status(member(seed))->exit_code, 0);
  }
  const auto live = store::read_live_status(store::sweep_base(sweep()));
  ASSERT_TRUE(live);
  EXPECT_EQ(live->exit_code, 0);
  EXPECT_EQ(live->cells, 360u);
  EXPECT_EQ(live->cells_by_state[2], 360u);

  const auto again = run_command(command(GetParam(), {"--sweep", "4"}));  // and one more
  EXPECT_EQ(again.status, 0) << again.output;
  EXPECT_THAT(again.output, HasSubstr("4 experiments for"));
  EXPECT_THAT(again.output, HasSubstr("3 of them complete"));
  EXPECT_EQ(store::digest(member(4)), alone(4));
}

TEST_P(SweepRunTest, GoesOnAfterAKill) {
  const std::vector<std::string> options{"--sweep", "3", "--trials", "40", "--microseconds", "4000"};
  {
    Command running(command(GetParam(), options));
    for (int i = 0; i < 2000 && done(1) + done(2) + done(3) < 60; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    running.kill_all(sweep());
    EXPECT_EQ(running.wait().status, 128 + SIGKILL);
  }
  const auto before = done(1) + done(2) + done(3);
  EXPECT_GE(before, 60u);
  EXPECT_LT(before, 720u);
  const auto result = run_command(command(GetParam(), {"--sweep", "3", "--trials", "40"}));
  EXPECT_EQ(result.status, 0) << result.output;
  for (int seed = 1; seed <= 3; ++seed)
    EXPECT_EQ(store::digest(member(seed)), alone(seed, {"--trials", "40"})) << seed;
}

TEST_P(SweepRunTest, OneThatCannotStartDoesNotStopTheOthers) {
  const auto result = run_command(command(GetParam(), {"--sweep", "3", "--bad-seed", "2"}));
  EXPECT_EQ(result.status, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr("experiment seed-2: fake.toml:3: this seed is bad"));
  EXPECT_THAT(result.output, HasSubstr("1 of 3 experiments are not complete"));
  EXPECT_EQ(store::digest(member(1)), alone(1));
  EXPECT_EQ(store::digest(member(3)), alone(3));
  EXPECT_FALSE(fs::exists(member(2)));
  EXPECT_EQ(store::read_live_status(store::sweep_base(sweep()))->exit_code, 2);
  auto rows = summary();
  EXPECT_EQ(rows["seed-2"]["state"], "bad_input");
  EXPECT_EQ(rows["seed-2"]["message"], "fake.toml:3: this seed is bad");
  EXPECT_EQ(rows["seed-1"]["state"], "complete");
  const auto manifest = store::read_manifest(sweep());
  ASSERT_TRUE(manifest);
  EXPECT_EQ(manifest->experiments[1].trouble, ExitCode::bad_input);
}

INSTANTIATE_TEST_SUITE_P(Ranks, SweepRunTest, ::testing::Values(0, 3));

using SweepRunAloneTest = SweepRunTest;

TEST_F(SweepRunAloneTest, FailedCellsAreOneExperimentsOwn) {
  const auto result = run_command(command(0, {"--sweep", "3", "--throw-seed", "2"}));
  EXPECT_EQ(result.status, 3) << result.output;
  auto rows = summary();
  EXPECT_EQ(rows["seed-2"]["state"], "failed");
  EXPECT_EQ(rows["seed-2"]["failed"], "6");
  EXPECT_EQ(rows["seed-2"]["done"], "114");
  EXPECT_EQ(rows["seed-1"]["state"], "complete");
  EXPECT_EQ(store::digest(member(3)), alone(3));

  const auto mended = run_command(command(0, {"--sweep", "3", "--retry-failed"}));
  EXPECT_EQ(mended.status, 0) << mended.output;
  EXPECT_EQ(store::digest(member(2)), alone(2));
}

TEST_F(SweepRunAloneTest, WhatIsMissingGoesBeforeBadInput) {
  auto result = run_command(command(0, {"--sweep", "3", "--bad-seed", "1", "--far-seed", "2"}));
  EXPECT_EQ(result.status, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("experiment seed-2: the data are not here"));
  EXPECT_EQ(summary()["seed-2"]["state"], "incomplete");
  EXPECT_EQ(done(3), 120u);
  // A job script must not take this for a run in which only failed cells are left.
  EXPECT_GT(store::read_live_status(store::sweep_base(sweep()))->cells_by_state[0], 0u);
  result = run_command(command(0, {"--sweep", "3", "--bad-seed", "1"}));
  EXPECT_EQ(result.status, 2) << result.output;
}

TEST_F(SweepRunAloneTest, NoneCanStart) {
  const auto result = run_command(command(0, {"--sweep", "2", "--bad-seed", "1", "--bad-seed", "2"}));
  EXPECT_EQ(result.status, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr("no experiment of the sweep can start"));
  EXPECT_EQ(summary().size(), 2u);
}

TEST_F(SweepRunAloneTest, AStoreOfAnotherExperimentIsItsOwnTrouble) {
  fs::create_directories(sweep());
  EXPECT_EQ(run_command({SELDON_BINARY_DIR "/bin/fake_run", member(1), "--seed", "9"}).status, 0);
  const auto result = run_command(command(0, {"--sweep", "2"}));
  EXPECT_EQ(result.status, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr("holds another experiment"));
  EXPECT_EQ(store::digest(member(2)), alone(2));
}

TEST_F(SweepRunAloneTest, AStoreThatVanishesIsItsOwnTrouble) {
  Command running(command(0, {"--sweep", "2", "--microseconds", "20000"}));
  for (int i = 0; i < 2000 && done(1) + done(2) < 10; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  fs::remove(member(1) + ".lock");  // as if another run had taken it
  const auto result = running.wait();
  EXPECT_EQ(result.status, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("experiment seed-1:"));
  EXPECT_EQ(done(2), 120u);
  EXPECT_EQ(summary()["seed-1"]["state"], "incomplete");
  const auto again = run_command(command(0, {"--sweep", "2"}));
  EXPECT_EQ(again.status, 0) << again.output;
  EXPECT_EQ(store::digest(member(1)), alone(1));
}

TEST_F(SweepRunAloneTest, ASecondRunInTheFolderIsRefused) {
  Command running(command(0, {"--sweep", "2", "--microseconds", "50000"}));
  for (int i = 0; i < 2000 && done(1) + done(2) < 2; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const auto second = run_command(command(0, {"--sweep", "2"}));
  EXPECT_EQ(second.status, 2) << second.output;
  EXPECT_THAT(second.output, HasSubstr(sweep()));
  running.kill(SIGTERM);
  const auto first = running.wait();
  EXPECT_EQ(first.status, 3) << first.output;
  EXPECT_EQ(summary()["seed-1"]["state"], "incomplete");
}

TEST_F(SweepRunAloneTest, AFileIsNoFolder) {
  std::ofstream(sweep()) << "x";
  const auto result = run_command(command(0, {"--sweep", "2"}));
  EXPECT_EQ(result.status, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr("a sweep needs a folder"));
}

TEST_F(SweepRunAloneTest, StatusCoversTheFolder) {
  const std::vector<std::string> status{SELDON_BINARY_DIR "/bin/seldon-report", "status", sweep()};
  const auto count = [&](const std::string& state) {
    auto arguments = status;
    arguments.insert(arguments.end(), {"--count", state});
    return run_command(arguments).output;
  };
  EXPECT_EQ(run_command(status).status, 2) << "there is no such folder";
  EXPECT_EQ(run_command(command(0, {"--sweep", "3", "--throw-seed", "2"})).status, 3);
  auto shown = run_command(status);
  EXPECT_EQ(shown.status, 3) << shown.output;
  EXPECT_THAT(shown.output, HasSubstr("3 experiments, 2 complete"));
  EXPECT_THAT(shown.output, HasSubstr("trial 1 is bad"));
  EXPECT_EQ(count("done"), "354\n");
  EXPECT_EQ(count("failed"), "6\n");
  EXPECT_EQ(run_command(command(0, {"--sweep", "3", "--retry-failed"})).status, 0);
  shown = run_command(status);
  EXPECT_EQ(shown.status, 0) << shown.output;
  EXPECT_EQ(count("all"), "360\n");
  EXPECT_EQ(run_command(command(0, {"--sweep", "4", "--bad-seed", "4"})).status, 2);
  shown = run_command(status);
  EXPECT_EQ(shown.status, 2) << shown.output;
  EXPECT_THAT(shown.output, HasSubstr("seed-4: fake.toml:3: this seed is bad"));
  // One store that cannot be read hides nothing of the others, by which a job sees whether it gets on.
  std::ofstream(member(4)) << "no store";
  EXPECT_EQ(count("done"), "360\n");
  for (int seed = 1; seed <= 3; ++seed) fs::remove(member(seed));
  EXPECT_THAT(count("done"), HasSubstr("is not a store"));
}

TEST_F(SweepRunAloneTest, ManyStoresAreOpenAtOnce) {
  // Far more than a soft limit of 64 files allows.
  const auto result = run_command({"sh", "-c",
                                   "ulimit -Sn 64 && exec " SELDON_BINARY_DIR "/bin/fake_run " + sweep() +
                                       " --sweep 60 --trials 2 --fractions 1"});
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(summary().size(), 60u);
}

}  // namespace
}  // namespace seldon

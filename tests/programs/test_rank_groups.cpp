// Packs of networks on several ranks, from the command line to the store: MPI carries the sums.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/store.h"
#include "tests/programs/command.h"

namespace seldon {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class RankGroups : public ::testing::Test {
 protected:
  RankGroups() : folder_(fs::temp_directory_path() / ("seldon-groups-" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
    std::ofstream(folder_ / "faces.toml") << R"([experiment]
name = "groups"
seed = 5
n_trials = 3
data_fracs = [1.0]
device = "cpu"
[data]
kind = "synthetic_faces"
rows = 120
[[group]]
attribute = "gender"
name = "M"
where = "gender == 0"
[[group]]
attribute = "gender"
name = "F"
where = "gender == 1"
[[constraint]]
name = "parity"
expression = "abs((PR | [M]) - (PR | [F])) <= 0.9"
delta = 0.05
[[model]]
name = "cnn"
architecture = "face_cnn"
iterations = 3
batch_size = 24
pack_size = 2
keep_trace = true
optimizer = { step_size = 1e-4 }
[[model]]
name = "coin"
kind = "baseline"
architecture = "uniform_random"
[evaluation]
performance = ["log_loss"]
)";
  }
  ~RankGroups() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  CommandResult run(const std::string& store, int ranks, int k) const {
    return run_command(
        with_ranks(ranks, {SELDON_BINARY_DIR "/bin/seldon", "run", path("faces.toml"), "--store", path(store),
                           "--set", "experiment.gpus_per_trial=" + std::to_string(k)}));
  }

  /// Largest difference between the records of a network's trial in two stores, decisions aside, which jump.
  /// Steps are short here: Adam's first step has the same length however small the gradient, so that what
  /// rounding leaves of a gradient of zero goes its own way.
  static double difference(const store::Reader& a, const store::Reader& b, std::uint32_t trial) {
    const CellKey key{0, 0, 0, trial};
    const CellRecord x = a.record(key), y = b.record(key);
    EXPECT_EQ(x.outcome(), y.outcome());
    EXPECT_EQ(x.nsf_reason(), y.nsf_reason());
    double largest = 0;
    const auto compare = [&](std::span<const double> left, std::span<const double> right) {
      ASSERT_EQ(left.size(), right.size());
      ASSERT_FALSE(left.empty());
      for (std::size_t i = 0; i < left.size(); ++i) {
        if (left[i] == right[i] || (std::isnan(left[i]) && std::isnan(right[i]))) continue;
        const double gap = std::abs(left[i] - right[i]);
        largest = std::max(largest, std::isnan(gap) ? HUGE_VAL : gap);
      }
    };
    for (const Field field : {Field::performance, Field::upper, Field::node_mean, Field::node_sd})
      compare(x.doubles(field), y.doubles(field));
    compare(a.array(key, Field::trace), b.array(key, Field::trace));
    return largest;
  }

  fs::path folder_;
};

TEST_F(RankGroups, AnyNumberOfRanksPerTrialGivesTheSameRecords) {
  for (const int k : {1, 2, 4}) {
    const auto result = run(std::to_string(k), 5, k);
    ASSERT_EQ(result.status, 0) << result.output;
  }
  const store::Reader alone(path("1"));
  for (const char* k : {"2", "4"}) {
    const store::Reader together(path(k));
    for (std::uint32_t trial = 0; trial < 3; ++trial) {
      EXPECT_LT(difference(alone, together, trial), 1e-4) << k << " ranks, trial " << trial;
      const CellKey coin{0, 1, 0, trial};
      EXPECT_TRUE(std::ranges::equal(alone.record(coin).bytes(), together.record(coin).bytes()))
          << "other models run on one rank";
    }
    const std::vector<double> trace = together.array({0, 0, 0, 0}, Field::trace);
    EXPECT_GT(std::abs(trace[0] - trace[6]), 0.05) << "the loss moves by far more than the tolerance";
  }
}

TEST_F(RankGroups, TheSameRanksPerTrialGiveTheSameBitsOnAnyNumberOfRanks) {
  for (const int ranks : {3, 5}) {
    const auto result = run(std::to_string(ranks), ranks, 2);
    ASSERT_EQ(result.status, 0) << result.output;
  }
  EXPECT_EQ(store::digest(path("3")), store::digest(path("5")));
}

TEST_F(RankGroups, TooFewWorkersAreToldAndTheRestRuns) {
  const auto result = run("few", 0, 2);
  EXPECT_EQ(result.status, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("a pack takes 2 workers at once, there are 1"));
  const store::Reader few(path("few"));
  EXPECT_EQ(std::ranges::count(few.states(1), CellState::done), 3) << "other models need one worker";
  EXPECT_EQ(std::ranges::count(few.states(0), CellState::done), 0);
  const auto rest = run("few", 3, 2);
  EXPECT_EQ(rest.status, 0) << rest.output;
}

TEST_F(RankGroups, AStoreKeepsItsNumberOfRanksPerTrial) {
  ASSERT_EQ(run("s", 3, 2).status, 0);
  const auto other = run("s", 0, 1);
  EXPECT_EQ(other.status, 2) << other.output;
  EXPECT_THAT(other.output, HasSubstr("experiment.gpus_per_trial: 2 in the store, 1 in the config"));
}

}  // namespace
}  // namespace seldon

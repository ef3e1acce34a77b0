// The program itself: small experiments with the real engine, and every kind of bad input.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
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

const std::string seldon_program = SELDON_BINARY_DIR "/bin/seldon";
const std::string quickstart = SELDON_SOURCE_DIR "/configs/quickstart.toml";

class SeldonTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("seldon-program-" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }
  CommandResult seldon(std::vector<std::string> arguments, int ranks = 0) const {
    arguments.insert(arguments.begin(), seldon_program);
    return run_command(with_ranks(ranks, std::move(arguments)));
  }
  /// A run of the quickstart cut to a few seconds.
  CommandResult small_run(const std::string& store, int ranks, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments{"run",     quickstart,
                                       "--store", path(store),
                                       "--set",   "experiment.n_trials=3",
                                       "--set",   "experiment.data_fracs=[0.1, 0.5]",
                                       "--set",   "model.qsa.iterations=50"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return seldon(arguments, ranks);
  }

  fs::path folder_;
};

TEST_F(SeldonTest, ComputesTheSameBitsOnAnyNumberOfRanks) {
  for (const int ranks : {0, 2, 4}) {
    const auto result = small_run(std::to_string(ranks), ranks);
    EXPECT_EQ(result.status, 0) << result.output;
  }
  EXPECT_EQ(store::digest(path("2")), store::digest(path("0")));
  EXPECT_EQ(store::digest(path("4")), store::digest(path("0")));
  const auto again = small_run("0", 0);
  EXPECT_EQ(again.status, 0) << again.output;
  EXPECT_THAT(again.output, HasSubstr("nothing to do"));
}

TEST_F(SeldonTest, RefusesAStoreOfAnotherConfigWithTheDifference) {
  EXPECT_EQ(small_run("s.h5", 0).status, 0);
  const auto result = small_run("s.h5", 0, {"--set", "experiment.seed=2"});
  EXPECT_EQ(result.status, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr("experiment.seed: 1 in the store, 2 in the config"));
}

TEST_F(SeldonTest, ExtendsAStoreToWhatAFreshRunGives) {
  const std::vector<std::string> larger{"--set", "experiment.n_trials=5", "--set",
                                        "experiment.data_fracs=[0.1, 0.2, 0.5]"};
  EXPECT_EQ(small_run("s.h5", 0).status, 0);
  const auto refused = small_run("s.h5", 0, larger);
  EXPECT_EQ(refused.status, 2) << refused.output;
  EXPECT_THAT(refused.output, HasSubstr("experiment.n_trials: 3 in the store, 5 in the config"));
  EXPECT_THAT(refused.output, HasSubstr("--extend"));
  std::vector<std::string> extended = larger;
  extended.push_back("--extend");
  const auto result = small_run("s.h5", 0, extended);
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("18 of 45 cells are there"));
  EXPECT_EQ(small_run("fresh.h5", 0, larger).status, 0);
  EXPECT_EQ(store::digest(path("s.h5")), store::digest(path("fresh.h5")));
}

TEST_F(SeldonTest, RunsInShardsThatMerge) {
  EXPECT_EQ(small_run("whole.h5", 0).status, 0);
  std::vector<std::string> merge{SELDON_BINARY_DIR "/bin/seldon-report", "merge"};
  for (const std::string shard : {"0/2", "1/2"}) {
    const auto result = small_run(shard.substr(0, 1), 0, {"--shard", shard});
    EXPECT_EQ(result.status, 0) << result.output;
    EXPECT_NE(store::digest(path(shard.substr(0, 1))), store::digest(path("whole.h5")));
    merge.push_back(path(shard.substr(0, 1)));
  }
  merge.insert(merge.end(), {"--out", path("merged.h5")});
  const auto result = run_command(merge);
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(store::digest(path("merged.h5")), store::digest(path("whole.h5")));
}

TEST_F(SeldonTest, RunsASweepAsItsExperimentsAlone) {
  write("sweep.toml", "[sweep]\nbase = \"" + quickstart +
                          "\"\n[sweep.grid]\n\"model.qsa.optimizer.step_size\" = [0.01, 0.05, -1]\n");
  const std::vector<std::string> small{"--set", "experiment.n_trials=3",
                                       "--set", "experiment.data_fracs=[0.1, 0.5]",
                                       "--set", "model.qsa.iterations=50"};
  const auto sweep = [&](std::vector<std::string> arguments, int ranks) {
    arguments.insert(arguments.end(), small.begin(), small.end());
    return seldon(arguments, ranks);
  };
  const auto checked = sweep({"check", path("sweep.toml")}, 0);
  EXPECT_EQ(checked.status, 2) << checked.output;
  EXPECT_THAT(checked.output, HasSubstr("Sweep of 3 experiments over model.qsa.optimizer.step_size"));
  EXPECT_THAT(checked.output, HasSubstr("1 of 3 experiments cannot run"));
  EXPECT_THAT(checked.output, HasSubstr("sweep.toml:4: model \"qsa\": optimizer.step_size is -1"));
  const auto result = sweep({"run", path("sweep.toml"), "--store", path("folder")}, 3);
  EXPECT_EQ(result.status, 2) << result.output;  // of the point that is bad; the others are complete
  for (const std::string step : {"0.01", "0.05"}) {
    EXPECT_EQ(small_run(step + ".h5", 0, {"--set", "model.qsa.optimizer.step_size=" + step}).status, 0);
    EXPECT_EQ(store::digest(path("folder/step_size-" + step + ".h5")), store::digest(path(step + ".h5")));
  }
  EXPECT_EQ(seldon({"run", quickstart, "--store", path("folder")}).status, 2) << "a folder is for sweeps";
  EXPECT_EQ(seldon({"simulate", path("sweep.toml"), "--workers", "2"}).status, 2);
}

TEST_F(SeldonTest, StartsNothingThatCannotEndInTime) {
  const std::vector<std::string> slow{"--set", "model.qsa.iterations=200000", "--set",
                                      "model.qsa.pack_size=1"};
  auto arguments = slow;
  arguments.insert(arguments.end(), {"--time", "1s"});
  const auto result = small_run("s.h5", 0, arguments);
  EXPECT_EQ(result.status, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("before the end of the job"));
}

/// As on a node without the file system that the data lie on: a chain of jobs must not end for good there.
TEST_F(SeldonTest, TakesMissingDataOfABegunStoreForTheMachinesTrouble) {
  fs::copy_file(SELDON_SOURCE_DIR "/data/german_credit.csv", path("data.csv"));
  const std::vector<std::string> data{"--set", "data.path=" + path("data.csv")};
  EXPECT_EQ(small_run("s.h5", 0, data).status, 0);
  const auto digest = store::digest(path("s.h5"));
  fs::remove(path("data.csv"));
  const auto result = small_run("s.h5", 0, data);
  EXPECT_EQ(result.status, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("data.csv' cannot be opened on "));
  EXPECT_EQ(store::digest(path("s.h5")), digest);
  EXPECT_EQ(small_run("new.h5", 0, data).status, 2);
}

TEST_F(SeldonTest, ChecksAConfigAndPrintsThePlan) {
  const auto result = seldon({"check", quickstart});
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("1125 cells"));
  EXPECT_THAT(result.output, HasSubstr("Store: "));
}

TEST_F(SeldonTest, RefusesAStoreThatWouldBeTooLarge) {
  for (const std::string command : {"check", "run"}) {
    std::vector<std::string> arguments{command, quickstart, "--set", "store.max_bytes=1000"};
    if (command == "run") arguments.insert(arguments.end(), {"--store", path("s.h5")});
    const auto result = seldon(arguments);
    EXPECT_EQ(result.status, 2) << result.output;
    EXPECT_THAT(result.output, HasSubstr("store.max_bytes is 1000"));
  }
  EXPECT_FALSE(fs::exists(path("s.h5")));
}

TEST_F(SeldonTest, RefusesABadCommandLine) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{},
                                                    {"fly"},
                                                    {"check"},
                                                    {"run", quickstart},
                                                    {"check", quickstart, "--set"},
                                                    {"run", quickstart, "--once", "--store", "s.h5"},
                                                    {"run", quickstart, "--out", "o", "--store", "s.h5"},
                                                    {"run", quickstart, "--once", "--log-dir", "o"},
                                                    {"run", quickstart, "--once", "--mixed-hardware"},
                                                    {"run", quickstart, "--once", "--retry", "failed"},
                                                    {"run", quickstart, "--retry", "all", "--store", "s.h5"},
                                                    {"run", quickstart, "--store", "s.h5", "--shard", "2/2"},
                                                    {"run", quickstart, "--store", "s.h5", "--shard", "1"},
                                                    {"run", quickstart, "--store", "s.h5", "--time", "90"},
                                                    {"run", quickstart, "--once", "--extend"},
                                                    {"submit", quickstart, "--store", "s.h5"},
                                                    {"simulate", quickstart},
                                                    {"run", quickstart, "--store", std::string(300, 's')}}) {
    const auto result = seldon(arguments);
    EXPECT_EQ(result.status, 2) << result.output;
    EXPECT_THAT(result.output, HasSubstr("seldon: error: "));
  }
  EXPECT_EQ(seldon({"--version"}).status, 0);
  EXPECT_EQ(seldon({"--help"}).status, 0);
}

TEST_F(SeldonTest, EndsEveryRankOnBadInput) {
  const auto result = small_run("s.h5", 3, {"--set", "experiment.n_trails=3"});
  EXPECT_EQ(result.status, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr("n_trials"));  // the nearest known key
  EXPECT_FALSE(fs::exists(path("s.h5")));
}

TEST_F(SeldonTest, TrainsOnceAndPredicts) {
  const auto once =
      seldon({"run", quickstart, "--once", "--out", path("out"), "--set", "model.qsa.iterations=50"});
  EXPECT_EQ(once.status, 0) << once.output;
  EXPECT_THAT(once.output, HasSubstr("logistic_regression"));
  const auto solution = path("out") + "/logistic_regression.solution.json";
  ASSERT_TRUE(fs::exists(solution)) << once.output;
  const auto predicted = seldon({"predict", solution, SELDON_SOURCE_DIR "/data/german_credit.csv"});
  EXPECT_EQ(predicted.status, 0) << predicted.output;
  EXPECT_EQ(std::ranges::count(predicted.output, '\n'), 1001);  // a heading and 1000 rows
}

TEST_F(SeldonTest, LeavesNoSolutionOfAnEarlierRun) {
  const std::vector<std::string> once = {
      "run", quickstart, "--once", "--out", path("out"), "--set", "model.qsa.iterations=50"};
  ASSERT_EQ(seldon(once).status, 0);
  const std::string solution = path("out") + "/qsa.solution.json";
  write("out/qsa.solution.json", "of another day");
  auto impossible = once;
  impossible.insert(impossible.end(), {"--set", "constraint.disparate_impact.expression=PR <= 0.001"});
  const auto result = seldon(impossible);
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("qsa: No Solution Found"));
  EXPECT_FALSE(fs::exists(solution));
}

/// One row of pictures: `pixels` numbers in the last column.
std::string face(int gender, int pixels) {
  std::string row = std::to_string(20 + gender) + ",0," + std::to_string(gender) + ",name.jpg,";
  for (int k = 0; k < pixels; ++k)
    row += std::to_string((k * 7 + gender * 90) % 256) + (k + 1 < pixels ? " " : "\n");
  return row;
}

TEST_F(SeldonTest, RefusesAPictureThatLacksAPixel) {
  std::string csv = "age,ethnicity,gender,img_name,pixels\n";
  for (int row = 0; row < 4; ++row) csv += face(row % 2, 2304);
  write("faces.csv", csv + face(0, 2303));
  const std::string config = SELDON_SOURCE_DIR "/configs/faces_small.toml";
  const auto result =
      seldon({"check", config, "--set", "data.path=" + path("faces.csv"), "--set", "data.rows="});
  EXPECT_EQ(result.status, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr("faces.csv:6"));
  EXPECT_THAT(result.output, HasSubstr("2303"));
}

TEST_F(SeldonTest, RunsNetworksOnAnyNumberOfRanksAndAccuraciesAddUp) {
  const std::string config = SELDON_SOURCE_DIR "/configs/faces_synthetic.toml";
  std::vector<std::string> digests;
  for (const int ranks : {0, 3}) {
    const std::string store = path("faces-" + std::to_string(ranks) + ".h5");
    const auto result =
        seldon({"run", config, "--store", store, "--set", "experiment.n_trials=2", "--set",
                "experiment.data_fracs=[0.5]", "--set", "data.rows=300", "--set",
                "model.qsa.epochs_for_iterations=", "--set", "model.qsa.iterations=4", "--set",
                "model.cnn.epochs_for_iterations=", "--set", "model.cnn.iterations=4"},
               ranks);
    ASSERT_EQ(result.status, 0) << result.output;
    digests.push_back(store::digest(store));
  }
  EXPECT_EQ(digests[0], digests[1]);

  // In the default mode of BatchNorm a row's score is the row's own: groups that partition the rows share the
  // whole's correct decisions. (The published figure breaks this.)
  const store::Reader reader(path("faces-0.h5"));
  int checked = 0;
  for (std::uint32_t model = 0; model < reader.header().models.size(); ++model) {
    const auto& subgroups = reader.layout(model).shape().subgroups;
    for (std::uint32_t trial = 0; trial < 2; ++trial) {
      const CellRecord record = reader.record({0, model, 0, trial});
      if (record.outcome() != Outcome::solution) continue;
      for (const Field field : {Field::hard_counts, Field::soft_sums}) {
        const auto sums = record.doubles(field);
        double whole = 0, parts = 0;
        for (std::size_t s = 0; s < subgroups.size(); ++s) {
          const double correct = sums[4 * s] + sums[4 * s + 3];
          if (subgroups[s] == "all") whole = correct;
          if (subgroups[s] == "gender=M" || subgroups[s] == "gender=F") parts += correct;
        }
        EXPECT_GT(whole, 0);
        EXPECT_NEAR(whole, parts, 1e-9 * whole);
        ++checked;
      }
    }
  }
  EXPECT_GT(checked, 0);
}

/// A table of 40 good rows with one thing wrong, and what the message must say.
struct BadData {
  std::string name, label, row, config, message;
};

class BadDataTest : public SeldonTest, public ::testing::WithParamInterface<BadData> {};

TEST_P(BadDataTest, IsRefusedWithItsPlace) {
  const BadData& bad = GetParam();
  std::string csv = "x,sex,y\n";
  for (int row = 0; row < 40; ++row)
    csv += std::to_string(row) + ".5," + (row % 3 ? "m" : "f") + "," + std::to_string(row % 2) + "\n";
  if (bad.name == "empty_file") csv.clear();
  write("table.csv", csv + bad.row);
  write("bad.toml", R"([experiment]
name = "bad"
seed = 1
n_trials = 2
data_fracs = [0.5, 1]
[data]
path = "table.csv"
label = ")" + bad.label +
                        R"("
numeric = ["x"]
[[group]]
attribute = "sex"
name = "M"
where = "sex == m"
[[group]]
attribute = "sex"
name = "F"
where = "sex != m"
)" + bad.config + R"(
[split]
frac_in_safety = 0.6
[[constraint]]
name = "parity"
expression = "abs((PR | [M]) - (PR | [F])) <= 0.2"
delta = 0.05
[[model]]
name = "random"
kind = "baseline"
architecture = "uniform_random"
[evaluation]
performance = ["accuracy"]
)");
  const auto result = seldon({"run", path("bad.toml"), "--store", path("s.h5")});
  if (bad.message.empty()) {
    EXPECT_EQ(result.status, 0) << result.output;
    return;
  }
  EXPECT_EQ(result.status, 2) << result.output;
  EXPECT_THAT(result.output, HasSubstr("seldon: error: "));
  EXPECT_THAT(result.output, HasSubstr(bad.message));
  EXPECT_FALSE(fs::exists(path("s.h5")));
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, BadDataTest,
    ::testing::Values(
        BadData{"nothing_wrong", "y", "", "", ""}, BadData{"missing_column", "z", "", "", "z"},
        BadData{"text_for_a_number", "y", "many,m,1\n", "", "table.csv:42"},
        BadData{"ragged_row", "y", "1,m\n", "", "table.csv:42"},
        BadData{"nan", "y", "nan,m,1\n", "", "table.csv:42"}, BadData{"empty_file", "y", "", "", "table.csv"},
        BadData{"label_not_binary", "y", "1,m,7\n", "", "table.csv:42"},
        BadData{"group_without_rows", "y", "",
                "[[group]]\nattribute = \"age\"\nname = \"old\"\nwhere = \"x > 1000\"\noverlapping = true\n",
                "old"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace seldon

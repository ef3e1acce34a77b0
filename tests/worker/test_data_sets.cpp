// Data that are read once for several experiments.

#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <gtest/gtest.h>

#include "experiment/config.h"
#include "worker/data_sets.h"
#include "worker/engine_runner.h"

namespace seldon::worker {
namespace {

class DataSetsTest : public ::testing::Test {
 protected:
  DataSetsTest() : folder_(::testing::TempDir() + "/data-sets-" + std::to_string(getpid())) {
    std::filesystem::create_directories(folder_);
    std::ofstream csv(folder_ + "/table.csv");
    csv << "sex,x,y\n";
    for (int i = 0; i < 40; ++i) csv << i % 2 << ',' << 0.1 * (i % 7) << ',' << (i % 3 == 0) << '\n';
    std::ofstream rows(folder_ + "/rows.csv");
    for (int trial = 0; trial < 2; ++trial) {
      for (int row = 0; row < 39; ++row) rows << row << ',';
      rows << "3\n";
    }
  }
  ~DataSetsTest() override { std::filesystem::remove_all(folder_); }

  experiment::Description description(const std::vector<std::string>& overrides = {}) const {
    return experiment::parse_config(R"([experiment]
name = "t"
seed = 3
n_trials = 2
data_fracs = [0.5, 1.0]
[data]
path = "table.csv"
label = "y"
numeric = ["x"]
[[model]]
name = "logistic"
kind = "baseline"
architecture = "logistic"
)",
                                    folder_ + "/t.toml", overrides);
  }

  std::string folder_;
};

TEST_F(DataSetsTest, AreReadOnceWhereTheDataAreTheSame) {
  DataSets sets;
  const void* first = sets.of(description()).bytes.get();
  EXPECT_EQ(sets.of(description({"experiment.seed=4", "experiment.n_trials=9"})).bytes.get(), first);
  EXPECT_EQ(sets.of(description({"model.logistic.l2=1"})).bytes.get(), first);
  EXPECT_EQ(sets.size(), 1u);
}

TEST_F(DataSetsTest, AreReadAnewWhereTheyDiffer) {
  DataSets sets;
  const auto hash = sets.of(description()).frame.content_hash();
  EXPECT_EQ(sets.of(description({"data.rows=20"})).frame.rows(), 20u);
  EXPECT_EQ(sets.of(description()).frame.rows(), 40u);
  EXPECT_EQ(sets.size(), 2u);
  // Only where rows are shuffled do they depend on the seed.
  const auto& shuffled = sets.of(description({"data.shuffle=true"}));
  const auto& other = sets.of(description({"data.shuffle=true", "experiment.seed=4"}));
  EXPECT_NE(*shuffled.bytes, *other.bytes);
  EXPECT_EQ(sets.of(description()).frame.content_hash(), hash);
  const auto& drawn = sets.of(description({"resample.indices=rows.csv"}));
  EXPECT_EQ(drawn.indices.size(), 2u);
  EXPECT_FALSE(drawn.indices_hash.empty());
  EXPECT_TRUE(sets.of(description()).indices.empty());
}

TEST_F(DataSetsTest, PrepareAnExperimentAsIfItWereAlone) {
  DataSets sets;
  PrepareOptions options;
  options.data = &sets;
  const Prepared alone = prepare(description());
  for (int time = 0; time < 2; ++time) {
    const Prepared shared = prepare(description(), options);
    EXPECT_EQ(*shared.data, *alone.data);
    EXPECT_EQ(shared.header.identity, alone.header.identity);
    EXPECT_EQ(shared.header.packs, alone.header.packs);
  }
  EXPECT_EQ(sets.size(), 1u);
}

}  // namespace
}  // namespace seldon::worker

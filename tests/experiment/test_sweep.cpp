// Sweeps: which experiments come of a file, under which names, with which values.

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "example.h"
#include "experiment/sweep.h"

namespace seldon::experiment::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class SweepTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("seldon-sweep-" + std::to_string(getpid()));
    fs::create_directories(folder_);
    write("base.toml", example);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = (folder_ / name).string();
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text;
    return path;
  }
  Sweep sweep(const std::string& text, const std::vector<std::string>& overrides = {}) const {
    return load_sweep(write("sweep.toml", text), overrides);
  }
  /// The message without the folder.
  std::string refusal(const std::string& text, const std::vector<std::string>& overrides = {}) const {
    try {
      sweep(text, overrides);
    } catch (const InputError& error) {
      std::string message = error.what();
      for (std::size_t at; (at = message.find(folder_.string() + "/")) != std::string::npos;)
        message.erase(at, folder_.string().size() + 1);
      return message;
    }
    return "accepted";
  }
  static std::vector<std::string> names(const Sweep& sweep) {
    std::vector<std::string> all;
    for (const SweepMember& member : sweep.members) all.push_back(member.name);
    return all;
  }

  fs::path folder_;
};

const std::string grid = "[sweep]\nbase = \"base.toml\"\n[sweep.grid]\n";

TEST_F(SweepTest, AGridVariesItsLastKeyFastest) {
  const Sweep all = sweep(grid + "\"model.qsa.optimizer.step_size\" = [0.001, 0.01]\n" +
                          "\"constraint.parity.delta\" = [0.05, 0.1]\n");
  EXPECT_THAT(all.keys, ElementsAre("model.qsa.optimizer.step_size", "constraint.parity.delta"))
      << "in the file's order";
  EXPECT_THAT(names(all), ElementsAre("step_size-0.001__delta-0.05", "step_size-0.001__delta-0.1",
                                      "step_size-0.01__delta-0.05", "step_size-0.01__delta-0.1"));
  const Description second = load_member(all.members[1]);
  EXPECT_EQ(second.models[0].optimizer.step_size, 0.001);
  EXPECT_EQ(second.constraints[0].delta.value, 0.1);
  EXPECT_EQ(second.constraints[0].delta.where.str(), (folder_ / "sweep.toml:5").string());
  EXPECT_THAT(all.members[1].values, ElementsAre("0.001", "0.1"));
}

TEST_F(SweepTest, KeysMayBeWrittenWithoutQuotes) {
  EXPECT_EQ(names(sweep(grid + "model.qsa.l2 = [0, 1]\nexperiment.n_trials = [2]\n")),
            names(sweep(grid + "\"model.qsa.l2\" = [0, 1]\n\"experiment.n_trials\" = [2]\n")));
}

TEST_F(SweepTest, AConfigMayHoldItsOwnSweep) {
  const Sweep all = sweep(example + std::string("\n[sweep.grid]\n\"experiment.n_trials\" = [3, 4]\n"));
  EXPECT_THAT(names(all), ElementsAre("n_trials-3", "n_trials-4"));
  EXPECT_EQ(load_member(all.members[1]).n_trials, 4u);
  EXPECT_THROW(load_config(all.path), InputError) << "it is no config of one experiment";
}

TEST_F(SweepTest, SeveralConfigsAreCalledAfterTheirFiles) {
  write("a/first.toml", example);
  write("Second one.toml", example);
  const Sweep plain = sweep("[sweep]\nconfigs = [\"a/first.toml\", \"base.toml\"]\n");
  EXPECT_THAT(names(plain), ElementsAre("first", "base"));
  EXPECT_EQ(plain.members[0].config, (folder_ / "a/first.toml").string());
  const Sweep both = sweep(
      "[sweep]\nconfigs = [\"a/first.toml\", \"Second one.toml\"]\n[sweep.grid]\n"
      "\"split.frac_in_safety\" = [0.5, 0.6]\n");
  ASSERT_EQ(both.members.size(), 4u);
  EXPECT_EQ(both.members[1].name, "first__frac_in_safety-0.6");
  EXPECT_THAT(both.members[2].name, ::testing::MatchesRegex("second-one-[0-9a-f]{8}__frac_in_safety-0.5"));
  EXPECT_TRUE(both.many_configs);
}

TEST_F(SweepTest, NamesAreFitForFilesAndTellValuesApart) {
  const Sweep all = sweep(grid + "\"group.F.where\" = [\"gender == 0\", \"gender = 0\", \"Gender == 0\"]\n" +
                          "\"experiment.data_fracs\" = [[0.5, 1.0], [0.1, 1]]\n");
  std::set<std::string> distinct;
  for (const SweepMember& member : all.members) {
    EXPECT_THAT(member.name, ::testing::MatchesRegex("[a-z0-9._-]+"));
    distinct.insert(member.name);
  }
  EXPECT_EQ(distinct.size(), 6u);
  EXPECT_THAT(all.members[0].name, ::testing::MatchesRegex("where-gender-0-[0-9a-f]{8}__data_fracs-0.5-1"));
  EXPECT_EQ(all.members[0].values[0], "gender == 0") << "people see the text without quotes";
}

TEST_F(SweepTest, LargeNumbersLeaveNoSignInAName) {
  const Sweep all =
      sweep(grid + "\"model.qsa.l2\" = [1e20, 1e-20]\n\"experiment.data_fracs\" = [[1e21, 1e+22]]\n");
  EXPECT_THAT(names(all), ElementsAre("l2-1e20__data_fracs-1e21-1e22", "l2-1e-20__data_fracs-1e21-1e22"));
}

TEST_F(SweepTest, ANameDoesNotDependOnOtherValues) {
  const auto few = names(sweep(grid + "\"model.qsa.l2\" = [0.1]\n"));
  const auto more = names(sweep(grid + "\"model.qsa.l2\" = [0.3, 0.1]\n"));
  EXPECT_EQ(few[0], more[1]);
}

TEST_F(SweepTest, KeysOfOneLastPartShowMoreOfThemselves) {
  const Sweep all =
      sweep(grid + "\"group.F.where\" = [\"a\"]\n\"group.M.where\" = [\"b\"]\n\"model.qsa.l2\" = [0]\n");
  EXPECT_THAT(names(all), ElementsAre("f.where-a__m.where-b__l2-0"));
}

TEST_F(SweepTest, LongNamesAreCutWithAHash) {
  const std::string value(300, 'x');
  const Sweep all = sweep(grid + "\"data.path\" = [\"" + value + "\", \"" + value + "y\"]\n");
  EXPECT_EQ(all.members[0].name.size(), 100u);
  EXPECT_EQ(all.members[1].name.size(), 100u);
  EXPECT_NE(all.members[0].name, all.members[1].name);
}

const std::string draws =
    "[sweep]\nbase = \"base.toml\"\n[sweep.random]\nseed = 7\ndraws = 200\n"
    "\"model.qsa.l2\" = { log_uniform = [1e-6, 1e-2] }\n";

TEST_F(SweepTest, DrawsFollowTheirLaws) {
  const Sweep all = sweep(draws +
                          "\"split.frac_in_safety\" = { uniform = [0.4, 0.6] }\n"
                          "\"model.qsa.iterations\" = { integer = [3, 5] }\n"
                          "\"constraint.parity.bound\" = { choice = [\"student_t\", \"hoeffding\"] }\n");
  ASSERT_EQ(all.members.size(), 200u);
  EXPECT_EQ(all.members[17].name, "draw-0017");
  double logs = 0, sum = 0;
  std::map<std::string, int> counts;
  for (const SweepMember& member : all.members) {
    const double l2 = std::stod(member.values[0]), share = std::stod(member.values[1]);
    EXPECT_GE(l2, 1e-6);
    EXPECT_LE(l2, 1e-2);
    EXPECT_GE(share, 0.4);
    EXPECT_LE(share, 0.6);
    logs += std::log10(l2) / 200;
    sum += share / 200;
    ++counts[member.values[2]];
    ++counts[member.values[3]];
  }
  // Four standard errors of the mean: of log10 4 / sqrt(12 * 200), of the share 0.2 / sqrt(12 * 200).
  EXPECT_NEAR(logs, -4, 4 * 4 / std::sqrt(2400.0));
  EXPECT_NEAR(sum, 0.5, 4 * 0.2 / std::sqrt(2400.0));
  EXPECT_EQ(counts.size(), 5u) << "each whole number and each choice comes";
  for (const auto& [value, count] : counts) EXPECT_GT(count, 40) << value;
}

TEST_F(SweepTest, DrawsAreReproducibleAndIndependentOfEachOther) {
  const Sweep some = sweep(draws);
  // Of this seed, draw and key for ever: a store that a sweep has begun must go on.
  EXPECT_EQ(some.members[0].values[0], "9.67143e-05");
  EXPECT_EQ(some.members[199].values[0], "2.99488e-05");
  const Sweep fewer = sweep(with(draws, "200", "3"));
  const Sweep more = sweep(draws + "\"model.qsa.iterations\" = { integer = [3, 5] }\n");
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(fewer.members[i], some.members[i]);
    EXPECT_EQ(more.members[i].values[0], some.members[i].values[0]);
  }
  EXPECT_NE(sweep(with(draws, "seed = 7", "seed = 8")).members[0].values, some.members[0].values);
  std::set<std::string> distinct;
  for (const SweepMember& member : some.members) distinct.insert(member.values[0]);
  EXPECT_GT(distinct.size(), 195u);
}

TEST_F(SweepTest, AGridAndDrawsCombine) {
  const Sweep all =
      sweep(with(draws, "200", "2") + "[sweep.grid]\n\"constraint.parity.delta\" = [0.05, 0.1]\n");
  EXPECT_THAT(names(all), ElementsAre("delta-0.05__draw-0000", "delta-0.05__draw-0001",
                                      "delta-0.1__draw-0000", "delta-0.1__draw-0001"));
  EXPECT_EQ(all.members[0].values[1], all.members[2].values[1]) << "the same draws at each point";
}

TEST_F(SweepTest, SetHoldsForEveryMember) {
  const std::vector<std::string> overrides = {"experiment.n_trials=9"};
  const Sweep all = sweep(grid + "\"model.qsa.l2\" = [0, 1]\n", overrides);
  EXPECT_EQ(load_member(all.members[1], overrides).n_trials, 9u);
  EXPECT_EQ(load_member(all.members[1], overrides).models[0].l2, 1);
}

TEST_F(SweepTest, SaysWhatIsWrongWithASweep) {
  EXPECT_EQ(refusal("[sweep]\nbase = \"base.toml\"\n"),
            "sweep.toml:1: [sweep] varies nothing; give it configs = [...], a table [sweep.grid] or "
            "[sweep.random] (docs/sweeps.md)");
  EXPECT_EQ(refusal("[sweep]\nbse = 1\n"),
            "sweep.toml:2: unknown key \"bse\" in [sweep]; did you mean \"base\"?");
  EXPECT_EQ(refusal("sweep = 1\n"), "sweep.toml:1: \"sweep\" is a table: write [sweep] and its keys below");
  EXPECT_THAT(refusal("[sweep]\nbase = \"a\"\nconfigs = [\"b\"]\n"),
              HasSubstr("sweep.toml:2: [sweep] has base and configs"));
  EXPECT_THAT(refusal("[sweep]\nconfigs = []\n"), HasSubstr("sweep.toml:2: configs is an empty list"));
  EXPECT_THAT(refusal("[sweep]\nconfigs = [\"x.toml\", 3]\n"), HasSubstr("must be the path of a config"));
  EXPECT_THAT(
      refusal("[sweep]\nconfigs = [\"base.toml\"]\n[experiment]\nseed = 1\n"),
      HasSubstr("sweep.toml:3: the sweep takes its keys from configs, so \"experiment\" would not count"));
  EXPECT_THAT(refusal("[sweep]\nconfigs = [\"base.toml\",\n\"a/base.toml\"]\n"),
              HasSubstr("sweep.toml:3: two experiments would have the name \"base\" (the other is of "
                        "sweep.toml:2"));
}

TEST_F(SweepTest, SaysWhatIsWrongWithAGrid) {
  EXPECT_EQ(refusal(grid + "\"model.qsa.optimizer.stepsize\" = [1]\n"),
            "sweep.toml:4: no config has the key \"model.qsa.optimizer.stepsize\"; did you mean "
            "\"model.qsa.optimizer.step_size\"?");
  EXPECT_EQ(
      refusal(grid + "\"model.qsa.l2\" = []\n"),
      "sweep.toml:4: \"model.qsa.l2\" is an empty list, so there is nothing to run; fill it or remove the "
      "key");
  EXPECT_THAT(refusal(grid + "\"model.qsa.l2\" = 0.1\n"), HasSubstr("must be a list"));
  EXPECT_EQ(refusal(grid + "\"model.qsa.l2\" = [0.1,\n0.10]\n"),
            "sweep.toml:5: \"model.qsa.l2\" has 0.1 again; list each value once");
  EXPECT_THAT(refusal(grid + "\"model.qsa.l2\" = [1]\nmodel.qsa.l2 = [2]\n"),
              HasSubstr("sweep.toml:5: \"model.qsa.l2\" is swept twice"));
  EXPECT_THAT(refusal(grid + "\"model.qsa.l2\" = [2020-01-01]\n"), HasSubstr("a date or time"));
  EXPECT_THAT(refusal(grid), HasSubstr("[sweep.grid] is empty"));
  EXPECT_THAT(refusal(grid + "seed = [1]\n"), HasSubstr("no config has the key \"seed\""));
  EXPECT_EQ(
      refusal(grid + "\"model.qsa.l2\" = [1]\n", {"model.qsa.l2=2"}),
      "command line (--set model.qsa.l2): \"model.qsa.l2\" is one of the keys that the sweep varies; take "
      "it from the command line, or from sweep.toml");
  EXPECT_THAT(refusal(grid + "\"data.image.width\" = [1]\n", {"data.image={width = 2}"}),
              HasSubstr("\"data.image\" is or holds one of the keys that the sweep varies"));
  EXPECT_THAT(refusal(grid + "\"data.image\" = [1]\n\"data.image.width\" = [1]\n"),
              HasSubstr("sweep.toml:5: \"data.image.width\" and \"data.image\" ("));
  std::string list = "[0";
  for (int i = 1; i < 101; ++i) list.append(",").append(std::to_string(i));
  EXPECT_THAT(refusal(grid + "\"model.qsa.l2\" = " + list + "]\n\"experiment.n_trials\" = " + list + "]\n"),
              HasSubstr("over 10000 experiments"));
}

TEST_F(SweepTest, SaysWhatIsWrongWithDraws) {
  EXPECT_THAT(refusal(with(draws, "seed = 7\n", "")), HasSubstr("sweep.toml:3: [sweep.random] has no seed"));
  EXPECT_THAT(refusal(with(draws, "200", "0")), HasSubstr("draws must be a whole number from 1 to 10000"));
  EXPECT_THAT(refusal(with(draws, "log_uniform", "normal")), HasSubstr("no config has the key"));
  EXPECT_THAT(refusal(with(draws, "{ log_uniform = [1e-6, 1e-2] }", "3")), HasSubstr("needs a law"));
  EXPECT_THAT(refusal(with(draws, "[1e-6, 1e-2]", "[1e-6]")), HasSubstr("without its two numbers"));
  EXPECT_THAT(refusal(with(draws, "1e-6", "-1")), HasSubstr("must be above 0"));
  EXPECT_THAT(refusal(with(draws, "1e-6", "1.0")), HasSubstr("the first must be below the second"));
  EXPECT_THAT(refusal(with(draws, "log_uniform = [1e-6, 1e-2]", "integer = [1.5, 2]")),
              HasSubstr("no whole numbers"));
  EXPECT_THAT(refusal(draws + "[sweep.grid]\n\"model.qsa.l2\" = [1]\n"), HasSubstr("is swept twice"));
}

TEST_F(SweepTest, ABadPointIsNamed) {
  const Sweep all = sweep(grid + "\"model.qsa.l2\" = [0.5, -1]\n\"experiment.n_trials\" = [2]\n");
  EXPECT_NO_THROW(load_member(all.members[0]));
  try {
    load_member(all.members[1]);
    FAIL() << "a negative l2 passed";
  } catch (const InputError& error) {
    EXPECT_EQ(std::string(error.what()),
              (folder_ / "sweep.toml").string() +
                  ":4: model \"qsa\": l2 is -1 (it must be at least 0); change it (experiment "
                  "\"l2--1__n_trials-2\": model.qsa.l2 = -1, experiment.n_trials = 2)");
  }
}

}  // namespace
}  // namespace seldon::experiment::test

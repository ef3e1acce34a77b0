#include <cmath>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiment/config.h"
#include "worker/engine_runner.h"
#include "worker/translate.h"

namespace seldon::worker {
namespace {

using ::testing::HasSubstr;

/// A table of 40 rows on disk, and a config that describes it.
class Translate : public ::testing::Test {
 protected:
  Translate() {
    std::ofstream csv(path("table.csv"));
    csv << "age,sex,x,y\n";
    for (int i = 0; i < 40; ++i)
      csv << 20 + i << ',' << (i % 2 ? "f" : "m") << ',' << 0.1 * (i % 7) << ',' << (i % 3 == 0) << '\n';
  }

  static std::string path(const std::string& name) { return ::testing::TempDir() + "/" + name; }

  static std::string config(const std::string& constraint = "", const std::string& model = "",
                            const std::string& rest = "") {
    return R"([experiment]
name = "t"
seed = 3
n_trials = 4
data_fracs = [0.05, 0.5, 1.0]
[data]
path = "table.csv"
label = "y"
numeric = ["age", "x"]
standardize = ["age"]
[[group]]
attribute = "sex"
name = "M"
where = "sex == m"
[[group]]
attribute = "sex"
name = "F"
where = "sex == f"
[[group]]
attribute = "age"
name = "young"
where = "age < 40"
[[group]]
attribute = "age"
name = "old"
where = "age >= 40"
[[constraint]]
name = "di"
expression = "(PR | [M]) - (PR | [F]) <= 0.3"
delta = 0.05
)" + constraint +
           R"(
[[model]]
name = "qsa"
architecture = "logistic"
iterations = 20
)" + model +
           R"(
[[model]]
name = "coin"
kind = "baseline"
architecture = "uniform_random"
)" + (rest.empty() ? "[evaluation]\nsubgroups = [\"sex\", \"sex x age\"]\n" : rest);
  }

  static std::unique_ptr<Workspace> workspace(const std::string& text) {
    experiment::Description description = experiment::parse_config(text, path("t.toml"));
    table::Frame frame = load_table(description);
    return std::make_unique<Workspace>(std::move(description), std::move(frame),
                                       std::vector<std::vector<std::uint32_t>>{});
  }

  static std::string error_of(const std::string& text) {
    try {
      workspace(text);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(Translate, NamesSubgroupsAndCrossings) {
  const auto w = workspace(config());
  std::vector<std::string> names;
  for (const engine::Group& group : w->dataset().subgroups) names.push_back(group.name);
  EXPECT_THAT(names, ::testing::ElementsAre("all", "sex=M", "sex=F", "sex=M x age=young", "sex=M x age=old",
                                            "sex=F x age=young", "sex=F x age=old"));
  double members = 0;
  for (std::size_t s = 3; s < 7; ++s)
    for (std::uint8_t m : w->dataset().subgroups[s].member) members += m;
  EXPECT_EQ(members, 40) << "a crossing of partitions is a partition";
}

TEST_F(Translate, RefusesWhatOnlyTheEngineKnows) {
  EXPECT_THAT(error_of(config("", "objective = \"likelihood\"\n")), HasSubstr("no objective 'likelihood'"));
  EXPECT_THAT(error_of(config("bound = \"clopper_pearson\"\n")), HasSubstr("decision = \"hard\""));
  EXPECT_THAT(error_of(config("", "batchnorm = \"toolkit\"\n")), HasSubstr("networks only"));
  EXPECT_THAT(error_of(config("", "", "[evaluation]\nperformance = [\"f1\"]\n")),
              HasSubstr("no measure 'f1'"));
  EXPECT_THAT(error_of(config("", "", "[evaluation]\nsubgroups = [\"height\"]\n")),
              HasSubstr("attribute \"height\""));
  EXPECT_THAT(error_of(config("range = [0, 2]\n")), HasSubstr("hoeffding"));
  EXPECT_THAT(error_of(config("", "architecture_options = { depth = 3 }\n")), HasSubstr("no option 'depth'"));
  EXPECT_THAT(
      error_of(config("", "[[model]]\nname = \"net\"\nkind = \"baseline\"\narchitecture = \"mlp\"\n")),
      HasSubstr("length of training"));
  EXPECT_THAT(error_of(config("",
                              "[[model]]\nname = \"net\"\narchitecture = \"mlp\"\niterations = 5\n"
                              "initial_solution = \"fit\"\n")),
              HasSubstr("cannot start from \"fit\""));
  EXPECT_THAT(error_of(config("",
                              "[[model]]\nname = \"w\"\nkind = \"baseline\"\narchitecture = "
                              "\"weighted_random\"\n")),
              HasSubstr("probability"));
  EXPECT_THAT(error_of(config("",
                              "[[model]]\nname = \"lr\"\nkind = \"baseline\"\narchitecture = \"logistic\"\n"
                              "l2 = 2.0\n")),
              HasSubstr("l2 acts in training"));
  std::string text = config();
  text.replace(text.find("\"logistic\""), 10, "\"forest\"");
  EXPECT_THAT(error_of(text), HasSubstr("'forest'"));
  EXPECT_THAT(error_of(text), HasSubstr("t.toml:"));
  text = config();
  text.replace(text.find("(PR | [M])"), 10, "(PR | [X])");
  EXPECT_THAT(error_of(text), HasSubstr("X"));
}

TEST_F(Translate, HeldOutKeepsTrialsAndTruthApart) {
  const auto w = workspace(config("", "", "[resample]\nground_truth = \"held_out\"\n"));
  const auto& truths = w->model(0).truths;
  ASSERT_EQ(truths.size(), 2U);
  EXPECT_EQ(truths[0].rows.size() + truths[1].rows.size(), 40U);
  const engine::Rows drawn = w->trial_rows(0, 200);
  for (std::uint32_t row : truths[1].rows) EXPECT_THAT(drawn, ::testing::Not(::testing::Contains(row)));
}

TEST_F(Translate, EncodesEveryPartOfAResult) {
  const auto w = workspace(config());
  engine::TrialResult result;
  result.trial = 2;
  result.outcome = Outcome::solution;
  result.rows = 20;
  result.best_iteration = 7;
  result.upper = {-0.25};
  result.nodes = {{10, 0.4, 0.1, -HUGE_VAL, 0.45}, {10, 0.5, 0.2, 0.3, HUGE_VAL}};
  engine::TruthResult truth;
  truth.performance = {0.6};
  truth.g = {{-0.2, -0.1}};
  for (std::size_t s = 0; s < 7; ++s) {
    engine::SubgroupSums sums;
    for (double k : {0.0, 1.0, 2.0, 3.0}) sums.hard_counts.push_back(10.0 * static_cast<double>(s) + k);
    sums.soft_sums = sums.soft_squares = sums.hard_counts;
    sums.log_loss = {static_cast<double>(s), 2};
    sums.histogram.assign(2 * histogram_bins * 2, static_cast<double>(s));
    truth.subgroups.push_back(sums);
  }
  result.truths = {truth};
  const CellRecord record = encode(result, w->layout(0), "qsa", 0.5);
  EXPECT_TRUE(record.intact("qsa", 0.5, 2));
  EXPECT_FALSE(record.intact("qsa", 0.5, 3));
  EXPECT_EQ(record.outcome(), Outcome::solution);
  EXPECT_EQ(record.view<std::int64_t>(Field::best_iteration)[0], 7);
  EXPECT_EQ(record.doubles(Field::upper)[0], -0.25);
  EXPECT_EQ(record.doubles(Field::node_lower)[1], 0.3);
  EXPECT_EQ(record.doubles(Field::g)[1], -0.1) << "hard rule";
  EXPECT_EQ(record.doubles(Field::hard_counts)[4 * 3 + 2], 32.0) << "subgroup 3, true class 1, class 0";
  EXPECT_EQ(record.doubles(Field::log_loss)[2 * 5], 5.0);
  EXPECT_EQ(record.doubles(Field::histogram)[6 * 256], 6.0);
}

TEST_F(Translate, NoSolutionIsMinusInfinityAndNan) {
  const auto w = workspace(config());
  engine::TrialResult result;
  result.outcome = Outcome::no_solution_found;
  result.reason = NsfReason::safety_test;
  const CellRecord record = encode(result, w->layout(0), "qsa", 0.5);
  for (double g : record.doubles(Field::g)) EXPECT_EQ(g, -HUGE_VAL);
  EXPECT_TRUE(std::isnan(record.doubles(Field::performance)[0]));
  EXPECT_EQ(record.nsf_reason(), NsfReason::safety_test);
}

TEST_F(Translate, FactsCountGroupsAmongTheRowsThatTrialsAreDrawnFrom) {
  std::ofstream(path("t.toml")) << config();
  for (const char* truth : {"original", "held_out"}) {
    const std::vector<std::string> set = {"resample.ground_truth=" + std::string(truth)};
    const Prepared prepared = prepare(path("t.toml"), set);
    ASSERT_EQ(prepared.facts.groups.size(), 2u);  // M and F, which between them have every row
    EXPECT_EQ(prepared.facts.groups[0].rows + prepared.facts.groups[1].rows, prepared.header.total_rows);
    EXPECT_EQ(prepared.header.total_rows < 40, std::string_view(truth) == "held_out");
    EXPECT_EQ(prepared.facts.together, (std::vector<bool>{false, false}));
  }
}

TEST_F(Translate, FactsNameGroupsOfStudentsTOnly) {
  for (const char* bound : {"hoeffding", "clopper_pearson"}) {
    std::ofstream(path("t.toml")) << config("decision = \"hard\"\nbound = \"" + std::string(bound) + "\"\n");
    EXPECT_TRUE(prepare(path("t.toml"), {}).facts.groups.empty()) << bound;
  }
}

TEST_F(Translate, RunnerGivesTheSameRecordWhateverElseItRuns) {
  std::ofstream(path("t.toml")) << config();
  const Prepared prepared = prepare(path("t.toml"), {});
  const auto runner = make_runner(prepared.header.config, *prepared.data, {});
  Unhindered progress;
  for (const Pack& pack : prepared.header.packs) {
    std::vector<std::vector<std::byte>> together, alone;
    const std::vector<std::uint32_t> all = {0, 1, 2, 3};
    runner->run(pack, {all, {}}, progress, [&](CellReport report) {
      EXPECT_EQ(report.state, CellState::done) << report.run.message;
      together.push_back(std::move(report.record));
    });
    for (const std::uint32_t slot : all)
      runner->run(pack, {{slot}, {}}, progress, [&](CellReport report) {
        EXPECT_EQ(report.key, pack.cell(slot));
        alone.push_back(std::move(report.record));
      });
    EXPECT_EQ(together, alone) << "model " << pack.model << ", fraction " << pack.fraction;
  }
}

TEST_F(Translate, ANetworkGivesTheSameRecordBesideFilledSlots) {
  std::string text = config("", "pack_size = 4\n");
  text.replace(text.find("logistic"), 8, "mlp");
  std::ofstream(path("t.toml")) << text;
  const Prepared prepared = prepare(path("t.toml"), {});
  ASSERT_TRUE(prepared.facts.together[0]);
  const auto runner = make_runner(prepared.header.config, *prepared.data, {});
  const Pack pack{0, 0, 1, 0, 4};
  Unhindered progress;
  std::vector<std::vector<std::byte>> whole;
  runner->run(pack, {{0, 1, 2, 3}, {}}, progress, [&](CellReport report) {
    EXPECT_EQ(report.state, CellState::done) << report.run.message;
    whole.push_back(std::move(report.record));
  });
  ASSERT_EQ(whole.size(), 4u);
  for (std::uint32_t slot = 0; slot < 4; ++slot) {
    Slots single{{slot}, {0, 1, 2, 3}};
    std::erase(single.filled, slot);
    std::vector<CellReport> reports;
    runner->run(pack, single, progress, [&](CellReport report) { reports.push_back(std::move(report)); });
    ASSERT_EQ(reports.size(), 1u);
    EXPECT_EQ(reports[0].key, pack.cell(slot));
    EXPECT_EQ(reports[0].run.width, 4u);
    EXPECT_EQ(reports[0].record, whole[slot]);
  }
  // What is recorded already runs along, and is told so that it can be compared.
  std::vector<std::uint32_t> trials;
  runner->run(pack, {{2}, {1}}, progress, [&](CellReport report) { trials.push_back(report.key.trial); });
  EXPECT_EQ(trials, (std::vector<std::uint32_t>{0, 2, 3}));
}

TEST_F(Translate, MoreFractionsTrialsAndModelsChangeNothing) {
  std::ofstream(path("t.toml")) << config();
  const std::vector<std::string> fewer = {"experiment.n_trials=2", "experiment.data_fracs=[0.5]"};
  const Prepared large = prepare(path("t.toml"), {}), small = prepare(path("t.toml"), fewer);
  const auto record_of = [](const Prepared& prepared, std::uint32_t fraction) {
    const auto runner = make_runner(prepared.header.config, *prepared.data, {});
    std::vector<std::byte> bytes;
    Unhindered progress;
    const std::uint32_t slot = 1;
    runner->run({0, 0, fraction, 0, 4}, {{slot}, {}}, progress,
                [&](CellReport report) { bytes = report.record; });
    return bytes;
  };
  EXPECT_EQ(record_of(large, 1), record_of(small, 0));
}

TEST_F(Translate, RefusesIndicesThatTheTableLacks) {
  std::ofstream(path("t.toml")) << config();
  const auto error_with = [&](const std::string& text) -> std::string {
    std::ofstream(path("rows.csv")) << text;
    const std::vector<std::string> set = {"resample.indices=rows.csv", "experiment.data_fracs=[0.05]",
                                          "experiment.n_trials=2"};
    try {
      prepare(path("t.toml"), set);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(error_with("0,1\n5,39\n"), "");
  EXPECT_THAT(error_with("0,1\n5,40\n"), HasSubstr("rows.csv:2: entry 2 is no row of the table (0 to 39)"));
  EXPECT_THAT(error_with("0,1\n5\n"), HasSubstr("rows.csv:2: trial 1 has 1 rows"));
  EXPECT_THAT(error_with("0,1\n"), HasSubstr("has 1 trials where experiment.n_trials is 2"));
  EXPECT_THAT(error_with("0,x\n"), HasSubstr("rows.csv:1: entry 2"));
}

}  // namespace
}  // namespace seldon::worker

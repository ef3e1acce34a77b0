// The configs that ship: each is accepted, and says what its experiment is known for.

#include <filesystem>

#include <gtest/gtest.h>

#include "example.h"
#include "experiment/plan.h"
#include "experiment/sweep.h"

namespace seldon::experiment::test {
namespace {

const std::string folder = std::string(SELDON_SOURCE_DIR) + "/configs/";

std::vector<std::string> shipped() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".toml" && !is_sweep(entry.path().string()))
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(ShippedConfigs, AreAllHere) {
  EXPECT_EQ(shipped(),
            (std::vector<std::string>{"faces.toml", "faces_small.toml", "faces_synthetic.toml",
                                      "gpa_demographic_parity.toml", "gpa_disparate_impact.toml",
                                      "gpa_equal_opportunity.toml", "gpa_equalized_odds.toml",
                                      "gpa_predictive_equality.toml", "loans.toml", "quickstart.toml"}));
}

class ShippedConfig : public testing::TestWithParam<std::string> {};

TEST_P(ShippedConfig, IsAcceptedAndSurvivesItsCanonicalText) {
  const Description d = load_config(folder + GetParam());
  EXPECT_EQ(d.name + ".toml", GetParam());
  EXPECT_EQ(parse(canonical_toml(d)), d);
  EXPECT_EQ(d.models.size(), 3u);
  EXPECT_EQ(d.models[0].name, "qsa");
  for (const ModelSection& model : d.models) EXPECT_EQ(model.optimizer.variant, "adam") << model.name;
}
INSTANTIATE_TEST_SUITE_P(All, ShippedConfig, testing::ValuesIn(shipped()),
                         [](const auto& config) { return config.param.substr(0, config.param.find('.')); });

TEST(ShippedConfigs, LoansAreThePublishedExperiment) {
  const Description d = load_config(folder + "loans.toml");
  EXPECT_EQ(d.n_trials, 25u);
  ASSERT_EQ(d.data_fracs.size(), 15u);
  EXPECT_EQ(d.data_fracs.front(), 0.001);
  EXPECT_EQ(d.frac_in_safety, 0.6);
  EXPECT_EQ(d.data.categorical.size(), 12u);
  EXPECT_EQ(d.data.numeric.size(), 7u);
  EXPECT_EQ(d.data.standardize, d.data.numeric);
  EXPECT_EQ(d.data.positive, "2");
  EXPECT_EQ(d.constraints[0].expression.value, "min((PR | [M])/(PR | [F]),(PR | [F])/(PR | [M])) >= 0.9");
  EXPECT_EQ(d.constraints[0].delta.value, 0.05);
  EXPECT_EQ(d.models[0].iterations, 1500u);
  EXPECT_FALSE(d.models[0].batch_size);
  EXPECT_EQ(d.models[0].initial_solution, "fit");
  EXPECT_EQ(d.models[0].optimizer, OptimizerSection{}) << "step sizes .01, betas .9 and .95, multiplier .5";
  EXPECT_EQ(d.evaluation.performance[0], "log_loss");
  EXPECT_EQ(load_config(folder + "quickstart.toml").data, d.data);
}

TEST(ShippedConfigs, LoansTakeTheOverridesOfAPairedRun) {
  const std::vector<std::string> overrides = {
      "resample.indices=rows.csv", "model.qsa.optimizer.variant=toolkit", "model.qsa.variant=toolkit"};
  const Description d = load_config(folder + "loans.toml", overrides);
  EXPECT_EQ(d.models[0].optimizer.variant, "toolkit");
  EXPECT_EQ(d.models[0].variant, "toolkit");
  EXPECT_EQ(d.resample.indices.value, "rows.csv");
}

TEST(ShippedConfigs, FacesAreThePublishedExperiment) {
  const Description d = load_config(folder + "faces.toml");
  EXPECT_EQ(d.n_trials, 40u);
  EXPECT_EQ(d.data_fracs.size(), 15u);
  EXPECT_EQ(d.data.rows, 23700u);
  EXPECT_EQ(d.frac_in_safety, 0.5);
  EXPECT_EQ(d.constraints[0].expression.value, "min((ACC | [M])/(ACC | [F]),(ACC | [F])/(ACC | [M])) >= 0.8");
  EXPECT_EQ(d.models[0].batch_size, 237u);
  EXPECT_EQ(d.models[0].epochs_for_iterations, 1200u);
  EXPECT_EQ(d.models[0].optimizer.step_size, 0.001);
  EXPECT_EQ(d.models[0].optimizer.step_size_multipliers, 0.001);
  EXPECT_EQ(d.models[1].batch_size, 100u);
  EXPECT_EQ(d.models[2].architecture_options.at("probability"), 0.477);
  EXPECT_EQ(d.evaluation.performance[0], "probabilistic_accuracy");
  const Plan plan = make_plan(d, 23700, std::vector<ModelWork>(3));
  for (const Schedule& s : plan.schedules[0]) EXPECT_GE(s.iterations, 1200u);
  for (const Schedule& s : plan.schedules[1]) {
    EXPECT_GE(s.iterations, 25u);
    EXPECT_GE(s.epochs, 4u);
  }
}

// An iteration of batch 237 takes 0.15 s on a core, so two cores do 2,400 in three minutes.
TEST(ShippedConfigs, SmallFacesFitThreeMinutes) {
  const Description d = load_config(folder + "faces_small.toml");
  const Plan plan = make_plan(d, *d.data.rows, std::vector<ModelWork>(3));
  double iterations = 0;
  for (const std::size_t model : {0, 1})
    for (std::size_t f = 0; f < plan.rows.size(); ++f) {
      const Schedule& s = plan.schedules[model][f];
      const double batch = static_cast<double>(s.rows) / static_cast<double>(s.batches);
      // Evaluation costs a third: the table, and for the best five iterates the candidate rows.
      const double evaluated = static_cast<double>(plan.total_rows + 6 * s.rows) / 3;
      iterations += d.n_trials * (static_cast<double>(s.iterations) * batch + evaluated) / 237;
    }
  EXPECT_LT(iterations, 2400);
  EXPECT_GT(iterations, 1000);
}

TEST(ShippedConfigs, SweepsAreAccepted) {
  for (const auto& [name, members] :
       std::vector<std::pair<std::string, std::size_t>>{{"sweep_loans.toml", 4}, {"sweep_random.toml", 12}}) {
    const Sweep sweep = load_sweep(folder + name);
    EXPECT_EQ(sweep.members.size(), members);
    for (const SweepMember& member : sweep.members) EXPECT_NO_THROW(load_member(member)) << member.name;
  }
}

TEST(ShippedConfigs, GpaHasFiveConstraints) {
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"disparate_impact", "min((PR | [M])/(PR | [F]),(PR | [F])/(PR | [M])) >= 0.8"},
      {"demographic_parity", "abs((PR | [M]) - (PR | [F])) <= 0.2"},
      {"equalized_odds", "abs((FNR | [M]) - (FNR | [F])) + abs((FPR | [M]) - (FPR | [F])) <= 0.35"},
      {"equal_opportunity", "abs((FNR | [M]) - (FNR | [F])) <= 0.2"},
      {"predictive_equality", "abs((FPR | [M]) - (FPR | [F])) <= 0.2"}};
  for (const auto& [name, expression] : expected) {
    const Description d = load_config(folder + "gpa_" + name + ".toml");
    EXPECT_EQ(d.constraints[0].expression.value, expression);
    EXPECT_EQ(d.n_trials, 50u);
    EXPECT_EQ(make_plan(d, 43303, std::vector<ModelWork>(3)).rows.front(), 4u);
    EXPECT_EQ(d.models[0].iterations, 1000u);
  }
}

}  // namespace
}  // namespace seldon::experiment::test

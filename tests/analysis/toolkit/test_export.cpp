#include <charconv>
#include <cmath>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/toolkit/export.h"
#include "core/error.h"
#include "example.h"

namespace seldon::analysis {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Results three_states() {
  auto results = example::empty(2, {0.001, 1.0}, 3);
  example::solve(results, 0, 0, 0, 1.0 / 3, -0.08542279123);
  example::refuse(results, 0, 0, 1, NsfReason::safety_test);
  example::set_state(results, 0, 0, 2, CellState::failed, "no memory");
  example::solve(results, 0, 1, 0, 0.5, std::nan(""));
  example::solve(results, 1, 1, 2, 1e-5, 0.25);
  return results;
}

TEST(Export, ToolkitLayoutIsThatOfPandas) {
  const auto results = three_states();
  EXPECT_EQ(toolkit_csv(results, 0, {}),
            "data_frac,trial_i,performance,passed_safety,gvec\n"
            "0.001,0,0.3333333333333333,True,[-0.08542279]\n"
            "0.001,1,,False,[-inf]\n"
            "1.0,0,0.5,True,[nan]\n");
  EXPECT_EQ(toolkit_csv(results, 1, {}), "data_frac,trial_i,performance,gvec\n1.0,2,1e-05,[0.25]\n");
}

TEST(Export, ToolkitLayoutTakesRuleAndTruth) {
  EXPECT_EQ(toolkit_csv(three_states(), 1, {.rule = "hard", .truth = "held_out"}),
            "data_frac,trial_i,performance,gvec\n1.0,2,10.00001,[11.25]\n");
}

TEST(Export, ToolkitFoldersAndCountOfCellsLeftOut) {
  const example::Folder folder;
  EXPECT_EQ(export_toolkit(three_states(), {}, folder.path()), 8u);
  EXPECT_THAT(example::read_file(folder.path() / "qsa_results" / "qsa_results.csv"),
              StartsWith("data_frac,trial_i"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "baseline_1_results" / "baseline_1_results.csv"));
  EXPECT_EQ(export_toolkit(three_states(), {}, folder.path()), 8u);  // over what is there
}

TEST(Export, ModelNameThatLeadsElsewhereIsRefused) {
  const example::Folder folder;
  for (const char* name : {"../up", "/etc", "", "a b", "x\ny"}) {
    auto results = example::empty(1, {1.0}, 1);
    results.models[0].header.name = name;
    EXPECT_THROW(export_toolkit(results, {}, folder.path()), InputError) << name;
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Export, TidyLayoutHasALinePerCell) {
  EXPECT_EQ(tidy_csv(three_states(), {}),
            "model,data_frac,n,trial,state,passed_safety,nsf_reason,log_loss,accuracy,g_parity,failed_parity,"
            "upper_parity,seconds,attempt\n"
            "qsa,0.001,1,0,done,True,,0.3333333333333333,1.3333333333333333,-0.08542279123,False,"
            "0.03957720877,0.25,1\n"
            "qsa,0.001,1,1,done,False,safety_test,,,-inf,False,,0.25,1\n"
            "qsa,0.001,1,2,failed,,,,,,,,,1\n"
            "qsa,1,1000,0,done,True,,0.5,1.5,,True,,0.25,1\n"
            "qsa,1,1000,1,pending,,,,,,,,,0\n"
            "qsa,1,1000,2,pending,,,,,,,,,0\n"
            "baseline_1,0.001,1,0,pending,,,,,,,,,0\n"
            "baseline_1,0.001,1,1,pending,,,,,,,,,0\n"
            "baseline_1,0.001,1,2,pending,,,,,,,,,0\n"
            "baseline_1,1,1000,0,pending,,,,,,,,,0\n"
            "baseline_1,1,1000,1,pending,,,,,,,,,0\n"
            "baseline_1,1,1000,2,done,True,,1e-05,1.00001,0.25,True,,0.25,1\n");
}

TEST(Export, TidyLayoutQuotesNames) {
  auto results = example::empty(1, {1.0}, 1);
  results.models[0].header.name = "a,\"b\"";
  EXPECT_THAT(tidy_csv(results, {}), HasSubstr("\n\"a,\"\"b\"\"\",1,1000,0,pending"));
}

TEST(Export, TidyLayoutJoinsTheMeasuresOfAllModels) {
  auto results = example::empty(2, {1.0}, 1);
  results.models[1].header.shape.performance = {"accuracy", "brier"};
  example::solve(results, 0, 0, 0, 0.5, -1);
  example::solve(results, 1, 0, 0, 0.75, -1);
  const auto csv = tidy_csv(results, {});
  EXPECT_THAT(csv, HasSubstr("nsf_reason,log_loss,accuracy,brier,g_parity"));
  EXPECT_THAT(csv, HasSubstr("qsa,1,1000,0,done,True,,0.5,1.5,,-1,"));
  EXPECT_THAT(csv, HasSubstr("baseline_1,1,1000,0,done,True,,,0.75,1.75,-1,"));
}

TEST(Export, TidyNumbersReadBackExactly) {
  auto results = example::empty(1, {1.0}, 1);
  const double awkward = 0.1 + 0.2;
  example::solve(results, 0, 0, 0, awkward, -1);
  const auto csv = tidy_csv(results, {});
  const auto at = csv.find("done,True,,") + 11;
  double got = 0;
  std::from_chars(csv.data() + at, csv.data() + csv.size(), got);
  EXPECT_EQ(got, awkward);
}

/// The toolkit's own result files come back byte for byte, through a store.
TEST(ExportNeedsShared, PublishedLoansComeBackByteForByte) {
  const auto shared = example::shared_folder();
  if (shared.empty()) GTEST_SKIP() << "no conformance data; set SELDON_SHARED to their folder";
  const auto reference = shared / "conformance/data/reference_results";
  const example::Folder folder;
  const auto results = read_results(example::write_store(example::loans(reference), folder.path()));
  EXPECT_EQ(export_toolkit(results, {}, folder.path()), 0u);
  for (const std::string model : {"qsa", "logistic_regression", "uniform_random"})
    EXPECT_EQ(example::read_file(folder.path() / (model + "_results") / (model + "_results.csv")),
              example::read_file(reference / ("loans_video__" + model + "_results.csv")))
        << model;
}

}  // namespace
}  // namespace seldon::analysis

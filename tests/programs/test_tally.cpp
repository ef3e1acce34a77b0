// The summary of a sweep against the numbers of the analysis, and its form.

#include <cmath>
#include <filesystem>
#include <limits>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "programs/store_sink.h"
#include "programs/summary.h"
#include "tests/programs/command.h"

namespace seldon::programs {
namespace {

using ::testing::HasSubstr;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

RecordShape shape() {
  RecordShape shape;
  shape.performance = {"accuracy", "log_loss"};
  shape.constraints = {"a", "b"};
  shape.base_nodes = {"a: x"};
  shape.subgroups = {"all"};
  shape.truths = {"held_out", "original"};
  shape.rules = {"soft", "hard"};
  shape.histograms = false;
  return shape;
}

store::Header header() {
  store::Header header;
  header.n_trials = 6;
  header.data_fracs = {0.5, 1.0};
  header.constraints = {{"a", "", "soft", "", 0.05}, {"b", "", "hard", "", 0.05}};
  header.models = {{"qsa", "seldonian", shape()}};
  return header;
}

/// g of the original truth: a by soft decisions, b by hard ones; all other entries would be violations.
void add(Tally& tally, std::uint32_t fraction, std::uint32_t trial, bool solution, double performance,
         double a, double b) {
  const RecordLayout layout(shape());
  CellRecord record(layout);
  record.set_outcome(solution ? Outcome::solution : Outcome::no_solution_found,
                     solution ? NsfReason::none : NsfReason::safety_test);
  auto measured = record.doubles(Field::performance);  // [truth][measure]
  measured[2] = performance;
  auto g = record.doubles(Field::g);  // [constraint][rule][truth]
  for (double& value : g) value = 1;
  g[0 * 4 + 0 * 2 + 1] = a;
  g[1 * 4 + 1 * 2 + 1] = b;
  tally.add({0, 0, fraction, trial}, record.bytes());
}

TEST(Tally, SumsUpTheLargestFraction) {
  Tally tally(header(), {RecordLayout(shape())});
  EXPECT_TRUE(std::isnan(tally.models()[0].solution_rate));
  add(tally, 1, 4, true, 0.7, -1, 0);  // on the edge is kept
  add(tally, 1, 0, true, 0.8, -1, -1);
  add(tally, 1, 2, true, 0.9, -1, 0.1);  // violates b
  add(tally, 1, 3, true, nan, nan, -1);  // NaN violates; no performance
  add(tally, 1, 1, false, nan, 1, 1);
  add(tally, 0, 1, false, nan, 1, 1);  // at the smaller fraction
  const ModelTally model = tally.models()[0];
  EXPECT_EQ(model.measure, "accuracy");
  EXPECT_EQ(model.trials, 5u);
  EXPECT_NEAR(model.performance, 0.8, 1e-15);
  EXPECT_NEAR(model.performance_error, 0.1 / std::sqrt(3), 1e-15);  // of 0.7, 0.8, 0.9
  EXPECT_NEAR(model.solution_rate, 0.8, 1e-15);
  EXPECT_NEAR(model.failure_rate, 0.4, 1e-15);
  EXPECT_EQ(tally.no_solution(), 2u);
}

TEST(Summary, HasARowForEachExperimentAndColumnsForAllModels) {
  SummaryRow first{
      "one", "a,b.toml", {"0.1"}, "complete", 10, 9, 1, 2, {{"qsa", "accuracy", 5, 0.8, nan, 0.5, 0}}, ""};
  SummaryRow second{"two", "a.toml", {"x \"y\""}, "bad_input", 0, 0, 0, 0, {}, "two\nlines"};
  EXPECT_EQ(summary_csv({"model.qsa.l2"}, {first, second}),
            "name,config,model.qsa.l2,state,cells,done,failed,no_solution,qsa.trials,qsa.accuracy,"
            "qsa.accuracy.se,qsa.solution_rate,qsa.failure_rate,message\n"
            "one,\"a,b.toml\",0.1,complete,10,9,1,2,5,0.8,,0.5,0,\n"
            "two,a.toml,\"x \"\"y\"\"\",bad_input,0,0,0,0,,,,,,\"two\nlines\"\n");
}

}  // namespace
}  // namespace seldon::programs

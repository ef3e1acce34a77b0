#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "analysis/aggregate.h"
#include "core/error.h"
#include "example.h"
#include "plots/constraints.h"

namespace seldon::analysis {
namespace {

const double nan = std::nan("");

TEST(Aggregate, MeanAndStandardErrorAreThoseOfPandas) {
  // s = pandas.Series([.61, .58, .64, .6]); s.mean(), s.sem()
  const auto mean = mean_of(std::vector<double>{0.61, 0.58, 0.64, 0.6});
  EXPECT_EQ(mean.trials, 4u);
  EXPECT_NEAR(mean.value, 0.6075, 1e-15);
  EXPECT_NEAR(mean.error, 0.0125, 1e-15);
  EXPECT_TRUE(std::isnan(mean_of(std::vector<double>{0.5}).error));
  EXPECT_TRUE(std::isnan(mean_of({}).value));
}

TEST(Aggregate, RateIsTheMeanOfZerosAndOnes) {
  // pandas.Series([1]*10 + [0]*15).sem(); scipy.stats.beta.ppf for the exact limits
  const auto rate = rate_of(10, 25);
  EXPECT_NEAR(rate.value, 0.4, 1e-15);
  EXPECT_NEAR(rate.error, 0.1, 1e-15);
  EXPECT_NEAR(rate.exact_lower, 0.211254806465142, 1e-12);
  EXPECT_NEAR(rate.exact_upper, 0.61334650374316, 1e-12);
  EXPECT_NEAR(rate_of(1, 25).exact_lower, 0.0010121996993108446, 1e-12);
  EXPECT_NEAR(rate_of(1, 25).exact_upper, 0.203516913922414, 1e-12);
}

TEST(Aggregate, ExactIntervalHasAWidthAtZeroAndOne) {
  EXPECT_EQ(rate_of(0, 40).error, 0);
  EXPECT_EQ(rate_of(0, 40).exact_lower, 0);
  EXPECT_NEAR(rate_of(0, 40).exact_upper, 0.08809730287880237, 1e-12);
  EXPECT_NEAR(rate_of(25, 25).exact_lower, 0.8628148284692875, 1e-12);
  EXPECT_EQ(rate_of(25, 25).exact_upper, 1);
  EXPECT_TRUE(std::isnan(rate_of(0, 0).value));
  EXPECT_TRUE(std::isnan(rate_of(1, 1).error));
}

TEST(Aggregate, PerformanceIsOverSolutionsAndRatesOverRecordedTrials) {
  auto results = example::empty(1, {0.5}, 6);
  example::solve(results, 0, 0, 0, 0.6, -0.1);
  example::solve(results, 0, 0, 1, 0.7, 0.1);  // violated
  example::solve(results, 0, 0, 2, nan, nan);  // NaN counts as violated; its performance cannot be averaged
  example::refuse(results, 0, 0, 3, NsfReason::safety_test);
  example::set_state(results, 0, 0, 4, CellState::failed, "no memory");
  const auto point = aggregate(results).models.at(0).points.at(0);
  EXPECT_EQ(point.rows, 500u);
  EXPECT_EQ(point.recorded, 4u);
  EXPECT_EQ(point.failed, 1u);
  EXPECT_EQ(point.missing, 1u);
  EXPECT_EQ(point.performance.trials, 2u);
  EXPECT_NEAR(point.performance.value, 0.65, 1e-15);
  EXPECT_EQ(point.solution.count, 3u);
  EXPECT_EQ(point.solution.value, 0.75);
  EXPECT_EQ(point.violation.at(0).count, 2u);
  EXPECT_EQ(point.violation.at(0).value, 0.5);
}

TEST(Aggregate, NoSolutionNeverCountsAsViolation) {
  auto results = example::empty(1, {1.0}, 4);
  for (std::size_t trial = 0; trial < 4; ++trial) {
    example::refuse(results, 0, 0, trial, NsfReason::not_finite);
    results.models[0].g.assign(results.models[0].g.size(), nan);  // whatever the record says
  }
  const auto point = aggregate(results).models.at(0).points.at(0);
  EXPECT_EQ(point.violation.at(0).value, 0);
  EXPECT_EQ(point.solution.value, 0);
  EXPECT_EQ(point.performance.trials, 0u);
}

TEST(Aggregate, RuleAndTruthAreTheConstraintsOwnUnlessSelected) {
  auto results = example::empty(1, {1.0}, 2);
  for (std::size_t trial = 0; trial < 2; ++trial)
    example::solve(results, 0, 0, trial, 0.5, -0.5);  // hard: .5
  const auto by_default = aggregate(results);
  EXPECT_EQ(by_default.constraints.at(0).rule, "soft");
  EXPECT_EQ(by_default.truth, "original");
  EXPECT_EQ(by_default.models[0].points[0].violation[0].value, 0);

  const auto hard = aggregate(results, {.rule = "hard", .truth = {}});
  EXPECT_EQ(hard.constraints.at(0).rule, "hard");
  EXPECT_EQ(hard.models[0].points[0].violation[0].value, 1);

  results.header.constraints[0].decision = "hard";
  EXPECT_EQ(aggregate(results).constraints.at(0).rule, "hard");

  const auto held_out = aggregate(results, {.rule = "soft", .truth = "held_out"});
  EXPECT_EQ(held_out.truth, "held_out");
  EXPECT_EQ(held_out.models[0].points[0].violation[0].value, 1);
  EXPECT_EQ(held_out.models[0].points[0].performance.value, 10.5);
}

TEST(Aggregate, UnknownRuleOrTruthIsRefusedWithTheKnownOnes) {
  const auto results = example::small();
  try {
    aggregate(results, {.rule = "medium", .truth = {}});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "the store holds no decision rule 'medium'; it holds 'soft', 'hard'");
  }
  EXPECT_THROW(aggregate(results, {.rule = {}, .truth = "divine"}), InputError);
}

TEST(Aggregate, RegressionHasOneRule) {
  auto results = example::empty(1, {1.0}, 1);
  results.header.models[0].shape.rules = results.models[0].header.shape.rules = {"value"};
  EXPECT_EQ(aggregate(results).constraints.at(0).rule, "value");
}

TEST(Aggregate, PointsAscendByAmountOfData) {
  auto results = example::empty(1, {1.0, 0.1, 0.5}, 1);
  const auto points = aggregate(results).models.at(0).points;
  EXPECT_EQ(points[0].rows, 100u);
  EXPECT_EQ(points[1].rows, 500u);
  EXPECT_EQ(points[2].rows, 1000u);
}

TEST(Aggregate, BandOfStandardErrorsAlwaysHasAWidth) {
  // Where it has one, it is the mean and standard error of zeros and ones.
  EXPECT_NEAR(rate_of(10, 25).lower, 0.3, 1e-15);
  EXPECT_NEAR(rate_of(10, 25).upper, 0.5, 1e-15);
  EXPECT_EQ(rate_of(1, 2).lower, 0);  // cut
  EXPECT_EQ(rate_of(1, 2).upper, 1);
  // statsmodels.stats.proportion.proportion_confint(k, n, 1 - .6826894921370859, 'wilson')
  EXPECT_EQ(rate_of(0, 40).lower, 0);
  EXPECT_NEAR(rate_of(0, 40).upper, 0.02439024390243903, 1e-12);
  EXPECT_NEAR(rate_of(40, 40).lower, 0.975609756097561, 1e-12);
  EXPECT_EQ(rate_of(40, 40).upper, 1);
  EXPECT_NEAR(rate_of(1, 1).lower, 0.5, 1e-12);
  EXPECT_NEAR(rate_of(0, 1).upper, 0.5, 1e-12);
}

TEST(Aggregate, BandIsTheIntervalThatIsAskedFor) {
  // proportion_confint(k, n, .05, 'wilson' and 'beta')
  EXPECT_NEAR(rate_of(10, 25, RateInterval::wilson).lower, 0.2340330237774797, 1e-12);
  EXPECT_NEAR(rate_of(10, 25, RateInterval::wilson).upper, 0.5926054264103301, 1e-12);
  EXPECT_NEAR(rate_of(0, 40, RateInterval::wilson).upper, 0.08762160119728668, 1e-12);
  EXPECT_NEAR(rate_of(0, 40, RateInterval::exact).upper, 0.0880973028788024, 1e-12);
  EXPECT_NEAR(rate_of(40, 40, RateInterval::exact).lower, 0.9119026971211976, 1e-12);
  EXPECT_NEAR(rate_of(0, 40).wilson_upper, 0.08762160119728668, 1e-12);
  // scipy.stats.t.interval(.95, 3, mean, sem); one standard error by default
  const std::vector<double> values = {0.61, 0.58, 0.64, 0.6};
  EXPECT_NEAR(mean_of(values).lower, 0.595, 1e-15);
  EXPECT_NEAR(mean_of(values, RateInterval::exact).lower, 0.5677194211839537, 1e-12);
  EXPECT_NEAR(mean_of(values, RateInterval::wilson).upper, 0.6472805788160464, 1e-12);
  EXPECT_NEAR(mean_of(values, RateInterval::wilson).error, 0.0125, 1e-15);
}

/// Six trials of one model: four solutions, of which trial 1 violates the first constraint, trial 2 both,
/// trial 3 (g NaN) the second; one without a solution; one not run.
Results two_constraints() {
  auto results = example::empty(2, {1.0}, 6);
  example::solve(results, 0, 0, 0, 0.6, -0.1);
  example::solve(results, 0, 0, 1, 0.6, 0.1);
  example::solve(results, 0, 0, 2, 0.6, 0.1);
  example::solve(results, 0, 0, 3, 0.6, -0.1);
  example::refuse(results, 0, 0, 4, NsfReason::safety_test);
  example::add_constraint(results, "other", 0.1, [](std::size_t, std::size_t, std::size_t trial) {
    return trial == 2 ? 0.5 : trial == 3 ? nan : -0.5;
  });
  return results;
}

TEST(Aggregate, FailuresAmongSolutionsAndOfAnyConstraint) {
  const auto summary = aggregate(two_constraints());
  const auto& point = summary.models.at(0).points.at(0);
  EXPECT_EQ(point.violation.at(0).count, 2u);
  EXPECT_EQ(point.violation[0].trials, 5u);
  EXPECT_EQ(point.conditional.at(0).count, 2u);
  EXPECT_EQ(point.conditional[0].trials, 4u);
  EXPECT_EQ(point.conditional[1].value, 0.5);
  EXPECT_EQ(point.joint.count, 3u);  // not 2 + 2: trial 2 violates both
  EXPECT_EQ(point.joint.value, 0.6);
  EXPECT_EQ(point.joint_conditional.value, 0.75);
  EXPECT_EQ(summary.joint_delta(), 0.15);  // as it is printed
  // The other model has no recorded trial.
  EXPECT_TRUE(std::isnan(summary.models.at(1).points.at(0).joint.value));
  EXPECT_TRUE(std::isnan(summary.models[1].points[0].conditional[0].value));
}

TEST(Aggregate, JointFailureIsUnknownWhereAModelLacksAConstraint) {
  auto results = two_constraints();
  results.header.constraints.push_back({"third", "PR - 0.5 <= 0", "soft", "student_t", 0.9});
  const auto summary = aggregate(results);
  EXPECT_TRUE(std::isnan(summary.models[0].points[0].joint.value));
  EXPECT_EQ(summary.models[0].points[0].violation[0].count, 2u);
  EXPECT_EQ(summary.joint_delta(), 1);  // .05 + .1 + .9: no bound at all
}

TEST(Aggregate, ChoiceOrdersModelsAndConstraints) {
  const auto results = example::many(5);
  const Choice choice{{"baseline_3", "qsa"}, {"third", "parity"}, "accuracy", RateInterval::exact};
  const auto summary = aggregate(results, {}, choice);
  ASSERT_EQ(summary.models.size(), 2u);
  EXPECT_EQ(summary.models[0].name, "baseline_3");
  EXPECT_EQ(summary.models[0].index, 3u);
  EXPECT_EQ(summary.models[1].name, "qsa");
  ASSERT_EQ(summary.constraints.size(), 2u);
  EXPECT_EQ(summary.constraints[0].header.name, "third");
  EXPECT_EQ(summary.performance, "accuracy");
  EXPECT_EQ(summary.interval, RateInterval::exact);
  const auto all = aggregate(results);
  const auto &one = summary.models[0].points[2], &other = all.models[3].points[2];
  EXPECT_EQ(one.violation[0].count, other.violation[2].count);
  EXPECT_EQ(one.violation[1].count, other.violation[0].count);
  EXPECT_EQ(one.violation[0].lower, other.violation[2].exact_lower);
  // The example's second measure is its first plus one.
  EXPECT_NEAR(one.performance.value, other.performance.value + 1, 1e-12);
}

std::string refusal(const Results& results, const Choice& choice) {
  try {
    aggregate(results, {}, choice);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(Aggregate, WhatIsNotThereIsRefusedWithWhatIs) {
  const auto results = example::small();
  EXPECT_EQ(refusal(results, {.models = {"qsb"}, .constraints = {}, .measure = {}}),
            "the store holds no model 'qsb'; it holds 'qsa', 'baseline_1'");
  EXPECT_EQ(refusal(results, {.models = {}, .constraints = {"p"}, .measure = {}}),
            "the store holds no constraint 'p'; it holds 'parity'");
  EXPECT_EQ(refusal(results, {.models = {}, .constraints = {}, .measure = "f1"}),
            "the store holds no performance measure 'f1'; it holds 'log_loss', 'accuracy'");
  EXPECT_EQ(refusal(results, {.models = {"qsa", "qsa"}, .constraints = {}, .measure = {}}),
            "the model 'qsa' is chosen twice; name each once");
}

struct PandasPoint {
  std::string model;
  double fraction;
  std::uint32_t solutions;
  double performance, performance_error, solution, solution_error, violation, violation_error;
};

// d = pandas.read_csv(...); per data_frac: mean() and sem() of performance where passed, of passed, and of g
// > 0 or NaN.
const std::vector<PandasPoint> published = {
    {"qsa", 0.001, 0, nan, nan, 0.0, 0.0, 0.0, 0.0},
    {"qsa", 0.001637893706954, 0, nan, nan, 0.0, 0.0, 0.0, 0.0},
    {"qsa", 0.0026826957952797, 0, nan, nan, 0.0, 0.0, 0.0, 0.0},
    {"qsa", 0.0043939705607607, 0, nan, nan, 0.0, 0.0, 0.0, 0.0},
    {"qsa", 0.0071968567300115, 0, nan, nan, 0.0, 0.0, 0.0, 0.0},
    {"qsa", 0.0117876863479358, 0, nan, nan, 0.0, 0.0, 0.0, 0.0},
    {"qsa", 0.0193069772888324, 0, nan, nan, 0.0, 0.0, 0.0, 0.0},
    {"qsa", 0.0316227766016837, 0, nan, nan, 0.0, 0.0, 0.0, 0.0},
    {"qsa", 0.0517947467923121, 0, nan, nan, 0.0, 0.0, 0.0, 0.0},
    {"qsa", 0.0848342898244071, 0, nan, nan, 0.0, 0.0, 0.0, 0.0},
    {"qsa", 0.1389495494373137, 1, 0.6317402182115959, nan, 0.04, 0.04, 0.0, 0.0},
    {"qsa", 0.2275845926074788, 2, 0.6256015866615765, 0.0028131312285444854, 0.08, 0.05537749241945383, 0.0,
     0.0},
    {"qsa", 0.3727593720314938, 7, 0.6090368035346644, 0.004014096558161709, 0.28, 0.09165151389911681, 0.0,
     0.0},
    {"qsa", 0.6105402296585326, 19, 0.5989098422954428, 0.002427958456488573, 0.76, 0.08717797887081347, 0.0,
     0.0},
    {"qsa", 1.0, 20, 0.5816864972272093, 0.0023824454839029823, 0.8, 0.08164965809277261, 0.0, 0.0},
    {"logistic_regression", 0.001, 0, nan, nan, 0.0, 0.0, 0.0, 0.0},
    {"logistic_regression", 0.001637893706954, 13, 0.713832321232763, 0.02985232362697998, 0.52,
     0.10198039027185571, 0.12, 0.066332495807108},
    {"logistic_regression", 0.0026826957952797, 17, 0.7399062637894552, 0.04221083883357028, 0.68,
     0.09521904571390467, 0.2, 0.08164965809277261},
    {"logistic_regression", 0.0043939705607607, 19, 0.7657283764004447, 0.04079317056073345, 0.76,
     0.08717797887081347, 0.36, 0.09797958971132711},
    {"logistic_regression", 0.0071968567300115, 22, 0.7610801562057067, 0.03211619837961054, 0.88,
     0.066332495807108, 0.48, 0.10198039027185571},
    {"logistic_regression", 0.0117876863479358, 24, 0.7221897102789896, 0.0231671053580337, 0.96, 0.04, 0.36,
     0.09797958971132711},
    {"logistic_regression", 0.0193069772888324, 25, 0.7028013981966034, 0.015435269147441422, 1.0, 0.0, 0.48,
     0.10198039027185571},
    {"logistic_regression", 0.0316227766016837, 25, 0.6662005733949633, 0.014246992249610162, 1.0, 0.0, 0.36,
     0.09797958971132713},
    {"logistic_regression", 0.0517947467923121, 25, 0.6530613300731783, 0.012213243663644499, 1.0, 0.0, 0.24,
     0.08717797887081347},
    {"logistic_regression", 0.0848342898244071, 25, 0.6075625562636054, 0.005819547267344629, 1.0, 0.0, 0.24,
     0.08717797887081347},
    {"logistic_regression", 0.1389495494373137, 25, 0.5804220917859937, 0.005288451841398004, 1.0, 0.0, 0.24,
     0.08717797887081347},
    {"logistic_regression", 0.2275845926074788, 25, 0.5374648756311278, 0.0043049984295721174, 1.0, 0.0, 0.24,
     0.08717797887081347},
    {"logistic_regression", 0.3727593720314938, 25, 0.5095345217033856, 0.0025935867543213135, 1.0, 0.0, 0.28,
     0.09165151389911681},
    {"logistic_regression", 0.6105402296585326, 25, 0.48957421189348316, 0.0016164187311543013, 1.0, 0.0,
     0.32, 0.09521904571390467},
    {"logistic_regression", 1.0, 25, 0.4774894931057028, 0.0011827081763713426, 1.0, 0.0, 0.4, 0.1},
    {"uniform_random", 0.001, 25, 0.6931471805599455, 2.2662332591841973e-17, 1.0, 0.0, 0.0, 0.0},
    {"uniform_random", 0.001637893706954, 25, 0.6931471805599455, 2.2662332591841973e-17, 1.0, 0.0, 0.0, 0.0},
    {"uniform_random", 0.0026826957952797, 25, 0.6931471805599455, 2.2662332591841973e-17, 1.0, 0.0, 0.0,
     0.0},
    {"uniform_random", 0.0043939705607607, 25, 0.6931471805599455, 2.2662332591841973e-17, 1.0, 0.0, 0.0,
     0.0},
    {"uniform_random", 0.0071968567300115, 25, 0.6931471805599455, 2.2662332591841973e-17, 1.0, 0.0, 0.0,
     0.0},
    {"uniform_random", 0.0117876863479358, 25, 0.6931471805599455, 2.2662332591841973e-17, 1.0, 0.0, 0.0,
     0.0},
    {"uniform_random", 0.0193069772888324, 25, 0.6931471805599455, 2.2662332591841973e-17, 1.0, 0.0, 0.0,
     0.0},
    {"uniform_random", 0.0316227766016837, 25, 0.6931471805599455, 2.2662332591841973e-17, 1.0, 0.0, 0.0,
     0.0},
    {"uniform_random", 0.0517947467923121, 25, 0.6931471805599455, 2.2662332591841973e-17, 1.0, 0.0, 0.0,
     0.0},
    {"uniform_random", 0.0848342898244071, 25, 0.6931471805599455, 2.2662332591841973e-17, 1.0, 0.0, 0.0,
     0.0},
    {"uniform_random", 0.1389495494373137, 25, 0.6931471805599455, 2.2662332591841973e-17, 1.0, 0.0, 0.0,
     0.0},
    {"uniform_random", 0.2275845926074788, 25, 0.6931471805599455, 2.2662332591841973e-17, 1.0, 0.0, 0.0,
     0.0},
    {"uniform_random", 0.3727593720314938, 25, 0.6931471805599455, 2.2662332591841973e-17, 1.0, 0.0, 0.0,
     0.0},
    {"uniform_random", 0.6105402296585326, 25, 0.6931471805599455, 2.2662332591841973e-17, 1.0, 0.0, 0.0,
     0.0},
    {"uniform_random", 1.0, 25, 0.6931471805599455, 2.2662332591841973e-17, 1.0, 0.0, 0.0, 0.0},
};

void expect_same(double got, double wanted) {
  if (std::isnan(wanted))
    EXPECT_TRUE(std::isnan(got));
  else
    EXPECT_NEAR(got, wanted, 1e-12);
}

/// Through a store: written by store::Writer, read by store::Reader.
TEST(AggregateNeedsShared, PublishedLoansThroughAStoreEqualPandas) {
  const auto shared = example::shared_folder();
  if (shared.empty()) GTEST_SKIP() << "no conformance data; set SELDON_SHARED to their folder";
  const example::Folder folder;
  const auto path =
      example::write_store(example::loans(shared / "conformance/data/reference_results"), folder.path());
  const auto summary = aggregate(read_results(path));
  ASSERT_EQ(summary.models.size(), 3u);
  std::size_t compared = 0;
  for (const auto& wanted : published)
    for (const auto& model : summary.models) {
      if (model.name != wanted.model) continue;
      for (const auto& point : model.points) {
        if (point.fraction != wanted.fraction) continue;
        SCOPED_TRACE(wanted.model + " at " + std::to_string(wanted.fraction));
        EXPECT_EQ(point.recorded, 25u);
        EXPECT_EQ(point.performance.trials, wanted.solutions);
        expect_same(point.performance.value, wanted.performance);
        expect_same(point.performance.error, wanted.performance_error);
        expect_same(point.solution.value, wanted.solution);
        expect_same(point.solution.error, wanted.solution_error);
        expect_same(point.violation[0].value, wanted.violation);
        expect_same(point.violation[0].error, wanted.violation_error);
        ++compared;
      }
    }
  EXPECT_EQ(compared, 45u);
}

}  // namespace
}  // namespace seldon::analysis

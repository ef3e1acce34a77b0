#include <cstdlib>
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "example.h"
#include "experiment/plan.h"

namespace seldon::experiment::test {
namespace {

/// The cases of one category of the Seldonian Toolkit's behaviour; nothing where the file is missing.
std::vector<nlohmann::json> conformance_cases(const std::string& category) {
  const char* given = std::getenv("SELDON_SHARED");
  const std::string folder = given ? given : std::string(SELDON_SOURCE_DIR) + "/../shared";
  std::ifstream file(folder + "/conformance/engine-cases.json");
  std::vector<nlohmann::json> chosen;
  if (!file) return chosen;
  const auto all = nlohmann::json::parse(file);
  for (const auto& one : all["cases"])
    if (one["category"] == category) chosen.push_back(one);
  return chosen;
}

const std::vector<double> published_fractions =
    parse(with(example, "[0.1,\n  0.5, 1.0]", "{ logspace = [-3, 0, 15] }")).data_fracs;

// Python 3: [round(v) for v in ...].
TEST(RoundHalfEven, IsPythons) {
  const std::vector<std::pair<double, std::uint64_t>> expected = {{0, 0},
                                                                  {0.5, 0},
                                                                  {1.5, 2},
                                                                  {2.5, 2},
                                                                  {3.5, 4},
                                                                  {2.4999999999999996, 2},
                                                                  {0.49999999999999994, 0},
                                                                  {7.6, 8},
                                                                  {1e15 + 0.5, 1000000000000000}};
  for (const auto& [value, whole] : expected) EXPECT_EQ(round_half_even(value), whole) << value;
}

TEST(RowsAt, ArePublishedSizesOfTheLoanExperiment) {
  std::vector<std::uint64_t> rows;
  for (const double fraction : published_fractions) rows.push_back(rows_at(fraction, 1000));
  EXPECT_EQ(rows, (std::vector<std::uint64_t>{1, 2, 3, 4, 7, 12, 19, 32, 52, 85, 139, 228, 373, 611, 1000}));
}

TEST(CandidateRows, RoundAsPython) {
  struct Case {
    std::uint64_t n;
    double frac_in_safety;
    std::uint64_t candidate;
  };
  for (const auto& [n, frac, candidate] : {Case{43303, 0.6, 17321},
                                           {3, 0.5, 2},
                                           {5, 0.5, 2},
                                           {5, 0.25, 4},
                                           {10, 0.25, 8},
                                           {101, 0.5, 50},
                                           {99, 0.5, 50}})
    EXPECT_EQ(candidate_rows(n, frac), candidate) << n << " " << frac;
}

TEST(CandidateRows, NeedsSharedConformance) {
  const auto cases = conformance_cases("split");
  if (cases.empty()) GTEST_SKIP() << "no conformance cases; set SELDON_SHARED to their folder";
  ASSERT_EQ(cases.size(), 22u);
  for (const auto& one : cases)
    EXPECT_EQ(candidate_rows(one["inputs"]["n"], one["inputs"]["frac_data_in_safety"]),
              one["expected"]["n_candidate"])
        << one["id"];
}

TEST(BatchesPerEpoch, KeepTheShortBatchInTheToolkit) {
  EXPECT_EQ(batches_per_epoch(11850, 237, true), 50u);
  EXPECT_EQ(batches_per_epoch(11851, 237, true), 51u);
  EXPECT_EQ(batches_per_epoch(10, 237, true), 1u);
}

TEST(BatchesPerEpoch, JoinABatchUnderHalfSize) {
  EXPECT_EQ(batches_per_epoch(200, 100, false), 2u);
  EXPECT_EQ(batches_per_epoch(249, 100, false), 2u) << "49 join";
  EXPECT_EQ(batches_per_epoch(250, 100, false), 3u) << "50 are half";
  EXPECT_EQ(batches_per_epoch(3, 100, false), 1u) << "nothing to join";
  EXPECT_EQ(batches_per_epoch(0, 100, false), 1u);
}

TEST(EpochsMinSampleRepeat, IsTheToolkits) {
  const std::vector<std::pair<double, std::uint64_t>> expected = {
      {0.001, 1000}, {0.01, 1000}, {0.1, 116}, {1.0, 12}};
  for (const auto& [fraction, epochs] : expected)
    EXPECT_EQ(epochs_min_sample_repeat(1000, fraction, 43303, 500, 2), epochs) << fraction;
  EXPECT_EQ(epochs_min_sample_repeat(10, 1.0, 43303, 500, 2), 2u) << "each sample is seen twice";
}

TEST(EpochsMinSampleRepeat, NeedsSharedConformance) {
  const auto cases = conformance_cases("experiments");
  if (cases.empty()) GTEST_SKIP() << "no conformance cases; set SELDON_SHARED to their folder";
  int seen = 0;
  for (const auto& one : cases) {
    const auto& in = one["inputs"];
    if (in["fn"] != "make_batch_epoch_dict_min_sample_repeat") continue;
    ++seen;
    for (const auto& [fraction, wanted] : one["expected"].items())
      EXPECT_EQ(epochs_min_sample_repeat(in["niter_min"], std::stod(fraction), in["N_max"], in["batch_size"],
                                         in["num_repeats"]),
                wanted[1])
          << fraction;
  }
  EXPECT_EQ(seen, 1);
}

ModelSection model_of(const std::string& kind) {
  ModelSection model;
  model.name = kind;
  model.kind = kind;
  return model;
}

// The face experiment: epochs = ceil(1200 / ceil(50 fraction)), from NumPy.
TEST(Schedule, IsThePublishedOneOfTheFaceExperiment) {
  ModelSection model = model_of("seldonian");
  model.variant = "toolkit";
  model.batch_size = 237;
  model.epochs_for_iterations = 1200;
  const std::vector<std::uint64_t> epochs = {1200, 1200, 1200, 1200, 1200, 1200, 1200, 600,
                                             400,  240,  172,  100,  64,   39,   24};
  for (std::size_t f = 0; f < epochs.size(); ++f) {
    const Schedule s = schedule(model, rows_at(published_fractions[f], 23700), 0.5);
    EXPECT_EQ(s.epochs, epochs[f]) << f;
    EXPECT_GE(s.iterations, 1200u);
    EXPECT_LE(s.iterations, 1216u);
  }
  model.variant = "default";
  for (const double fraction : published_fractions) {
    const Schedule s = schedule(model, rows_at(fraction, 23700), 0.5);
    EXPECT_GE(s.iterations, 1200u);
    EXPECT_LT(s.iterations, 1200 + s.batches);
  }
}

TEST(Schedule, OfAFullBatch) {
  ModelSection model = model_of("seldonian");
  model.iterations = 1500;
  EXPECT_EQ(schedule(model, 1000, 0.6), (Schedule{400, 1, 1500, 1500}));
}

TEST(Schedule, OfAFixedNumberOfIterations) {
  ModelSection model = model_of("seldonian");
  model.batch_size = 100;
  model.iterations = 10;
  EXPECT_EQ(schedule(model, 1000, 0.6), (Schedule{400, 4, 3, 10})) << "the third pass ends half way";
}

TEST(Schedule, OfABaselineTakesAllRows) {
  ModelSection model = model_of("baseline");
  model.batch_size = 100;
  model.epochs_for_iterations = 25;
  model.min_epochs = 4;
  EXPECT_EQ(schedule(model, 23700, 0.5), (Schedule{23700, 237, 4, 948})) << "at least 4 passes";
  EXPECT_EQ(schedule(model, 250, 0.5), (Schedule{250, 3, 9, 27})) << "at least 25 iterations";
  model.epochs_for_iterations.reset();
  model.min_epochs.reset();
  model.epochs = 2;
  EXPECT_EQ(schedule(model, 250, 0.5), (Schedule{250, 3, 2, 6}));
}

TEST(Schedule, OfAModelThatIsNotTrained) {
  EXPECT_EQ(schedule(model_of("baseline"), 250, 0.5), (Schedule{250, 1, 0, 0}));
}

const std::vector<ModelWork> works = {{10, 58, 0}, {25, 1, 0}};

TEST(Plan, CutsEveryCellOnce) {
  const Plan plan = make_plan(parse(example), 1000, works);
  EXPECT_EQ(plan.rows, (std::vector<std::uint64_t>{100, 500, 1000}));
  EXPECT_EQ(plan.cells, 2u * 3 * 25);
  EXPECT_EQ(plan.pack_sizes, (std::vector<std::uint32_t>{10, 25}));
  EXPECT_EQ(plan.packs.size(), 3u * 3 + 3);
  std::set<CellKey> seen;
  for (const Pack& pack : plan.packs)
    for (std::uint32_t slot = 0; slot < pack.width; ++slot) EXPECT_TRUE(seen.insert(pack.cell(slot)).second);
  EXPECT_EQ(seen.size(), plan.cells);
  EXPECT_EQ(*seen.rbegin(), (CellKey{0, 1, 2, 24}));
}

TEST(Plan, HandsOutTheLargestWorkFirst) {
  const Plan plan = make_plan(parse(example), 1000, works);
  for (std::size_t i = 1; i < plan.packs.size(); ++i)
    EXPECT_GE(plan.cost(plan.packs[i - 1]), plan.cost(plan.packs[i]));
  EXPECT_EQ(plan.packs[0], (Pack{0, 0, 2, 0, 10}));
  EXPECT_EQ(plan.packs[1], (Pack{0, 0, 2, 10, 10})) << "ties by trial";
  // Ties by fraction: what is not trained costs the same at every fraction.
  EXPECT_EQ(plan.packs[9], (Pack{0, 1, 0, 0, 25}));
  EXPECT_EQ(plan.packs[10], (Pack{0, 1, 1, 0, 25}));
}

TEST(Plan, CountsWorkInForwardPasses) {
  const Plan plan = make_plan(parse(example), 1000, works);
  // 100 iterations over 400 candidate rows at three passes each, then 1000 rows evaluated, 58 a row.
  EXPECT_EQ(plan.cell_costs[0][2], 58.0 * (3 * 100 * 400 + 1000));
  EXPECT_EQ(plan.cell_costs[1][2], 1000.0);
  const std::vector<ModelWork> solved = {{10, 58, 0}, {25, 2, 30}};
  EXPECT_EQ(make_plan(parse(example), 1000, solved).cell_costs[1][0], 2.0 * (3 * 30 * 100 + 1000));
}

TEST(Plan, TakesThePackSizeOfTheConfig) {
  const Plan plan = make_plan(parse(example, {"model.qsa.pack_size=4"}), 1000, works, 3);
  EXPECT_EQ(plan.pack_sizes[0], 4u);
  EXPECT_EQ(plan.packs[0].experiment, 3u);
}

TEST(Plan, DoesNotDependOnTheOrderOfWork) {
  const Plan a = make_plan(parse(example), 1000, works), b = make_plan(parse(example), 1000, works);
  EXPECT_EQ(a.packs, b.packs);
}

TEST(Plan, RefusesAFractionOfLessThanARow) {
  EXPECT_EQ(make_plan(parse(example), 6, works).rows[0], 1u);
  try {
    make_plan(parse(example), 5, works);
    FAIL() << "round(0.1 * 5) is 0, half to even";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "x.toml:5: the fraction 0.1 of 5 rows is less than one row; remove it");
  }
}

TEST(Plan, NeedsTheWorkOfEachModel) {
  EXPECT_THROW(make_plan(parse(example), 10, std::span(works).first(1)), InternalError);
}

}  // namespace
}  // namespace seldon::experiment::test

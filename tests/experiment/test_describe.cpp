// describe(), the text of `seldon check`.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "example.h"
#include "experiment/plan.h"

namespace seldon::experiment::test {
namespace {

const std::vector<ModelWork> works = {{25, 58, 0}, {25, 1, 0}};

TEST(Describe, ShowsThePlan) {
  const Description d = parse(example);
  const Plan plan = make_plan(d, 1000, works);
  PlanFacts facts;
  facts.store_bytes = 1'234'567;
  facts.bytes_per_cell = {2408, 1016};
  facts.constraint_lines = {"parity: 2 base nodes", "  PR | [M]: upper at delta 0.025"};
  facts.groups = {{"M", 690}, {"F", 310}};
  facts.cost_per_second = 1e9;
  facts.together = {true, false};
  EXPECT_EQ(describe(d, plan, facts),
            "Experiment loans (classification, seed 1, 1000 rows)\n"
            "150 cells: 2 models x 3 data fractions x 25 trials, in 6 packs\n"
            "\n"
            "Models\n"
            "  model      kind       architecture    packs  cells/pack  bytes/cell\n"
            "  qsa        seldonian  logistic            3          25        2408\n"
            "  random.v2  baseline   uniform_random      3          25        1016\n"
            "\n"
            "Rows, and iterations of each model\n"
            "  data fraction  rows  candidate  safety  qsa  random.v2\n"
            "  0.1             100         40      60  100          -\n"
            "  0.5             500        200     300  100          -\n"
            "  1              1000        400     600  100          -\n"
            "\n"
            "Constraints\n"
            "  parity: 2 base nodes\n"
            "    PR | [M]: upper at delta 0.025\n"
            "\n"
            "Store: 1235 kB (store.max_bytes: 68.7 GB)\n"
            "Times (estimated, one worker): about 283 ms in all; the first record after 175 ms; the "
            "death of one worker loses at most 175 ms\n"
            "warning: group M has under 100 rows in the safety set at 1 of 3 data fractions (expected: 41 of "
            "100); the "
            "Student t bound is only asymptotic there\n"
            "warning: group F has under 100 rows in the safety set at 2 of 3 data fractions (expected: 19 of "
            "100, 93 of "
            "500); the Student t bound is only asymptotic there\n");
}

TEST(Describe, WarnsWhereADeathLosesOverTenMinutes) {
  const Description d = parse(example);
  const Plan plan = make_plan(d, 1000, works);
  PlanFacts facts;
  facts.together = {true, false};
  // The largest pack costs 25 * 58 * 121000 = 175,450,000.
  facts.cost_per_second = 175'450'000 / 599.0;
  EXPECT_EQ(describe(d, plan, facts).find("warning"), std::string::npos);
  facts.cost_per_second = 175'450'000 / 660.0;
  const std::string text = describe(d, plan, facts);
  EXPECT_NE(text.find("the first record after 11 min; the death of one worker loses at most 11 min\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("warning: the death of one worker can lose 11 min of work, over 10 minutes; a smaller "
                      "pack_size of networks loses less\n"),
            std::string::npos);
}

TEST(Describe, PackThatRecordsOneByOneLosesOneTrial) {
  const Description d = parse(example);
  const Plan plan = make_plan(d, 1000, works);
  PlanFacts facts;
  facts.cost_per_second = 58 * 121000 / 3.0;  // a trial of the largest pack takes 3 s, the pack 75 s
  facts.together = {false, false};
  EXPECT_THAT(
      describe(d, plan, facts),
      testing::HasSubstr("the first record after 3.0 s; the death of one worker loses at most 3.0 s\n"));
  facts.together = {true, false};
  EXPECT_THAT(
      describe(d, plan, facts),
      testing::HasSubstr("the first record after 75.0 s; the death of one worker loses at most 75.0 s\n"));
}

/// What `describe` says of networks, of which "qsa" is one.
std::string of_networks(const std::vector<std::string>& set, std::uint32_t open_pack_size = 25) {
  const Description d = parse(example, set);
  PlanFacts facts;
  facts.networks = {true, false};
  facts.gpu_bytes_per_trial = {4e6, 0};
  const std::vector<ModelWork> work = {{open_pack_size, 58, 0}, {25, 1, 0}};
  const std::string text = describe(d, make_plan(d, 1000, work), facts);
  const std::size_t start = text.find("Networks");
  return start == std::string::npos ? "" : text.substr(start, text.find("\nRows") - start);
}

TEST(Describe, SaysWhereNetworksRun) {
  EXPECT_EQ(of_networks({"experiment.device=cpu"}),
            "Networks, on the CPU\n"
            "  model  precision  convolutions  workers/pack\n"
            "  qsa    float32    grouped                  1\n");
  EXPECT_EQ(of_networks({"experiment.device=cuda", "model.qsa.pack_size=8", "model.qsa.precision=tf32",
                         "model.qsa.convolutions=unfolded"}),
            "Networks, on GPUs\n"
            "  model  precision  convolutions  workers/pack  GPU memory/trial  GPU memory/pack\n"
            "  qsa    tf32       unfolded                 1           4000 kB            32 MB\n");
}

TEST(Describe, SaysWhatOfNetworksIsNotSettledYet) {
  EXPECT_EQ(of_networks({"experiment.device=cuda"}),
            "Networks, on GPUs\n"
            "  model  precision  convolutions  workers/pack  GPU memory/trial  GPU memory/pack\n"
            "  qsa    float32    measured                 1           4000 kB         measured\n"
            "  pack_size is measured when the store is created, and guessed here: qsa 25\n");
  EXPECT_THAT(
      of_networks({}),
      testing::StartsWith("Networks, on GPUs where the machine of rank 0 has one when the store is created, "
                          "else on the CPU (so planned here)\n"));
}

TEST(Describe, SaysHowManyWorkersRunAPackTogether) {
  EXPECT_THAT(
      of_networks({"experiment.device=cpu", "experiment.gpus_per_trial=4"}),
      testing::EndsWith("grouped                  4\n  each of their packs takes 4 workers: start a multiple "
                        "of that many, and one rank more under mpirun\n"));
  const Description d = parse(example, {"experiment.gpus_per_trial=4"});
  EXPECT_THAT(
      describe(d, make_plan(d, 1000, works), {}),
      testing::HasSubstr("warning: gpus_per_trial is 4, but concerns networks only, and there is none\n"));
}

TEST(Describe, GivesNoTimesWithoutASpeed) {
  const Description d = parse(example);
  EXPECT_EQ(describe(d, make_plan(d, 1000, works), {}).find("Times"), std::string::npos);
}

}  // namespace
}  // namespace seldon::experiment::test

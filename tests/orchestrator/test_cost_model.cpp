#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "orchestrator/cost_model.h"
#include "orchestrator/pack_queue.h"

namespace seldon::orchestrator {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

/// Two models, two fractions; cells cost 1, 2 (model 0) and 10, 20 (model 1); packs of 4.
Plan small_plan() {
  Plan plan;
  plan.experiments[0].models = {"a", "b"};
  for (std::uint32_t model = 0; model < 2; ++model)
    for (std::uint32_t fraction = 0; fraction < 2; ++fraction) {
      plan.packs.push_back({0, model, fraction, 0, 4});
      plan.costs.push_back(4.0 * (model == 0 ? 1 : 10) * (fraction + 1));
    }
  return plan;
}

TEST(CostModel, StartsFromThePlanAndLearnsGroupsThenModelsThenAll) {
  CostModel costs(small_plan());
  EXPECT_FALSE(costs.learnt());
  EXPECT_EQ(costs.estimate(3), 20);
  EXPECT_FALSE(costs.measured(0));

  EXPECT_THAT(costs.learn(0, 4, 12), ElementsAre(0, 1, 2, 3));  // 3 s for a cell of cost 1
  EXPECT_EQ(costs.estimate(0), 3);
  EXPECT_EQ(costs.estimate(1), 6);   // by its model
  EXPECT_EQ(costs.estimate(3), 60);  // by all
  EXPECT_TRUE(costs.measured(1));
  EXPECT_FALSE(costs.measured(3));

  costs.learn(2, 4, 4);  // 1 s for a cell of cost 10
  EXPECT_EQ(costs.estimate(2), 1);
  EXPECT_EQ(costs.estimate(3), 2);
  EXPECT_EQ(costs.estimate(1), 6);
}

TEST(CostModel, MovesAtPowersOfTwo) {
  CostModel costs(small_plan());
  std::vector<std::uint64_t> moved;
  for (std::uint64_t sample = 1; sample <= 1000; ++sample)
    if (!costs.learn(0, 1, static_cast<double>(sample)).empty()) moved.push_back(sample);
  EXPECT_THAT(moved, ElementsAre(1, 2, 4, 8, 16, 32, 64, 128, 256, 512));
  EXPECT_EQ(costs.estimate(0), 513 / 2.0);
}

TEST(CostModel, ReadsWhatEarlierRunsTook) {
  Plan plan = small_plan();
  plan.experiments[0].known_seconds = {{std::numeric_limits<double>::quiet_NaN(), 8}};
  const CostModel costs(plan);
  EXPECT_EQ(costs.estimate(1), 8);
  EXPECT_EQ(costs.estimate(0), 4);
  EXPECT_EQ(costs.estimate(2), 40);
}

TEST(CostModel, CountsWhatAWorkerComputes) {
  Plan plan = small_plan();
  plan.experiments[0].together = {false, true};
  const CostModel costs(plan);
  EXPECT_EQ(costs.computed(plan.packs[0], 1), 1u);
  EXPECT_EQ(costs.computed(plan.packs[2], 1), 4u);
}

TEST(PackQueue, GivesTheLongestThatFitsAndFollowsTheEstimates) {
  CostModel costs(small_plan());
  PackQueue queue(costs);
  for (std::size_t pack = 0; pack < 4; ++pack) queue.push(pack, static_cast<Group>(pack), 4);
  queue.push(9, 3, 1);  // behind pack 3, and shorter
  EXPECT_EQ(queue.pop_longest(1000), 3u);
  EXPECT_EQ(queue.pop_longest(35), 9u);
  EXPECT_EQ(queue.pop_shortest(), 0u);
  EXPECT_FALSE(queue.pop_longest(5));
  for (const Group group : costs.learn(0, 1, 1)) queue.reorder(group);
  for (const Group group : costs.learn(2, 1, 0.5)) queue.reorder(group);
  EXPECT_EQ(queue.pop_longest(1000), 1u);
  EXPECT_EQ(queue.pop_longest(2), 2u);
  EXPECT_TRUE(queue.empty());
  EXPECT_FALSE(queue.pop_shortest());
}

TEST(PackQueue, KeepsTheOrderOfThePlanAmongEquals) {
  Plan plan = small_plan();
  plan.costs = {4, 4, 4, 4};
  const CostModel costs(plan);
  PackQueue queue(costs);
  for (const std::size_t pack : {2u, 0u, 3u, 1u}) queue.push(pack, static_cast<Group>(pack), 4);
  std::vector<std::size_t> order;
  while (const auto pack = queue.pop_longest(1000)) order.push_back(*pack);
  EXPECT_THAT(order, ElementsAre(2, 0, 3, 1));
}

}  // namespace
}  // namespace seldon::orchestrator

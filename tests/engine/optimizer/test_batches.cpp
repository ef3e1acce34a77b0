#include <algorithm>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "engine/optimizer/batches.h"

namespace seldon::engine {
namespace {

std::vector<std::size_t> sizes(BatchSchedule& schedule) {
  std::vector<std::size_t> sizes;
  for (std::size_t i = 0; i < schedule.batches_per_epoch(); ++i) sizes.push_back(schedule.batch(i).size());
  return sizes;
}

TEST(BatchSchedule, JoinsALastBatchUnderHalfSize) {
  BatchSchedule short_rest(23, 0, {10, false, 1, "m", 1.0}), long_rest(25, 0, {10, false, 1, "m", 1.0});
  EXPECT_EQ(sizes(short_rest), (std::vector<std::size_t>{10, 13}));
  EXPECT_EQ(sizes(long_rest), (std::vector<std::size_t>{10, 10, 5}));
}

TEST(BatchSchedule, EveryEpochSeesEveryRowInAnotherOrder) {
  BatchSchedule schedule(25, 3, {10, false, 1, "m", 0.5});
  std::vector<std::vector<std::uint32_t>> epochs(2);
  for (std::size_t i = 0; i < 6; ++i) {
    const auto batch = schedule.batch(i);
    epochs[i / 3].insert(epochs[i / 3].end(), batch.begin(), batch.end());
  }
  EXPECT_NE(epochs[0], epochs[1]);
  for (auto& epoch : epochs) {
    std::ranges::sort(epoch);
    std::vector<std::uint32_t> all(25);
    std::iota(all.begin(), all.end(), 0U);
    EXPECT_EQ(epoch, all);
  }
}

TEST(BatchSchedule, DependsOnEveryPartOfItsKeyAndOnNothingElse) {
  const auto first_batch = [](std::uint32_t trial, std::uint64_t seed, const char* model, double fraction) {
    BatchSchedule schedule(100, trial, {10, false, seed, model, fraction});
    const auto batch = schedule.batch(0);
    return std::vector<std::uint32_t>(batch.begin(), batch.end());
  };
  const auto base = first_batch(1, 2, "a", 0.5);
  EXPECT_EQ(base, first_batch(1, 2, "a", 0.5));
  EXPECT_NE(base, first_batch(2, 2, "a", 0.5));
  EXPECT_NE(base, first_batch(1, 3, "a", 0.5));
  EXPECT_NE(base, first_batch(1, 2, "b", 0.5));
  EXPECT_NE(base, first_batch(1, 2, "a", 0.25));
}

TEST(BatchSchedule, ToolkitVariantKeepsOrderAndAShortLastBatchThatDoesNotCount) {
  BatchSchedule schedule(23, 0, {10, true, 1, "m", 1.0});
  EXPECT_EQ(sizes(schedule), (std::vector<std::size_t>{10, 10, 3}));
  EXPECT_EQ(schedule.batch(1)[0], 10U);
  EXPECT_TRUE(schedule.counts(0));
  EXPECT_TRUE(schedule.counts(4));
  EXPECT_FALSE(schedule.counts(2));
  BatchSchedule one(3, 0, {10, true, 1, "m", 1.0});
  EXPECT_TRUE(one.counts(0)) << "a single short batch is all there is";
}

}  // namespace
}  // namespace seldon::engine

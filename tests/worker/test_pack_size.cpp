// The decision on made-up speeds, and the measuring itself on the CPU.

#include <cmath>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "network_experiment.h"
#include "worker/pack_size.h"

namespace seldon::worker {
namespace {

using engine::Convolutions;
using testing::ElementsAre;
using testing::SizeIs;

constexpr auto grouped = Convolutions::grouped, unfolded = Convolutions::unfolded;

/// What a machine with these speeds would be asked, in order.
std::vector<PackPoint> explore(const std::vector<PackRange>& ranges,
                               const std::function<std::optional<double>(Convolutions, double)>& speed) {
  std::vector<PackPoint> measured;
  while (auto point = next_to_measure(ranges, measured)) {
    point->rate = speed(point->convolutions, point->width);
    measured.push_back(*point);
    if (measured.size() > 100) ADD_FAILURE() << "no end";
    if (measured.size() > 100) break;
  }
  return measured;
}

std::vector<std::uint32_t> widths(const std::vector<PackPoint>& points) {
  std::vector<std::uint32_t> all;
  for (const PackPoint& point : points) all.push_back(point.width);
  return all;
}

TEST(PackSize, DoublesUntilNothingIsGained) {
  // A device that does at most 1000 in a second, 100 with one trial alone.
  const auto speed = [](Convolutions, double width) { return std::min(100 * width, 1000.0); };
  const auto measured = explore({{grouped, 1, 512}}, speed);
  EXPECT_THAT(widths(measured), ElementsAre(1, 2, 4, 8, 16, 32, 64));
  EXPECT_EQ(choose(measured), (PackPoint{grouped, 16, 1000.0}));
}

TEST(PackSize, TakesTheSmallestThatIsNearlyTheBest) {
  const auto speed = [](Convolutions, double width) { return 1000 * width / (width + 1); };
  const auto measured = explore({{grouped, 1, 512}}, speed);
  // The best is 64 / 65; 16 / 17 is within 5 percent of it, 8 / 9 is not.
  EXPECT_THAT(widths(measured), ElementsAre(1, 2, 4, 8, 16, 32, 64));
  ASSERT_TRUE(choose(measured));
  EXPECT_EQ(choose(measured)->width, 16U) << describe(measured);
}

TEST(PackSize, GoesPastOneLossThatGroupsBring) {
  // One trial needs no groups; two do, which costs at first.
  const auto speed = [](Convolutions, double width) { return width == 1 ? 100.0 : 40 * width; };
  const auto measured = explore({{grouped, 1, 16}}, speed);
  EXPECT_THAT(widths(measured), ElementsAre(1, 2, 4, 8, 16));
  EXPECT_EQ(choose(measured)->width, 16U);
}

TEST(PackSize, EndsAtTheTrialsAndAtTheMemory) {
  const auto linear = [](Convolutions, double width) { return width; };
  EXPECT_THAT(widths(explore({{grouped, 1, 20}}, linear)), ElementsAre(1, 2, 4, 8, 16, 20));
  EXPECT_THAT(widths(explore({{grouped, 1, 1}}, linear)), ElementsAre(1));
  const auto small = [](Convolutions, double width) {
    return width > 6 ? std::nullopt : std::optional(width);
  };
  const auto measured = explore({{grouped, 1, 512}}, small);
  EXPECT_THAT(widths(measured), ElementsAre(1, 2, 4, 8));
  EXPECT_EQ(choose(measured)->width, 4U);
  EXPECT_EQ(describe(measured),
            "grouped: 1 at 1, 2 at 2, 4 at 4, 8 does not fit (pack size at iterations x trials per second)");
}

TEST(PackSize, ComparesTheFormsOfConvolutions) {
  const auto speed = [](Convolutions form, double width) {
    return form == unfolded ? std::min(90 * width, 4000.0) : std::min(100 * width, 800.0);
  };
  const auto measured = explore({{grouped, 1, 64}, {unfolded, 1, 64}}, speed);
  EXPECT_EQ(measured.front().convolutions, grouped);
  EXPECT_EQ(choose(measured), (PackPoint{unfolded, 64, 4000.0}));
  // A width that the config has set: only the form is in question.
  const auto fixed = explore({{grouped, 8, 8}, {unfolded, 8, 8}}, speed);
  EXPECT_THAT(widths(fixed), ElementsAre(8, 8));
  EXPECT_EQ(choose(fixed)->convolutions, grouped);
}

TEST(PackSize, TakesTheFormMeasuredFirstWhereBothAreAsGood) {
  const std::vector<PackPoint> equal = {{grouped, 4, 10.0}, {unfolded, 4, 10.0}};
  EXPECT_EQ(choose(equal)->convolutions, grouped);
  const std::vector<PackPoint> none = {{grouped, 1, {}}, {unfolded, 1, {}}};
  EXPECT_FALSE(choose(none));
}

TEST(PackSize, IsEvenedOutOverTheTrials) {
  EXPECT_EQ(evened_out(32, 50), 25U);
  EXPECT_EQ(evened_out(32, 64), 32U);
  EXPECT_EQ(evened_out(16, 20), 10U);
  EXPECT_EQ(evened_out(1, 20), 1U);
  EXPECT_EQ(evened_out(20, 20), 20U);
}

TEST(PackSize, IsMeasuredByTrainingTheModel) {
  const test::NetworkExperiment experiment;
  const auto workspace = experiment.workspace();
  for (const std::size_t model : {std::size_t{0}, std::size_t{1}}) {
    PackProbe probe{&workspace->model(model), workspace->trial_rows(0, 40)};
    const std::vector<PackRange> ranges = {{grouped, 1, 2}};
    const auto measured = measure(probe, ranges);
    ASSERT_THAT(measured, SizeIs(2));
    for (const PackPoint& point : measured) {
      ASSERT_TRUE(point.rate);
      EXPECT_TRUE(*point.rate > 1 && *point.rate < 1e7) << *point.rate;
    }
  }
}

TEST(PackSize, KnowsErrorsOfMemory) {
  EXPECT_TRUE(no_memory("CUDA out of memory. Tried to allocate 20.00 GiB"));
  EXPECT_TRUE(no_memory("a pack of 8 trials does not fit into the memory of cuda:0: about 900 MiB for each"));
  EXPECT_TRUE(no_memory("[enforce fail at alloc_cpu.cpp:66] . DefaultCPUAllocator: can't allocate memory"));
  EXPECT_FALSE(no_memory("the size of tensor a must match"));
}

}  // namespace
}  // namespace seldon::worker

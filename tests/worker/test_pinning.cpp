#include <algorithm>
#include <sched.h>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "worker/pinning.h"

namespace seldon::worker {
namespace {

// Two hardware threads per core, numbered as Linux does on one socket of four cores.
const Cores four = {{0, 4}, {1, 5}, {2, 6}, {3, 7}};

const char* nothing(const char*) {
  return nullptr;
}

/// What a fresh thread may run on after `f`; the test's own binding stays.
template <class F>
std::vector<int> allowed_after(F f) {
  std::vector<int> cpus;
  std::thread([&] {
    f();
    cpu_set_t mask;
    CPU_ZERO(&mask);
    ASSERT_EQ(sched_getaffinity(0, sizeof mask, &mask), 0);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &mask)) cpus.push_back(cpu);
  }).join();
  return cpus;
}

std::vector<int> all_cpus() {
  std::vector<int> cpus;
  for (const auto& core : cores_of_machine()) cpus.insert(cpus.end(), core.begin(), core.end());
  std::ranges::sort(cpus);
  return cpus;
}

TEST(Pinning, GivesEachWorkerACoreOfItsOwn) {
  std::vector<int> used;
  for (std::uint32_t index = 0; index < 4; ++index) {
    const auto cpus = cpus_for(four, {index, 4}, 1);
    EXPECT_EQ(cpus.size(), 2U) << "both hardware threads of one core";
    used.insert(used.end(), cpus.begin(), cpus.end());
  }
  std::ranges::sort(used);
  EXPECT_EQ(used, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
}

// Rank 0 is the first process of its node: the workers are 1 to 4.
TEST(Pinning, RankZeroNeedsNoCore) {
  EXPECT_EQ(cpus_for(four, {1, 5}, 1), (std::vector<int>{1, 5}));
  EXPECT_EQ(cpus_for(four, {4, 5}, 1), (std::vector<int>{0, 4}));
}

TEST(Pinning, WorkersOfSeveralThreadsGetSeveralCores) {
  EXPECT_EQ(cpus_for(four, {0, 2}, 2), (std::vector<int>{0, 4, 1, 5}));
  EXPECT_EQ(cpus_for(four, {1, 2}, 2), (std::vector<int>{2, 6, 3, 7}));
}

TEST(Pinning, LeavesAloneWhatHasNoCoreOfItsOwn) {
  EXPECT_TRUE(cpus_for(four, {0, 1}, 1).empty()) << "no launcher: others may use this machine";
  EXPECT_TRUE(cpus_for(four, {3, 6}, 1).empty()) << "more workers than cores";
  EXPECT_TRUE(cpus_for(four, {0, 2}, 5).empty()) << "more threads than cores";
  EXPECT_TRUE(cpus_for({}, {0, 2}, 1).empty());
}

TEST(Pinning, PinsTheThreadAndThoseItStarts) {
  const std::vector<int> whole = all_cpus();
  if (allowed_after([] {}) != whole) GTEST_SKIP() << "somebody has bound this test";
  if (cores_of_machine().size() < 2) GTEST_SKIP() << "one core";
  std::vector<int> taken, inherited;
  const std::vector<int> allowed = allowed_after([&] {
    taken = pin({1, 2}, 1, nothing);
    inherited = allowed_after([] {});
  });
  EXPECT_EQ(taken, cores_of_machine()[1]);
  EXPECT_EQ(allowed, taken);
  EXPECT_EQ(inherited, taken);
}

TEST(Pinning, RespectsABindingThatIsThere) {
  if (cores_of_machine().size() < 2) GTEST_SKIP() << "one core";
  std::vector<int> first, second;
  const std::vector<int> allowed = allowed_after([&] {
    first = pin({1, 2}, 1, nothing);  // stands for the launcher's
    second = pin({0, 2}, 1, nothing);
  });
  if (first.empty()) GTEST_SKIP() << "somebody has bound this test";
  EXPECT_TRUE(second.empty());
  EXPECT_EQ(allowed, first);
}

TEST(Pinning, CanBeSwitchedOff) {
  const auto off = [](const char* name) { return std::string(name) == "SELDON_PINNING" ? "off" : nullptr; };
  const std::vector<int> before = allowed_after([] {});
  EXPECT_EQ(allowed_after([&] { EXPECT_TRUE(pin({1, 2}, 1, off).empty()); }), before);
}

}  // namespace
}  // namespace seldon::worker

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/version.h>

#include "engine/network/architectures.h"
#include "engine/network/memory.h"
#include "toy.h"

namespace seldon::engine::network {
namespace {

using testing::Toy;

/// Counts the bytes that LibTorch holds on the CPU.
class Counter final : public c10::MemoryReportingInfoBase {
 public:
#if TORCH_VERSION_MAJOR >= 2
  void reportMemoryUsage(void*, std::int64_t size, std::size_t, std::size_t, c10::Device) override {
    add(size);
  }
#else
  void reportMemoryUsage(void*, std::int64_t size, std::int64_t, std::int64_t, c10::Device) override {
    add(size);
  }
#endif
  bool memoryProfilingEnabled() const override {
    return true;
  }
  std::int64_t now = 0, most = 0;

 private:
  void add(std::int64_t size) {
    now += size;
    most = std::max(most, now);
  }
};

/// The most that a learner and two of its iterations hold.
double held(const Toy& toy, std::vector<Stage> stages, std::size_t trials, std::size_t batch) {
  const auto counter = std::make_shared<Counter>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, counter);
  std::vector<std::uint32_t> numbers(trials);
  std::iota(numbers.begin(), numbers.end(), 0U);
  LearnerRequest request = testing::request_for(toy.data, numbers);
  request.execution.tensor_program = true;
  const auto learner = testing::make(std::move(stages), request);
  const Rows rows = testing::first_rows(batch);
  testing::train(*learner, toy.data, {rows, rows}, 1e-3);
  for (std::size_t slot = 0; slot < 7; ++slot) learner->save(0, slot);
  return static_cast<double>(counter->most);
}

// What a second trial adds is what the model is for. On the CPU the least that can be said is that it is not
// too small and no wild guess: there a maximum's place takes one byte, where it takes eight on a GPU, and a
// convolution of one group other room than that of two.
TEST(Memory, ModelIsNearWhatLibTorchHolds) {
  const Toy toy = Toy::pictures(64, {1, 48, 48});
  const Network network(face_cnn(), input_shape(toy.data));
  const double each = held(toy, face_cnn(), 2, 64) - held(toy, face_cnn(), 1, 64);
  const double expected = memory_per_trial(network, 64, {});
  EXPECT_GT(expected, each);
  EXPECT_LT(expected, each * 2.5);
}

TEST(Memory, GrowsWithTheBatch) {
  const Toy toy = Toy::pictures(2, {1, 48, 48});
  const Network network(face_cnn(), input_shape(toy.data));
  const double none = memory_per_trial(network, 0, {}), some = memory_per_trial(network, 100, {}),
               more = memory_per_trial(network, 200, {});
  EXPECT_NEAR(more - some, some - none, 1);
  // Parameters, gradient, two moments and eight slots at least.
  EXPECT_GT(none, 12 * 4 * static_cast<double>(network.parameter_count()));
  const Execution unfolded{.convolutions = Convolutions::unfolded};
  EXPECT_GT(memory_per_trial(network, 100, unfolded), some);
}

TEST(Memory, AdviceNamesThePackSize) {
  const Toy toy = Toy::pictures(2, {1, 48, 48});
  const Network network(face_cnn(), input_shape(toy.data));
  const std::string many = pack_too_large(network, 64, 237, {.device = "cuda:1"}, "tried 2 GiB").what();
  EXPECT_THAT(many, ::testing::HasSubstr("64 trials"));
  EXPECT_THAT(many, ::testing::HasSubstr("cuda:1"));
  EXPECT_THAT(many, ::testing::HasSubstr("pack_size = 32"));
  EXPECT_THAT(many, ::testing::HasSubstr("tried 2 GiB"));
  const std::string one = pack_too_large(network, 1, 237, {}, "").what();
  EXPECT_THAT(one, ::testing::HasSubstr("smaller batches"));
}

TEST(Memory, KnowsWhatLibTorchSays) {
  const auto caught = [](auto f) {
    try {
      f();
    } catch (const c10::Error& error) {
      return is_out_of_memory(error);
    }
    return false;
  };
  EXPECT_TRUE(caught([] { TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried"); }));
  EXPECT_FALSE(caught([] { TORCH_CHECK(false, "sizes differ"); }));
}

}  // namespace
}  // namespace seldon::engine::network

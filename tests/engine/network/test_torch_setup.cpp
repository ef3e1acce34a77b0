#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/network/torch_setup.h"

extern "C" [[gnu::weak]] int openblas_get_num_threads();

namespace seldon::engine::network {
namespace {

TEST(TorchSetup, SetsTheThreadsOfLibTorchAndOfTheBlasBelow) {
  const int before = at::get_num_threads();
  configure_torch(2);
  EXPECT_EQ(at::get_num_threads(), 2);
  const std::string with_two = torch_numerics();
  configure_torch(1);
  EXPECT_EQ(torch_numerics(), with_two) << "threads are told apart by the config";
  EXPECT_EQ(at::get_num_threads(), 1);
  if (openblas_get_num_threads) {
    EXPECT_EQ(openblas_get_num_threads(), 1);
  }
  configure_torch(before);
}

TEST(TorchSetup, NamesTheVersionAndTheInstructionSet) {
  EXPECT_THAT(torch_numerics(), ::testing::MatchesRegex("LibTorch [0-9]+\\.[0-9]+\\..*, [A-Z0-9]+, .*"));
  EXPECT_THAT(torch_numerics(), ::testing::Not(::testing::HasSubstr("unknown")));
}

TEST(TorchSetup, TheAllocatorTakesItsSettingsUnlessItIsASanitizers) {
#ifdef __SANITIZE_ADDRESS__
  EXPECT_FALSE(tune_allocator());
#else
  EXPECT_TRUE(tune_allocator());
#endif
}

}  // namespace
}  // namespace seldon::engine::network

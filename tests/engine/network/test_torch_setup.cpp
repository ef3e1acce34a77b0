#include <cstdlib>

#include <ATen/Context.h>
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

TEST(TorchSetup, AGpuComputesTheSameBitsInEveryRunAndRoundsNoProductsUnlessAskedTo) {
  const at::Context& context = at::globalContext();
  configure_device("cuda:0", Precision::float32);
  EXPECT_TRUE(context.deterministicAlgorithms());
  EXPECT_FALSE(context.deterministicAlgorithmsWarnOnly());
  EXPECT_TRUE(context.deterministicCuDNN());
  EXPECT_FALSE(context.benchmarkCuDNN());
  EXPECT_FALSE(context.allowTF32CuBLAS());
  EXPECT_FALSE(context.allowTF32CuDNN());
  configure_device("cuda:0", Precision::tf32);
  EXPECT_TRUE(context.allowTF32CuBLAS());
  EXPECT_TRUE(context.allowTF32CuDNN());
  configure_device("cuda:0", Precision::bfloat16);
  EXPECT_FALSE(context.allowTF32CuBLAS());
  configure_device("cpu", Precision::tf32);
  EXPECT_FALSE(context.deterministicAlgorithms());
  EXPECT_FALSE(context.allowTF32CuBLAS());
  EXPECT_FALSE(context.allowTF32CuDNN());
}

TEST(TorchSetup, WorkspacesOfCublasAreThoseOfDeterministicProducts) {
  const char* const name = "CUBLAS_WORKSPACE_CONFIG";
  const char* const before = std::getenv(name);
  const std::string restored = before ? before : "";
  const auto after = [&](const char* value) {
    setenv(name, value, 1);
    configure_torch(at::get_num_threads());
    return std::string(std::getenv(name));
  };
#ifdef SELDON_CUDA
  EXPECT_EQ(after(":4096:2:16:8"), ":4096:8");
  EXPECT_EQ(after(":16:8"), ":16:8") << "as good, and takes less memory";
#else
  EXPECT_EQ(after("as it was"), "as it was") << "no cuBLAS here";
#endif
  before ? setenv(name, restored.c_str(), 1) : unsetenv(name);
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

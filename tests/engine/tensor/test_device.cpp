#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "engine/tensor/device.h"

namespace seldon::engine::tensor {
namespace {

using ::testing::HasSubstr;

template <class F>
std::string input_error(const F& f) {
  try {
    f();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

TEST(Device, NamesAreReadAsLibTorchWritesThem) {
  EXPECT_EQ(parse_device("cpu"), std::nullopt);
  EXPECT_EQ(parse_device("cuda"), 0U);
  EXPECT_EQ(parse_device("cuda:0"), 0U);
  EXPECT_EQ(parse_device("cuda:13"), 13U);
}

TEST(Device, OtherNamesAreInputErrors) {
  for (const char* name : {"", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:1x", "cuda:-1", "cuda:+1", "cuda: 1",
                           "cpu:0", "cuda:99999999999999999999999"})
    EXPECT_THAT(input_error([&] { parse_device(name); }), HasSubstr("use \"cpu\", or \"cuda:N\"")) << name;
}

TEST(Device, ACpuCanBeUsedAnywhere) {
  EXPECT_NO_THROW(check_device("cpu"));
  for (std::size_t worker : {0U, 1U, 7U}) EXPECT_EQ(resolve_device("cpu", worker), "cpu");
}

TEST(Device, AnUnknownChoiceIsAnInputError) {
  EXPECT_THAT(input_error([] { resolve_device("cuda:1", 0); }), HasSubstr("\"auto\""));
}

TEST(DeviceNeedsGpu, WorkersOfANodeTakeItsGpusInTurn) {
  if (gpu_count() == 0) GTEST_SKIP() << why_no_gpu();
  for (std::size_t worker = 0; worker < 2 * gpu_count() + 1; ++worker) {
    const std::string name = "cuda:" + std::to_string(worker % gpu_count());
    EXPECT_EQ(resolve_device("cuda", worker), name);
    EXPECT_EQ(resolve_device("auto", worker), name);
    EXPECT_NO_THROW(check_device(name));
  }
  EXPECT_EQ(why_no_gpu(), "");
  EXPECT_THAT(input_error([] { check_device("cuda:" + std::to_string(gpu_count())); }),
              HasSubstr("this process sees"));
  const Gpu first = gpu(0);
  EXPECT_NE(first.name, "");
  EXPECT_GT(first.free, 0);
  EXPECT_LE(first.free, first.memory);
}

TEST(Device, WithoutAGpuAutoIsTheCpuAndAskingForOneSaysWhyNot) {
  if (gpu_count() > 0) return;  // the test above is for machines that have one
  EXPECT_EQ(resolve_device("auto", 3), "cpu");
  const std::string why = why_no_gpu();
  ASSERT_NE(why, "");
  EXPECT_THAT(input_error([] { resolve_device("cuda", 0); }), HasSubstr(why));
  EXPECT_THAT(input_error([] { check_device("cuda:0"); }), HasSubstr(why));
  EXPECT_THAT(input_error([] { gpu(0); }), HasSubstr(why));
}

}  // namespace
}  // namespace seldon::engine::tensor

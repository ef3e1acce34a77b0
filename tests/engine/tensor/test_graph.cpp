#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <gtest/gtest.h>

#include "core/backoff.h"
#include "engine/tensor/device.h"
#include "engine/tensor/graph.h"

namespace seldon::engine::tensor {
namespace {

std::vector<at::Device> devices() {
  std::vector<at::Device> all = {at::Device(at::kCPU)};
  if (gpu_count() > 0) all.emplace_back("cuda:0");
  return all;
}

void wait_for(const Mark& mark) {
  for (Backoff pause; !mark.reached(); pause.pause()) {
  }
}

TEST(Graph, ARecordingDoesNothingUntilItIsReplayedThenTheSameEachTime) {
  for (const at::Device& device : devices()) {
    const at::NoGradGuard no_grad;
    const WorkQueue queue(device);
    const at::Tensor sum = at::zeros({3}, at::TensorOptions(at::kDouble).device(device));
    const at::Tensor step = at::full({3}, 1.0, sum.options());
    const std::function<void()> work = [&] {
      sum.add_(step.mul(2));
      step.add_(1);
    };
    work();  // + 2, then steps of 2
    const auto recorder = make_recorder(device);
    const auto recording = recorder->record(work);
    ASSERT_TRUE(recording) << recorder->why_not();
    Mark mark(device);
    mark.set();
    wait_for(mark);
    EXPECT_EQ(sum.cpu().data_ptr<double>()[0], 2);
    for (int i = 0; i < 3; ++i) recording->replay();
    EXPECT_EQ(sum.cpu().data_ptr<double>()[2], 2 + 4 + 6 + 8);
  }
}

TEST(GraphNeedsGpu, WorkThatAsksForANumberCannotBeRecordedAndLeavesTheDeviceUsable) {
  if (gpu_count() == 0) GTEST_SKIP() << why_no_gpu();
  const at::Device device("cuda:0");
  const WorkQueue queue(device);
  const at::Tensor value = at::zeros({1}, at::TensorOptions(at::kDouble).device(device));
  const auto recorder = make_recorder(device);
  const std::function<void()> asks = [&] { value.add_(value.cpu().data_ptr<double>()[0]); };
  EXPECT_FALSE(recorder->record(asks));
  EXPECT_NE(recorder->why_not(), "");
  asks();
  const std::function<void()> adds = [&] { value.add_(1); };
  adds();
  const auto recording = recorder->record(adds);
  ASSERT_TRUE(recording) << recorder->why_not();
  recording->replay();
  EXPECT_EQ(value.cpu().data_ptr<double>()[0], 2);
}

TEST(Graph, AMarkThatWasNeverSetIsReached) {
  for (const at::Device& device : devices()) EXPECT_TRUE(Mark(device).reached());
}

TEST(Graph, WhatIsAskedInAQueueComesAfterWhatWasAskedBefore) {
  for (const at::Device& device : devices()) {
    const at::Tensor buffer = transfer_buffer({1000}, at::kFloat, device);
    EXPECT_EQ(buffer.is_pinned(), device.is_cuda());
    buffer.fill_(3);
    const at::Tensor there = at::zeros({1000}, at::TensorOptions(at::kFloat).device(device));
    const WorkQueue queue(device);
    there.add_(1);
    there.mul_(buffer.to(device, at::kFloat, /*non_blocking=*/true));
    Mark mark(device);
    mark.set();
    wait_for(mark);
    EXPECT_EQ(there.sum().cpu().data_ptr<float>()[0], 3000);
  }
}

TEST(GraphNeedsGpu, AQueueIsOfItsOwnWhileItLivesOnAGpu) {
  if (gpu_count() == 0) GTEST_SKIP() << why_no_gpu();
  const at::Device device("cuda:0");
  const c10::impl::VirtualGuardImpl backend(device.type());
  const c10::Stream before = backend.getStream(device);
  {
    const WorkQueue queue(device);
    EXPECT_NE(backend.getStream(device), before);
  }
  EXPECT_EQ(backend.getStream(device), before);
}

}  // namespace
}  // namespace seldon::engine::tensor

// A trial over several ranks: whole trainings give the trajectory of one rank.

#include <cmath>
#include <cstring>
#include <mutex>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "core/progress.h"
#include "engine/network/architectures.h"
#include "engine/tensor/learner.h"
#include "thread_ranks.h"
#include "toy.h"

namespace seldon::engine::network {
namespace {

using testing::Toy;

std::vector<Stage> small_cnn() {
  return {Convolution{.channels = 4, .kernel = 3, .padding = 1},
          MaxPoolRelu{2},
          BatchNorm{},
          Convolution{.channels = 6, .kernel = 3},
          BatchNorm{},
          Linear{5},
          Relu{},
          Linear{2}};
}

/// Batches of 14 rows and, as at the end of an epoch, one of three: fewer than four ranks.
std::vector<Rows> batches() {
  std::vector<Rows> all;
  for (std::uint32_t k = 0; k < 12; ++k) {
    all.emplace_back();
    const std::uint32_t size = k % 4 == 3 ? 3 : 14;
    for (std::uint32_t i = 0; i < size; ++i) all.back().push_back((7 * k + 3 * i) % 50);
  }
  return all;
}

/// What a training leaves on one rank.
struct Outcome {
  std::vector<std::vector<double>> solutions, predictions;
};

Outcome outcome(Learner& learner) {
  Unhindered progress;
  learner.settle(progress);
  Outcome result;
  for (std::size_t t = 0; t < learner.trials(); ++t) {
    result.solutions.push_back(learner.solution(t));
    result.predictions.push_back(testing::predict(learner, t, testing::first_rows(50)));
  }
  return result;
}

Outcome train_by_host(Learner& learner, const Dataset& data) {
  testing::train(learner, data, batches(), 1e-2, testing::steady_epsilon);
  return outcome(learner);
}

Outcome train_by_tensors(Learner& learner, const Dataset&) {
  auto& tensors = dynamic_cast<tensor::TensorLearner&>(learner);
  const auto trials = static_cast<std::int64_t>(learner.trials());
  int k = 0;
  for (const Rows& rows : batches()) {
    const at::NoGradGuard no_grad;
    const std::vector<std::int64_t> wide(rows.begin(), rows.end());
    const at::Tensor numbers = at::tensor(wide, at::kLong);
    const at::Tensor values = tensors.forward(numbers.expand({trials, -1}));
    const at::Tensor labels = tensors.table().labels.index_select(0, numbers).view({1, -1, 1});
    tensors.backward((values.sigmoid() - labels) / static_cast<double>(rows.size()));
    tensors.regularise(1e-4);
    ++k;
    const std::vector<double> corrections{1 / (1 - std::pow(0.9, k)), 1 / (1 - std::pow(0.95, k))};
    tensors.step({.step = 1e-2, .epsilon = testing::steady_epsilon}, at::tensor(corrections, at::kDouble),
                 at::ones({trials}, at::kBool));
  }
  return outcome(learner);
}

using Training = Outcome (*)(Learner&, const Dataset&);

std::vector<Outcome> train_over_ranks(int size, Training training, const Toy& toy,
                                      const LearnerRequest& request, const std::vector<Stage>& stages) {
  testing::ThreadGroup group(size);
  std::vector<Outcome> outcomes(static_cast<std::size_t>(size));
  group.run([&](Collective& collective) {
    LearnerRequest own = request;
    own.execution.collective = &collective;
    const auto learner = testing::make(stages, own);
    outcomes[static_cast<std::size_t>(collective.rank())] = training(*learner, toy.data);
  });
  for (std::size_t r = 1; r < outcomes.size(); ++r) EXPECT_EQ(group.calls(r), group.calls(0));
  return outcomes;
}

struct Case {
  const char* name;
  Training training;
  bool tensor_program;
  Convolutions convolutions;
  const char* batchnorm;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

class RankTraining : public ::testing::TestWithParam<Case> {};

// Every rank has the same bits. Against one rank sums are cut differently: rounding, carried through twelve
// steps.
TEST_P(RankTraining, EqualsThatOfOneRank) {
  const Toy toy = Toy::pictures(50, {1, 10, 10});
  LearnerRequest request = testing::request_for(toy.data, {2, 5, 9});
  request.batchnorm = GetParam().batchnorm;
  request.execution.tensor_program = GetParam().tensor_program;
  request.execution.convolutions = GetParam().convolutions;
  request.evaluation_batch = 15;
  const auto learner = testing::make(small_cnn(), request);
  const std::vector<double> start = learner->solution(0);
  const Outcome one = GetParam().training(*learner, toy.data);
  double moved = 0;
  for (std::size_t i = 0; i < start.size(); ++i)
    if (!std::isnan(start[i])) moved = std::max(moved, std::abs(one.solutions[0][i] - start[i]));
  EXPECT_GT(moved, 0.02);

  for (const int size : {2, 4}) {
    const auto several = train_over_ranks(size, GetParam().training, toy, request, small_cnn());
    for (std::size_t t = 0; t < 3; ++t) {
      for (const Outcome& other : several) {
        EXPECT_EQ(other.predictions[t], several[0].predictions[t]);
        EXPECT_TRUE(at::equal(at::tensor(other.solutions[t], at::kDouble).nan_to_num(),
                              at::tensor(several[0].solutions[t], at::kDouble).nan_to_num()));
      }
      for (std::size_t i = 0; i < 50; ++i)
        EXPECT_NEAR(several[0].predictions[t][i], one.predictions[t][i], 1e-4) << size << " ranks";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Ways, RankTraining,
    ::testing::Values(Case{"HostLoop", train_by_host, false, Convolutions::grouped, "reestimated"},
                      Case{"HostLoopOnADevice", train_by_host, true, Convolutions::grouped, "reestimated"},
                      Case{"TensorProgram", train_by_tensors, true, Convolutions::grouped, "reestimated"},
                      Case{"TensorProgramByPatches", train_by_tensors, true, Convolutions::unfolded,
                           "reestimated"},
                      Case{"ToolkitsBatchNorm", train_by_tensors, true, Convolutions::grouped, "toolkit"}),
    [](const auto& tested) { return std::string(tested.param.name); });

// Without BatchNorm the only thing that differs is the order of sums.
TEST(RankTraining, OfAPerceptronEqualsThatOfOneRank) {
  const Toy toy = Toy::table(50, 4);
  const LearnerRequest request = testing::request_for(toy.data, {1, 2});
  const auto stages = multilayer_perceptron(Regime::classification);
  const auto learner = testing::make(stages, request);
  const Outcome one = train_by_host(*learner, toy.data);
  for (const int size : {2, 4}) {
    const auto several = train_over_ranks(size, train_by_host, toy, request, stages);
    for (std::size_t i = 0; i < one.solutions[0].size(); ++i)
      EXPECT_NEAR(several[0].solutions[0][i], one.solutions[0][i], 1e-6);
  }
}

/// A member of two whose calls are done at once, as far as they ever are; it has been told to stop or not.
class MemberOnDevice final : public Collective {
 public:
  bool stopped = false;
  int rank() const override { return 0; }
  int size() const override { return 2; }
  bool on_device() const override { return true; }
  void all_reduce(void*, std::size_t, Element) override {}
  void all_gather(const void* in, void* out, std::size_t count, Element element) override {
    for (std::size_t r = 0; r < 2; ++r)
      std::memcpy(static_cast<char*>(out) + r * count * size_of(element), in, count * size_of(element));
  }
  void broadcast(void*, std::size_t, Element, int) override {}
  void check() override {
    if (stopped) throw Stopped{};
  }
};

// On a GPU a call whose other member has died never ends: before the host blocks it must hear of that.
TEST(RankTraining, HearsOfDeathsWhereverTheHostWaitsForTheDevice) {
  const Toy toy = Toy::pictures(50, {1, 10, 10});
  LearnerRequest request = testing::request_for(toy.data, {2});
  request.execution.tensor_program = true;
  MemberOnDevice member;
  request.execution.collective = &member;
  const auto learner = testing::make(small_cnn(), request);
  const std::vector<std::uint32_t> rows = {0, 1, 2, 3};
  const std::vector<std::span<const std::uint32_t>> batch = {rows};
  std::vector<double> out(4);
  const std::vector<std::span<const double>> direction = {out};
  Unhindered progress;

  const std::size_t pass = learner->forward(batch);
  learner->settle(progress);
  learner->predict(0, rows, out);
  member.stopped = true;
  EXPECT_THROW(learner->predict(0, rows, out), Stopped);
  EXPECT_THROW(learner->backward(pass, direction), Stopped);
  EXPECT_THROW(learner->forward(batch), Stopped);
  const std::vector<std::uint8_t> active = {1};
  learner->step(AdamStep{}, active);  // what it was settled for is gone
  EXPECT_THROW(learner->settle(progress), Stopped);
}

}  // namespace
}  // namespace seldon::engine::network

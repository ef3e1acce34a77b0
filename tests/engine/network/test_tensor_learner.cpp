// The learner as the tensor program drives it (on the CPU), against the host's way of doing the same.

#include <bit>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "engine/network/architectures.h"
#include "engine/tensor/learner.h"
#include "toy.h"

namespace seldon::engine::network {
namespace {

using tensor::TensorLearner;
using testing::Toy;

/// Three stages with parameters of each kind, for 10 x 10 pictures.
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

Toy small_pictures() {
  return Toy::pictures(50, {1, 10, 10});
}

LearnerRequest on_device(LearnerRequest request, Convolutions convolutions = Convolutions::grouped) {
  request.execution.tensor_program = true;
  request.execution.convolutions = convolutions;
  return request;
}

TensorLearner& as_tensor_learner(Learner& learner) {
  auto* const both = dynamic_cast<TensorLearner*>(&learner);
  if (!both) throw std::runtime_error("a network's learner must be a TensorLearner");
  return *both;
}

at::Tensor from(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble);
}

at::Tensor parameters_of(const Learner& learner) {
  std::vector<at::Tensor> all;
  for (std::size_t t = 0; t < learner.trials(); ++t) all.push_back(from(learner.solution(t)));
  return at::stack(all);
}

/// [T, n] rows of the table, other ones for each trial.
at::Tensor some_rows(std::int64_t trials, std::int64_t count, std::int64_t step, std::int64_t first = 0) {
  return (at::arange(count, at::kLong).unsqueeze(0) * 3 +
          at::arange(first, first + trials, at::kLong).unsqueeze(1) * 7 + step * 11)
      .remainder(50);
}

at::Tensor largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max();
}

/// Iterations of both ways side by side with the mean log loss and a penalty: predictors, penalty and, after
/// each step, parameters. The tensor way gets its derivatives from its own predictors.
struct Trajectory {
  std::vector<at::Tensor> predictors, penalty;
  at::Tensor parameters;
};

constexpr double penalty = 1e-3;
constexpr int iterations = 6;

AdamStep step_number(int t) {
  AdamStep adam{.step = 1e-2, .epsilon = testing::steady_epsilon};
  adam.correction_velocity = 1 / (1 - std::pow(adam.beta_velocity, t + 1));
  adam.correction_square = 1 / (1 - std::pow(adam.beta_square, t + 1));
  return adam;
}

Trajectory by_host(Learner& learner, const Dataset& data, std::int64_t batch) {
  Trajectory result;
  const auto trials = static_cast<std::int64_t>(learner.trials());
  for (int k = 0; k < iterations; ++k) {
    const at::Tensor rows = some_rows(trials, batch, k);
    std::vector<Rows> positions(learner.trials());
    for (std::size_t t = 0; t < positions.size(); ++t)
      for (std::int64_t i = 0; i < batch; ++i)
        positions[t].push_back(
            static_cast<std::uint32_t>(rows[static_cast<std::int64_t>(t)][i].item<std::int64_t>()));
    const std::vector<std::span<const std::uint32_t>> views(positions.begin(), positions.end());
    learner.clear();
    const std::size_t pass = learner.forward(views);
    std::vector<at::Tensor> seen;
    std::vector<std::vector<double>> derivatives(learner.trials());
    for (std::size_t t = 0; t < positions.size(); ++t) {
      const auto values = learner.predictors(pass, t);
      seen.push_back(from({values.begin(), values.end()}));
      for (std::size_t i = 0; i < values.size(); ++i)
        derivatives[t].push_back((1 / (1 + std::exp(-values[i])) - data.labels[positions[t][i]]) /
                                 static_cast<double>(batch));
    }
    result.predictors.push_back(at::stack(seen).unsqueeze(2));
    result.penalty.push_back(from(learner.regularise(penalty)));
    testing::backward(learner, pass, derivatives);
    testing::step(learner, step_number(k));
  }
  result.parameters = parameters_of(learner);
  return result;
}

/// Trial t has the rows of trial `first` + t.
Trajectory by_tensors(Learner& learner, std::int64_t batch, std::int64_t first = 0) {
  TensorLearner& tensors = as_tensor_learner(learner);
  Trajectory result;
  const auto trials = static_cast<std::int64_t>(learner.trials());
  const at::Tensor active = at::ones({trials}, at::kBool);
  for (int k = 0; k < iterations; ++k) {
    const at::NoGradGuard no_grad;  // as the tensor program does
    const at::Tensor rows = some_rows(trials, batch, k, first);
    const at::Tensor values = tensors.forward(rows);
    EXPECT_FALSE(values.requires_grad());
    const at::Tensor labels = tensors.table().labels.index_select(0, rows.reshape({-1})).view(rows.sizes());
    tensors.backward(((values.squeeze(2).sigmoid() - labels) / static_cast<double>(batch)).unsqueeze(2));
    result.predictors.push_back(values.clone());
    result.penalty.push_back(tensors.regularise(penalty));
    const AdamStep adam = step_number(k);
    tensors.step({.step = adam.step, .epsilon = adam.epsilon},
                 from({adam.correction_velocity, adam.correction_square}), active);
  }
  result.parameters = parameters_of(learner);
  return result;
}

void expect_same(const Trajectory& a, const Trajectory& b, double tolerance) {
  for (std::size_t k = 0; k < a.predictors.size(); ++k) {
    EXPECT_LT(largest_difference(a.predictors[k], b.predictors[k]).item<double>(), tolerance) << k;
    EXPECT_LT(largest_difference(a.penalty[k], b.penalty[k]).item<double>(), tolerance) << k;
  }
}

// Bit by bit where both run the same kernels; only sums of derivatives and penalty come in another order.
TEST(TensorLearner, TrainsAsTheHostDoes) {
  const Toy toy = small_pictures();
  for (const std::size_t width : {1U, 3U, 16U}) {
    std::vector<std::uint32_t> numbers(width);
    std::iota(numbers.begin(), numbers.end(), 0U);
    const LearnerRequest request = testing::request_for(toy.data, numbers);
    const auto host = testing::make(small_cnn(), request);
    const auto device = testing::make(small_cnn(), on_device(request));
    const Trajectory wanted = by_host(*host, toy.data, 12), got = by_tensors(*device, 12);
    EXPECT_TRUE(got.predictors[0].equal(wanted.predictors[0]));
    expect_same(got, wanted, 1e-5);
  }
}

// By patches products are added up in another order.
TEST(TensorLearner, TrainsByPatchesAsTheHostDoes) {
  const Toy toy = small_pictures();
  for (const std::size_t width : {1U, 3U, 16U}) {
    std::vector<std::uint32_t> numbers(width);
    std::iota(numbers.begin(), numbers.end(), 0U);
    const LearnerRequest request = testing::request_for(toy.data, numbers);
    const auto host = testing::make(small_cnn(), request);
    const auto device = testing::make(small_cnn(), on_device(request, Convolutions::unfolded));
    const Trajectory wanted = by_host(*host, toy.data, 12), got = by_tensors(*device, 12);
    EXPECT_LT(largest_difference(got.predictors[0], wanted.predictors[0]).item<double>(), 1e-5);
    expect_same(got, wanted, 2e-5);
  }
}

TEST(TensorLearner, TrainsPerceptronsAsTheHostDoes) {
  const Toy toy = Toy::table(50, 4);
  const LearnerRequest request = testing::request_for(toy.data, {0, 1, 2});
  const auto host = testing::make(multilayer_perceptron(Regime::classification), request);
  const auto device = testing::make(multilayer_perceptron(Regime::classification), on_device(request));
  const Trajectory wanted = by_host(*host, toy.data, 12), got = by_tensors(*device, 12);
  expect_same(got, wanted, 1e-6);
  EXPECT_LT(largest_difference(got.parameters, wanted.parameters).item<double>(), 1e-6);
}

// Each trial by itself against the pack: other kernels, whose sums are taken in another order.
TEST(TensorLearner, PackedTrainingsEqualSingleOnes) {
  const Toy toy = small_pictures();
  for (const std::uint32_t width : {1U, 3U, 16U})
    for (const auto convolutions : {Convolutions::grouped, Convolutions::unfolded}) {
      std::vector<std::uint32_t> numbers(width);
      std::iota(numbers.begin(), numbers.end(), 0U);
      const auto pack =
          testing::make(small_cnn(), on_device(testing::request_for(toy.data, numbers), convolutions));
      const Trajectory packed = by_tensors(*pack, 12);
      for (const std::uint32_t t : numbers) {
        const auto single =
            testing::make(small_cnn(), on_device(testing::request_for(toy.data, {t}), convolutions));
        const Trajectory alone = by_tensors(*single, 12, t);
        for (std::size_t k = 0; k < alone.predictors.size(); ++k)
          EXPECT_LT(largest_difference(packed.predictors[k][t], alone.predictors[k][0]).item<double>(), 2e-5);
        EXPECT_LT(largest_difference(packed.parameters[t].nan_to_num(), alone.parameters[0].nan_to_num())
                      .item<double>(),
                  2e-5);
      }
    }
}

TEST(TensorLearner, HostLoopOnADeviceEqualsThatOfTheHost) {
  const Toy toy = small_pictures();
  const LearnerRequest request = testing::request_for(toy.data, {0, 1, 2});
  const auto host = testing::make(small_cnn(), request),
             device = testing::make(small_cnn(), on_device(request));
  const Trajectory wanted = by_host(*host, toy.data, 12), got = by_host(*device, toy.data, 12);
  EXPECT_TRUE(got.parameters.nan_to_num().equal(wanted.parameters.nan_to_num()));
}

TEST(TensorLearner, KnowsItsRowsAndItsTable) {
  const Toy toy = small_pictures();
  LearnerRequest request = on_device(testing::request_for(toy.data, {0, 1}));
  request.candidate_rows = {{4, 4, 9}, {1, 2, 3}};
  const auto learner = testing::make(small_cnn(), request);
  const TensorLearner& tensors = as_tensor_learner(*learner);
  EXPECT_TRUE(tensors.device().is_cpu());
  EXPECT_TRUE(tensors.candidate_rows().equal(at::tensor({4, 4, 9, 1, 2, 3}, at::kLong).view({2, 3})));
  EXPECT_EQ(tensors.table().pixels.size(0), 50);
}

TEST(TensorLearner, SlotsAreThoseOfTheHost) {
  const Toy toy = small_pictures();
  const auto learner = testing::make(small_cnn(), on_device(testing::request_for(toy.data, {0, 1, 2})));
  TensorLearner& tensors = as_tensor_learner(*learner);
  tensors.reserve_slots(3);
  const at::Tensor start = parameters_of(*learner);
  tensors.save(at::tensor({2, 0, 1}, at::kLong));
  by_tensors(*learner, 12);
  const at::Tensor later = parameters_of(*learner);
  tensors.save(at::tensor({0, 0, 2}, at::kLong));
  for (std::size_t t = 0; t < 3; ++t) learner->load(t, 2 - t);
  // Trial 0 from the first save, trial 1 never kept anything in slot 1, trial 2 never in slot 0.
  EXPECT_TRUE(from(learner->solution(0)).nan_to_num().equal(start[0].nan_to_num()));
  learner->load(1, 0);
  learner->load(2, 1);
  EXPECT_TRUE(from(learner->solution(1)).nan_to_num().equal(later[1].nan_to_num()));
  EXPECT_TRUE(from(learner->solution(2)).nan_to_num().equal(start[2].nan_to_num()));
  learner->load(2, 2);
  EXPECT_TRUE(from(learner->solution(2)).nan_to_num().equal(later[2].nan_to_num()));
  EXPECT_THROW(learner->load(0, 3), InternalError);
}

TEST(TensorLearner, SeesWhatIsNotFinite) {
  const Toy toy = small_pictures();
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    const auto learner = testing::make(small_cnn(), on_device(testing::request_for(toy.data, {0, 1, 2})));
    std::vector<double> solution = learner->solution(1);
    for (double& value : solution)
      if (std::isnan(value)) value = 1;  // statistics, which are not parameters
    solution[17] = bad;
    learner->load_solution(1, solution);
    EXPECT_TRUE(as_tensor_learner(*learner).finite().equal(at::tensor({1, 0, 1}, at::kByte).to(at::kBool)));
    EXPECT_TRUE(learner->finite(0));
    EXPECT_FALSE(learner->finite(1));
  }
}

TEST(TensorLearner, StoppedTrialsKeepTheirBitsWhateverTheGradient) {
  const Toy toy = small_pictures();
  const auto learner = testing::make(small_cnn(), on_device(testing::request_for(toy.data, {0, 1, 2})));
  TensorLearner& tensors = as_tensor_learner(*learner);
  const at::Tensor start = parameters_of(*learner).nan_to_num();
  tensors.forward(some_rows(3, 12, 0));
  at::Tensor derivatives = at::ones({3, 12, 1}, at::kDouble);
  derivatives[1].fill_(std::nan(""));
  tensors.backward(derivatives);
  tensors.step({}, from({1, 1}), at::tensor({1, 0, 1}, at::kByte).to(at::kBool));
  const at::Tensor after = parameters_of(*learner).nan_to_num();
  EXPECT_TRUE(after[1].equal(start[1]));
  EXPECT_FALSE(after[0].equal(start[0]));
  EXPECT_TRUE(tensors.finite().all().item<bool>());
}

// ---- evaluation
// --------------------------------------------------------------------------------------------------

/// Statistics and predictions of a trained pack, by the device's way and by the host's.
void expect_same_evaluation(std::vector<Stage> stages, const Toy& toy, LearnerRequest request,
                            Convolutions convolutions, double tolerance) {
  const auto host = testing::make(stages, request),
             device = testing::make(stages, on_device(request, convolutions));
  by_host(*host, toy.data, 12);
  Unhindered progress;
  host->settle(progress);
  for (std::size_t t = 0; t < host->trials(); ++t) {
    std::vector<double> solution = host->solution(t);
    device->load_solution(t, solution);
  }
  // The same parameters, settled anew.
  as_tensor_learner(*device).reserve_slots(1);
  for (std::size_t t = 0; t < host->trials(); ++t) {
    device->save(t, 0);
    device->load(t, 0);
  }
  device->settle(progress);
  EXPECT_TRUE(device->predicts_together());
  EXPECT_FALSE(host->predicts_together());
  const Rows rows = testing::first_rows(50);
  const std::size_t columns = host->columns();
  std::vector<std::vector<double>> together(host->trials(), std::vector<double>(50 * columns));
  const std::vector<std::span<const std::uint32_t>> views(host->trials(), rows);
  const std::vector<std::span<double>> places(together.begin(), together.end());
  device->predict_all(views, places);
  for (std::size_t t = 0; t < host->trials(); ++t) {
    const auto a = host->solution(t), b = device->solution(t);
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (std::isnan(a[i])) continue;  // no statistics
      EXPECT_NEAR(a[i], b[i], 1e-5 * (1 + std::abs(a[i]))) << i;
    }
    const auto wanted = testing::predict(*host, t, rows), single = testing::predict(*device, t, rows);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_NEAR(together[t][i], wanted[i], tolerance) << t << " " << i;
      EXPECT_NEAR(single[i], wanted[i], tolerance) << t << " " << i;
    }
  }
}

class Evaluation : public ::testing::TestWithParam<Convolutions> {};

TEST_P(Evaluation, OfAllTrialsAtOnceEqualsThatOfEach) {
  const Toy toy = small_pictures();
  for (const std::size_t width : {1U, 3U, 16U}) {
    std::vector<std::uint32_t> numbers(width);
    std::iota(numbers.begin(), numbers.end(), 0U);
    expect_same_evaluation(small_cnn(), toy, testing::request_for(toy.data, numbers), GetParam(), 1e-4);
  }
}

TEST_P(Evaluation, GoesInChunks) {
  const Toy toy = small_pictures();
  LearnerRequest request = testing::request_for(toy.data, {0, 1});
  request.evaluation_batch = 7;
  expect_same_evaluation(small_cnn(), toy, request, GetParam(), 1e-4);
}

TEST_P(Evaluation, NormalisesByItsChunkWithTheToolkitsBatchNorm) {
  const Toy toy = small_pictures();
  LearnerRequest request = testing::request_for(toy.data, {0, 1, 2});
  request.batchnorm = "toolkit";
  request.evaluation_batch = 20;
  expect_same_evaluation(small_cnn(), toy, request, GetParam(), 1e-4);
}

TEST_P(Evaluation, SettlesTrialsOfUnequalNumbersOfRows) {
  const Toy toy = small_pictures();
  LearnerRequest request = testing::request_for(toy.data, {0, 1});
  const auto host = testing::make(small_cnn(), request),
             device = testing::make(small_cnn(), on_device(request, GetParam()));
  request.candidate_rows[1].resize(20);
  const auto uneven = testing::make(small_cnn(), on_device(request, GetParam()));
  Unhindered progress;
  for (Learner* learner : {host.get(), device.get(), uneven.get()}) learner->settle(progress);
  const auto wanted = host->solution(0), even = device->solution(0), got = uneven->solution(0);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(even[i], wanted[i], 1e-5 * (1 + std::abs(wanted[i])));
    EXPECT_NEAR(got[i], wanted[i], 1e-5 * (1 + std::abs(wanted[i])));
  }
  EXPECT_GT(std::abs(uneven->solution(1).back() - device->solution(1).back()), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Both, Evaluation, ::testing::Values(Convolutions::grouped, Convolutions::unfolded),
                         [](const auto& tested) {
                           return tested.param == Convolutions::grouped ? "Grouped" : "Unfolded";
                         });

TEST(TensorLearner, MustBeSettledBeforeItPredicts) {
  const Toy toy = small_pictures();
  const auto learner = testing::make(small_cnn(), on_device(testing::request_for(toy.data, {0, 1})));
  TensorLearner& tensors = as_tensor_learner(*learner);
  EXPECT_THROW(tensors.predict_rows(some_rows(2, 5, 0)), InternalError);
  Unhindered progress;
  learner->settle(progress);
  EXPECT_EQ(tensors.predict_rows(some_rows(2, 5, 0)).sizes(), (std::vector<std::int64_t>{2, 5, 1}));
}

TEST(TensorLearner, RefusesADeviceThatNobodyKnows) {
  const Toy toy = small_pictures();
  LearnerRequest request = testing::request_for(toy.data, {0});
  request.execution.device = "abacus";
  EXPECT_THROW(testing::make(small_cnn(), request), InputError);
}

}  // namespace
}  // namespace seldon::engine::network

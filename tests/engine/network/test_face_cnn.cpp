// The face CNN against the same network written with LibTorch's own modules, weights copied.

#include <algorithm>
#include <cmath>
#include <numbers>

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "engine/network/architectures.h"
#include "engine/network/batch.h"
#include "plain_face_cnn.h"
#include "toy.h"

namespace seldon::engine::network {
namespace {

using testing::PlainFaceCnn;
using testing::Toy;

constexpr std::size_t parameter_count = 147682;

/// The learner's network as modules.
PlainFaceCnn plain_copy(const Learner& learner, std::size_t trial) {
  PlainFaceCnn plain;
  const torch::NoGradGuard no_grad;
  std::vector<double> values = learner.solution(trial);
  std::size_t next = 0;
  // Modules list their parameters kind by kind (convolutions, norms, linear stages), the learner stage by
  // stage.
  const auto fill = [&](torch::nn::Module& module) {
    for (auto& parameter : module.parameters()) {
      parameter.copy_(torch::from_blob(values.data() + next, parameter.sizes(), torch::kDouble));
      next += static_cast<std::size_t>(parameter.numel());
    }
  };
  plain->for_each_stage(fill);
  EXPECT_EQ(next, parameter_count);
  return plain;
}

torch::Tensor batch_of(const Toy& toy, const Rows& rows) {
  const std::span<const std::uint32_t> view = rows;
  return gather(toy.data, std::span(&view, 1)).contiguous();
}

double logistic(double x) {
  return 1 / (1 + std::exp(-x));
}

class FaceCnn : public ::testing::Test {
 protected:
  Toy toy = Toy::pictures(60, {1, 48, 48});
  const Rows rows = testing::first_rows(40);
};

TEST_F(FaceCnn, TrainingPassEqualsModules) {
  const auto learner = testing::make(face_cnn(), testing::request_for(toy.data, {3}));
  PlainFaceCnn plain = plain_copy(*learner, 0);
  const torch::Tensor p = plain->forward(batch_of(toy, rows));
  const std::size_t pass = testing::forward(*learner, rows);
  const auto predictors = learner->predictors(pass, 0);
  ASSERT_EQ(predictors.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    EXPECT_NEAR(logistic(predictors[i]), p[static_cast<std::int64_t>(i)].item<double>(), 1e-5);
}

TEST_F(FaceCnn, GradientEqualsModules) {
  at::manual_seed(1);
  const auto learner = testing::make(face_cnn(), testing::request_for(toy.data, {3}));
  PlainFaceCnn plain = plain_copy(*learner, 0);
  // A direction v on p; by the chain rule p (1 - p) v on the predictor.
  const torch::Tensor direction = torch::randn({static_cast<std::int64_t>(rows.size())});
  const torch::Tensor p = plain->forward(batch_of(toy, rows));
  p.backward(direction);
  std::vector<double> wanted;
  plain->for_each_stage([&](torch::nn::Module& module) {
    for (const auto& parameter : module.parameters()) {
      const torch::Tensor gradient = parameter.grad().contiguous();
      wanted.insert(wanted.end(), gradient.data_ptr<float>(), gradient.data_ptr<float>() + gradient.numel());
    }
  });

  const std::size_t pass = testing::forward(*learner, rows);
  const auto predictors = learner->predictors(pass, 0);
  std::vector<std::vector<double>> derivatives(1);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double q = logistic(predictors[i]);
    derivatives[0].push_back(q * (1 - q) * direction[static_cast<std::int64_t>(i)].item<double>());
  }
  testing::backward(*learner, pass, derivatives);
  const std::vector<double> gradient = testing::gradient_of(*learner, 0, parameter_count);
  ASSERT_EQ(wanted.size(), gradient.size());
  double largest = 0, difference = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    largest = std::max(largest, std::abs(wanted[i]));
    difference = std::max(difference, std::abs(wanted[i] - gradient[i]));
  }
  EXPECT_LT(difference, 1e-5 * std::max(1.0, largest));
  EXPECT_GT(largest, 0.01) << "a gradient of zeros proves nothing";
}

/// Statistics by brute force: the first k BatchNorm modules evaluate with what is known, and a hook-free
/// forward pass over all rows at once gives the input of the next.
void settle_by_brute_force(PlainFaceCnn& plain, const torch::Tensor& all) {
  const torch::NoGradGuard no_grad;
  plain->eval();
  for (std::size_t k = 0; k < plain->norms().size(); ++k) {
    const torch::Tensor x = plain->before_norm(k, all).to(torch::kDouble);
    plain->norms()[k]->running_mean.copy_(x.mean({0, 2, 3}));
    plain->norms()[k]->running_var.copy_(x.var({0, 2, 3}, /*unbiased=*/false));
  }
}

TEST_F(FaceCnn, SettledPredictionEqualsModulesInEvaluationMode) {
  const auto learner = testing::make(face_cnn(), testing::request_for(toy.data, {3, 4}));
  testing::train(*learner, toy.data, {rows, rows}, 1e-3);
  Unhindered progress;
  learner->settle(progress);
  for (std::size_t t = 0; t < 2; ++t) {
    PlainFaceCnn plain = plain_copy(*learner, t);
    settle_by_brute_force(plain, batch_of(toy, testing::first_rows(60)));

    std::vector<double> statistics = learner->solution(t);
    statistics.erase(statistics.begin(), statistics.begin() + parameter_count);
    std::vector<double> wanted;
    for (auto& norm : plain->norms())
      for (const auto& part : {norm->running_mean, norm->running_var})
        wanted.insert(wanted.end(), part.data_ptr<float>(), part.data_ptr<float>() + part.numel());
    ASSERT_EQ(statistics.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i)
      EXPECT_NEAR(statistics[i], wanted[i], 1e-5 * (1 + std::abs(wanted[i]))) << i;

    const torch::Tensor p = plain->forward(batch_of(toy, rows));
    const std::vector<double> ours = testing::predict(*learner, t, rows);
    for (std::size_t i = 0; i < rows.size(); ++i)
      EXPECT_NEAR(logistic(ours[i]), p[static_cast<std::int64_t>(i)].item<double>(), 1e-5);
  }
}

TEST_F(FaceCnn, ToolkitPredictionIsTrainingModeChunkByChunk) {
  LearnerRequest request = testing::request_for(toy.data, {3});
  request.batchnorm = "toolkit";
  request.evaluation_batch = 25;
  const auto learner = testing::make(face_cnn(), request);
  EXPECT_TRUE(learner->batch_dependent());
  EXPECT_FALSE(learner->settles());
  PlainFaceCnn plain = plain_copy(*learner, 0);
  const std::vector<double> ours = testing::predict(*learner, 0, rows);
  const torch::Tensor x = batch_of(toy, rows);
  const torch::Tensor p =
      torch::cat({plain->forward(x.narrow(0, 0, 25)), plain->forward(x.narrow(0, 25, 15))});
  for (std::size_t i = 0; i < rows.size(); ++i)
    EXPECT_NEAR(logistic(ours[i]), p[static_cast<std::int64_t>(i)].item<double>(), 1e-5);
}

// Dark against bright pictures with noise: easy, but not for a network that does not learn.
TEST_F(FaceCnn, LearnsBrightFromDark) {
  const Stream draws(Purpose::synthetic_data, 21);
  for (std::size_t row = 0; row < 60; ++row)
    for (std::size_t i = 0; i < 48 * 48; ++i)
      toy.pixels[row * 48 * 48 + i] =
          static_cast<std::uint8_t>(draws.below(row * 48 * 48 + i, 128) + (toy.labels[row] > 0.5 ? 90 : 60));
  const auto learner = testing::make(face_cnn(), testing::request_for(toy.data, {1}));
  testing::train(*learner, toy.data, std::vector<Rows>(12, rows), 1e-3);
  Unhindered progress;
  learner->settle(progress);
  Rows others;
  for (std::uint32_t row = 40; row < 60; ++row) others.push_back(row);
  const std::vector<double> predictors = testing::predict(*learner, 0, others);
  int right = 0;
  for (std::size_t i = 0; i < others.size(); ++i)
    right += (predictors[i] >= 0) == (toy.labels[others[i]] > 0.5);
  EXPECT_GE(right, 19) << "of 20 rows that it was not trained on";
}

}  // namespace
}  // namespace seldon::engine::network

#include <cmath>
#include <limits>
#include <vector>

#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include "engine/network/adam.h"

namespace seldon::engine::network {
namespace {

AdamStep step_number(int t, AdamStep adam) {
  adam.correction_velocity = 1 / (1 - std::pow(adam.beta_velocity, t + 1));
  adam.correction_square = 1 / (1 - std::pow(adam.beta_square, t + 1));
  return adam;
}

struct State {
  at::Tensor parameters, velocity, square;
  explicit State(const at::Tensor& start)
      : parameters(start.clone()), velocity(at::zeros_like(start)), square(at::zeros_like(start)) {}
  void step(const AdamStep& adam, const std::vector<std::uint8_t>& active, const at::Tensor& gradient) {
    adam_step(adam, active, gradient, parameters, velocity, square);
  }
};

TEST(Adam, TextbookEqualsLibTorchOverTwentySteps) {
  at::manual_seed(1);
  const at::Tensor start = at::randn({2, 50});
  State ours(start);
  at::Tensor theirs = start.clone().set_requires_grad(true);
  torch::optim::Adam reference({theirs}, torch::optim::AdamOptions(0.02).betas({0.9, 0.95}).eps(1e-8));
  for (int t = 0; t < 20; ++t) {
    const at::Tensor gradient = at::randn({2, 50});
    ours.step(step_number(t, {.step = 0.02}), {1, 1}, gradient);
    theirs.mutable_grad() = gradient.clone();
    reference.step();
  }
  const double difference = (ours.parameters - theirs.detach()).abs().max().item<double>();
  EXPECT_LT(difference, 2e-6);
  EXPECT_GT((ours.parameters - start).abs().max().item<double>(), 0.05);
}

// The toolkit stores the corrected moments back (its update, in double, for a constant gradient). The step's
// multiples of the step size for betas .9 and .95 are known to begin 1, 1.6, 2.2, 2.5, 2.7.
TEST(Adam, ToolkitCompoundsItsCorrection) {
  at::manual_seed(1);
  State ours(at::zeros_like(at::randn({1, 1})));
  const at::Tensor gradient = at::zeros_like(ours.parameters).fill_(3.0);
  double theta = 0, v = 0, s = 0;
  std::vector<double> multiples;
  for (int t = 0; t < 20; ++t) {
    v = (0.9 * v + 0.1 * 3.0) / (1 - std::pow(0.9, t + 1));
    s = (0.95 * s + 0.05 * 9.0) / (1 - std::pow(0.95, t + 1));
    multiples.push_back(v / (std::sqrt(s) + 1e-6));
    theta -= 0.01 * multiples.back();
    ours.step(step_number(t, {.toolkit = true, .step = 0.01, .epsilon = 1e-6}), {1}, gradient);
    EXPECT_NEAR(ours.parameters.item<double>(), theta, 1e-6 * (1 + std::abs(theta))) << t;
  }
  const double known[] = {1, 1.6, 2.2, 2.5, 2.7};
  for (int t = 0; t < 5; ++t) EXPECT_NEAR(multiples[static_cast<std::size_t>(t)], known[t], 0.06) << t;
}

TEST(Adam, InactiveTrialsKeepTheirBitsWhateverTheGradient) {
  at::manual_seed(1);
  State state(at::randn({3, 40}));
  state.step(step_number(0, {}), {1, 1, 1}, at::randn({3, 40}));
  const at::Tensor parameters = state.parameters.clone(), velocity = state.velocity.clone(),
                   square = state.square.clone();
  at::Tensor gradient = at::randn({3, 40});
  gradient[1].fill_(std::numeric_limits<float>::quiet_NaN());
  state.step(step_number(1, {}), {1, 0, 1}, gradient);
  EXPECT_TRUE(at::equal(state.parameters[1], parameters[1]));
  EXPECT_TRUE(at::equal(state.velocity[1], velocity[1]));
  EXPECT_TRUE(at::equal(state.square[1], square[1]));
  EXPECT_TRUE(state.parameters.isfinite().all().item<bool>());
  EXPECT_FALSE(at::equal(state.parameters[0], parameters[0]));
  EXPECT_FALSE(at::equal(state.parameters[2], parameters[2]));
}

TEST(Adam, GivesTheSameBitsWithNumbersFromTheDevice) {
  for (const bool toolkit : {false, true}) {
    at::manual_seed(1);
    State by_host(at::randn({3, 40})), by_device(by_host.parameters);
    const at::Tensor active = at::empty({3}, at::kBool);
    for (std::int64_t t = 0; t < 3; ++t) active[t] = t != 1;
    for (int t = 0; t < 10; ++t) {
      at::Tensor gradient = at::randn({3, 40});
      gradient[1].fill_(std::numeric_limits<float>::quiet_NaN());
      const AdamStep adam = step_number(t, {.toolkit = toolkit});
      by_host.step(adam, {1, 0, 1}, gradient);
      const at::Tensor corrections = at::empty({2}, at::kDouble);
      corrections[0] = adam.correction_velocity;
      corrections[1] = adam.correction_square;
      adam_step({.toolkit = toolkit}, corrections, active, gradient, by_device.parameters, by_device.velocity,
                by_device.square);
    }
    EXPECT_TRUE(at::equal(by_device.parameters, by_host.parameters));
    EXPECT_TRUE(at::equal(by_device.velocity, by_host.velocity));
    EXPECT_TRUE(at::equal(by_device.square, by_host.square));
    EXPECT_TRUE(by_device.parameters.isfinite().all().item<bool>());
  }
}

}  // namespace
}  // namespace seldon::engine::network

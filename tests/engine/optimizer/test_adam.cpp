#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "engine/optimizer/adam.h"

namespace seldon::engine {
namespace {

/// Minimises (t - 3)^2 + lambda (t - 2) with projected ascent in lambda: the toolkit's one-dimensional
/// example.
std::vector<double> trajectory(bool toolkit, double step, double beta_square, int iterations) {
  AdamStep settings;
  settings.toolkit = toolkit;
  settings.step = step;
  settings.beta_square = beta_square;
  settings.epsilon = toolkit ? 1e-6 : 1e-8;
  double theta = 1, lambda = 0.5, v = 0, s = 0;
  std::vector<double> path;
  for (int t = 0; t < iterations; ++t) {
    path.push_back(theta);
    const double gradient = 2 * (theta - 3) + lambda, constraint = theta - 2;
    adam_update<double>(adam_step(settings, static_cast<std::size_t>(t)), {&gradient, 1}, {&v, 1}, {&s, 1},
                        {&theta, 1});
    lambda = std::max(0.0, lambda + step * constraint);
  }
  return path;
}

// The Seldonian Toolkit's engine (cbf72b1) on this example.
TEST(Adam, ToolkitVariantFollowsTheToolkit) {
  const auto path = trajectory(true, 0.01, 0.95, 6);
  const std::array<double, 6> wanted = {
      1.0, 1.009999997142858, 1.0264318496712561, 1.0479644155157801, 1.073007878693213, 1.0999256718971913};
  for (std::size_t t = 0; t < wanted.size(); ++t) EXPECT_NEAR(path[t], wanted[t], 1e-12) << "iteration " << t;
}

// torch.optim.Adam(lr=0.1, betas=(0.9, 0.999), eps=1e-8) on (t - 3)^2 from 1: theta after each of three
// steps.
TEST(Adam, TextbookIsPyTorchs) {
  AdamStep settings;
  settings.step = 0.1;
  settings.beta_square = 0.999;
  double theta = 1, v = 0, s = 0;
  const std::array<double, 3> wanted = {1.09999999975, 1.199833513884299, 1.299376607953535};
  for (std::size_t t = 0; t < 3; ++t) {
    const double gradient = 2 * (theta - 3);
    adam_update<double>(adam_step(settings, t), {&gradient, 1}, {&v, 1}, {&s, 1}, {&theta, 1});
    EXPECT_NEAR(theta, wanted[t], 1e-9);
  }
}

}  // namespace
}  // namespace seldon::engine

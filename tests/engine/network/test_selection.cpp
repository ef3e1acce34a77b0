// Whole candidate selections of networks: the loop on the device (as tensor operations, here on a CPU)
// against the host's. Networks compute in float32, and the two add up in another order.

#include <cmath>
#include <cstring>
#include <memory>
#include <optional>

#include <gtest/gtest.h>

#include "engine/candidate_selection.h"
#include "engine/network/architectures.h"
#include "engine/network/network.h"
#include "tests/engine/numbers.h"
#include "tests/engine/toy.h"

namespace seldon::engine::network {
namespace {

/// Pictures that are the brighter where the label is 1, and for men.
struct Pictures {
  std::vector<std::uint8_t> pixels, men, women;
  std::vector<double> labels;
  Dataset data;

  Pictures(std::size_t rows, std::uint32_t side) {
    data.image = {1, side, side};
    const Stream draws(Purpose::synthetic_data, 21);
    for (std::size_t i = 0; i < rows; ++i) {
      labels.push_back(static_cast<double>(draws.below(3 * i, 2)));
      men.push_back(static_cast<std::uint8_t>(draws.below(3 * i + 1, 2)));
      women.push_back(1 - men.back());
      const double light = 60 + 50 * labels.back() + 30 * men.back();
      const Stream noise(Purpose::synthetic_data, 22, {i});
      for (std::size_t p = 0; p < data.image.pixels(); ++p)
        pixels.push_back(static_cast<std::uint8_t>(light + static_cast<double>(noise.below(p, 90))));
    }
    data.rows = rows;
    data.pixels = pixels;
    data.labels = labels;
    data.groups = {{"M", men}, {"F", women}};
  }
  Pictures(const Pictures&) = delete;
  Pictures& operator=(const Pictures&) = delete;
};

struct Experiment {
  const Dataset* data;
  std::vector<Stage> stages;
  std::size_t trials, rows;
  std::uint64_t iterations;
  std::optional<std::uint64_t> batch;
  double step = 0.005;
};

struct Outcome {
  std::vector<Selection> selections;
  std::vector<std::vector<double>> solutions;
};

Outcome run(const Experiment& experiment, bool on_device) {
  Problem problem;
  problem.data = experiment.data;
  problem.objective = ObjectiveRegistry::instance().find("log_loss");
  problem.l2 = 1e-4;
  problem.constraints.push_back(toy::constraint("abs((PR | [M]) - (PR | [F])) <= 0.6"));
  problem.constraints.push_back(toy::constraint("FPR <= 0.9"));

  LearnerRequest request;
  request.data = experiment.data;
  request.seed = 3;
  request.model_name = "net";
  request.execution.tensor_program = on_device;
  for (std::uint32_t t = 0; t < experiment.trials; ++t) {
    const Stream draws(Purpose::resample, 3, {t});
    Rows rows(experiment.rows);
    for (std::size_t i = 0; i < rows.size(); ++i)
      rows[i] = static_cast<std::uint32_t>(draws.below(i, static_cast<std::uint32_t>(experiment.data->rows)));
    request.candidate_rows.push_back(rows);
    request.trials.push_back(t);
  }
  std::vector<CandidateData> data;
  for (std::uint32_t t = 0; t < experiment.trials; ++t)
    data.push_back({request.candidate_rows[t], 1.5 * static_cast<double>(experiment.rows), t});

  SelectionOptions options;
  options.adam.step = experiment.step;
  // Adam divides by the gradient's size: of a derivative near zero, such as that of a bias before a
  // BatchNorm, rounding alone would decide whether the parameter goes up or down.
  options.adam.epsilon = 1e-3;
  options.multipliers.assign(2, 0.5);
  options.iterations = experiment.iterations;
  options.batches.size = experiment.batch;
  options.batches.seed = 3;
  options.batches.model_name = "net";
  options.keep_trace = true;

  const Network network(experiment.stages, input_shape(*experiment.data));
  const auto learner = make_network_learner(network, request);
  Unhindered progress;
  Outcome outcome{select_candidates(*learner, problem, data, options, progress), {}};
  for (std::size_t t = 0; t < experiment.trials; ++t) outcome.solutions.push_back(learner->solution(t));
  return outcome;
}

void expect_same(const Experiment& experiment, double tolerance) {
  const Outcome host = run(experiment, false), device = run(experiment, true), again = run(experiment, true);
  for (std::size_t t = 0; t < experiment.trials; ++t) {
    SCOPED_TRACE("trial " + std::to_string(t));
    const Selection &a = device.selections[t], &b = host.selections[t];
    EXPECT_EQ(a.best_iteration, b.best_iteration);
    EXPECT_EQ(a.feasible, b.feasible);
    EXPECT_EQ(a.stop, b.stop);
    EXPECT_EQ(a.small_group, b.small_group);
    expect_close(a.trace, b.trace, tolerance);
    expect_close(device.solutions[t], host.solutions[t], tolerance);
    EXPECT_TRUE(same_bits(device.solutions[t], again.solutions[t])) << "in a second run";
    EXPECT_TRUE(same_bits(a.trace, again.selections[t].trace)) << "in a second run";
  }
  // It has learnt something, or equal results say little.
  const std::vector<double>& trace = device.selections[0].trace;
  EXPECT_LT(trace[trace.size() - 5], trace[0]);
}

class NetworkSelection : public ::testing::TestWithParam<std::size_t> {};

TEST_P(NetworkSelection, OfAPerceptron) {
  const toy::Table table(300, 4, 0.7);
  Experiment experiment{&table.data, multilayer_perceptron(Regime::classification), GetParam(), 200, 40, {}};
  expect_same(experiment, 2e-4);
  experiment.batch = 60;  // three of 60 and the last of 20 joined
  expect_same(experiment, 2e-4);
  experiment.batch = 75;  // the last has 50
  expect_same(experiment, 2e-4);
}

TEST_P(NetworkSelection, OfASmallConvolutionalNetworkThatSettles) {
  const Pictures pictures(120, 8);
  const std::vector<Stage> stages = {Convolution{.channels = 4, .kernel = 3, .padding = 1},
                                     MaxPoolRelu{2},
                                     BatchNorm{},
                                     Linear{5},
                                     Relu{},
                                     Linear{2}};
  expect_same({&pictures.data, stages, GetParam(), 90, 20, 36}, 1e-3);
}

TEST_P(NetworkSelection, OfTheFaceCnn) {
  const Pictures pictures(40, 48);
  expect_same({&pictures.data, face_cnn(), GetParam(), 30, 5, 12, 0.001}, 2e-3);
}

INSTANTIATE_TEST_SUITE_P(Trials, NetworkSelection, ::testing::Values(1, 3, 16));

}  // namespace
}  // namespace seldon::engine::network

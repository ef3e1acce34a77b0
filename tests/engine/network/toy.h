#pragma once
// Small tables and the few lines that every test of a learner needs.

#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <vector>

#include "core/random.h"
#include "engine/network/network.h"

namespace seldon::testing {

using engine::AdamStep;
using engine::Dataset;
using engine::Learner;
using engine::LearnerRequest;
using engine::Rows;

/// Pictures of random bytes, or a table of standard normal features, with random labels.
struct Toy {
  std::vector<std::uint8_t> pixels;
  std::vector<double> features, labels;
  Dataset data;

  static Toy pictures(std::size_t rows, engine::ImageShape shape) {
    Toy toy;
    toy.data.image = shape;
    const Stream draws(Purpose::synthetic_data, 11);
    for (std::size_t i = 0; i < rows * shape.pixels(); ++i)
      toy.pixels.push_back(static_cast<std::uint8_t>(draws.below(i, 256)));
    return toy.finish(rows);
  }
  static Toy table(std::size_t rows, std::size_t width) {
    Toy toy;
    toy.data.width = width;
    const Stream draws(Purpose::synthetic_data, 12);
    for (std::size_t i = 0; i < rows * width; ++i) toy.features.push_back(draws.normal(i));
    return toy.finish(rows);
  }
  Toy() = default;
  Toy(const Toy&) = delete;
  Toy(Toy&&) = default;  // moved vectors keep their storage, so the spans stay good

 private:
  Toy finish(std::size_t rows) {
    const Stream draws(Purpose::random_labels, 13);
    for (std::size_t i = 0; i < rows; ++i) labels.push_back(static_cast<double>(draws.below(i, 2)));
    data.rows = rows;
    data.pixels = pixels;
    data.features = features;
    data.labels = labels;
    return std::move(*this);
  }
};

inline Rows first_rows(std::size_t n) {
  Rows rows(n);
  std::iota(rows.begin(), rows.end(), 0U);
  return rows;
}

/// Trials of these numbers, each with all rows of the table.
inline LearnerRequest request_for(const Dataset& data, std::vector<std::uint32_t> trials) {
  LearnerRequest request;
  request.data = &data;
  request.candidate_rows.assign(trials.size(), first_rows(data.rows));
  request.trials = std::move(trials);
  request.seed = 5;
  request.model_name = "toy";
  return request;
}

inline std::unique_ptr<Learner> make(std::vector<engine::network::Stage> stages,
                                     const LearnerRequest& request) {
  const engine::network::Network network(std::move(stages), engine::network::input_shape(*request.data));
  return engine::network::make_network_learner(network, request);
}

/// The same rows for every trial.
inline std::size_t forward(Learner& learner, const Rows& rows) {
  const std::vector<std::span<const std::uint32_t>> batch(learner.trials(), rows);
  return learner.forward(batch);
}

inline void backward(Learner& learner, std::size_t pass,
                     const std::vector<std::vector<double>>& derivatives) {
  const std::vector<std::span<const double>> views(derivatives.begin(), derivatives.end());
  learner.backward(pass, views);
}

inline void step(Learner& learner, const AdamStep& adam) {
  const std::vector<std::uint8_t> active(learner.trials(), 1);
  learner.step(adam, active);
}

inline std::vector<double> parameters_of(const Learner& learner, std::size_t trial, std::size_t count) {
  std::vector<double> values = learner.solution(trial);
  values.resize(count);
  return values;
}

inline std::vector<double> predict(Learner& learner, std::size_t trial, const Rows& rows) {
  std::vector<double> out(rows.size() * learner.columns());
  learner.predict(trial, rows, out);
  return out;
}

/// The gradient that the learner has summed up, read off a step: without momentum, and with an epsilon that
/// dwarfs the gradient, Adam moves each parameter by -1000 times its derivative. Leaves the parameters moved.
inline std::vector<double> gradient_of(Learner& learner, std::size_t trial, std::size_t count) {
  const std::vector<double> before = parameters_of(learner, trial, count);
  std::vector<std::uint8_t> active(learner.trials(), 0);
  active[trial] = 1;
  learner.step({.step = 1e12, .beta_velocity = 0, .beta_square = 0, .epsilon = 1e9}, active);
  std::vector<double> gradient = parameters_of(learner, trial, count);
  for (std::size_t i = 0; i < count; ++i) gradient[i] = (before[i] - gradient[i]) / 1000;
  return gradient;
}

/// Larger than the rounding of derivatives. With Adam's usual epsilon a derivative that is zero but for
/// rounding (of a bias that BatchNorm takes out again) becomes a whole step in either direction, so that
/// trajectories that differ by rounding part.
constexpr double steady_epsilon = 1e-3;

/// Iterations of Adam on the mean log loss, every trial with the same batch.
inline void train(Learner& learner, const Dataset& data, const std::vector<Rows>& batches, double step_size,
                  double epsilon = 1e-8) {
  double power_velocity = 1, power_square = 1;
  AdamStep adam{.step = step_size, .epsilon = epsilon};
  for (const Rows& rows : batches) {
    const std::size_t pass = forward(learner, rows);
    std::vector<std::vector<double>> derivatives(learner.trials());
    for (std::size_t t = 0; t < learner.trials(); ++t) {
      const auto predictors = learner.predictors(pass, t);
      for (std::size_t i = 0; i < rows.size(); ++i)
        derivatives[t].push_back((1 / (1 + std::exp(-predictors[i])) - data.labels[rows[i]]) /
                                 static_cast<double>(rows.size()));
    }
    backward(learner, pass, derivatives);
    adam.correction_velocity = 1 / (1 - (power_velocity *= adam.beta_velocity));
    adam.correction_square = 1 / (1 - (power_square *= adam.beta_square));
    step(learner, adam);
    learner.clear();
  }
}

}  // namespace seldon::testing

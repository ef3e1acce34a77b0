#include "engine/model/linear.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/random.h"
#include "engine/model/fit.h"
#include "engine/model/kernels.h"
#include "engine/optimizer/adam.h"

namespace seldon::engine {
namespace {

PanelMatrix gather(const Dataset& data, std::span<const std::uint32_t> rows) {
  PanelMatrix x(rows.size(), data.width);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto row = data.features.subspan(rows[i] * data.width, data.width);
    for (std::size_t j = 0; j < data.width; ++j) x.at(i, j) = row[j];
  }
  return x;
}

std::vector<double> gather_labels(const Dataset& data, std::span<const std::uint32_t> rows) {
  std::vector<double> labels(rows.size());
  std::ranges::transform(rows, labels.begin(), [&](std::uint32_t row) { return data.labels[row]; });
  return labels;
}

bool one_class(std::span<const double> labels) {
  return std::ranges::all_of(labels, [&](double label) { return label == labels.front(); });
}

/// One forward pass: its rows and predictors. The pass over all candidate rows in order uses the resident
/// matrix.
struct Pass {
  std::optional<PanelMatrix> batch;  ///< empty: the resident matrix
  std::vector<double> eta;
  std::size_t rows = 0;
};

/// The state of one trial.
struct Trial {
  PanelMatrix x;
  std::vector<double> theta, gradient, velocity, square;
  std::vector<std::vector<double>> slots;
  std::vector<Pass> passes;
  std::size_t used_passes = 0;
};

class LinearLearner final : public Learner {
 public:
  explicit LinearLearner(const LearnerRequest& request) : data_(*request.data) {
    for (std::size_t t = 0; t < request.candidate_rows.size(); ++t) {
      Trial trial{gather(data_, request.candidate_rows[t]), {}, {}, {}, {}, {}, {}, 0};
      trial.theta = start(request, t, trial.x);
      const std::size_t n = trial.theta.size();
      trial.gradient.assign(n, 0.0);
      trial.velocity.assign(n, 0.0);
      trial.square.assign(n, 0.0);
      trials_.push_back(std::move(trial));
    }
  }

  std::size_t trials() const override { return trials_.size(); }

  std::size_t forward(std::span<const std::span<const std::uint32_t>> batch) override {
    for (std::size_t t = 0; t < trials_.size(); ++t) forward(trials_[t], batch[t]);
    return trials_.front().used_passes - 1;
  }

  std::span<const double> predictors(std::size_t pass, std::size_t trial) const override {
    const Pass& p = trials_[trial].passes[pass];
    return std::span(p.eta).first(p.rows);
  }

  void backward(std::size_t pass, std::span<const std::span<const double>> d_predictors) override {
    for (std::size_t t = 0; t < trials_.size(); ++t) {
      Trial& trial = trials_[t];
      const Pass& p = trial.passes[pass];
      const PanelMatrix& x = p.batch ? *p.batch : trial.x;
      trial.gradient[0] += x.multiply_transposed(d_predictors[t], std::span(trial.gradient).subspan(1));
    }
  }

  void clear() override {
    for (Trial& trial : trials_) {
      trial.used_passes = 0;
      std::ranges::fill(trial.gradient, 0.0);
    }
  }

  void step(const AdamStep& adam, std::span<const std::uint8_t> active) override {
    for (std::size_t t = 0; t < trials_.size(); ++t)
      if (active[t])
        adam_update<double>(adam, trials_[t].gradient, trials_[t].velocity, trials_[t].square,
                            trials_[t].theta);
  }

  std::vector<double> regularise(double coefficient) override {
    std::vector<double> terms;
    for (Trial& trial : trials_) {
      double norm = 0;
      for (std::size_t j = 1; j < trial.theta.size(); ++j) {
        norm += trial.theta[j] * trial.theta[j];
        trial.gradient[j] += 2 * coefficient * trial.theta[j];
      }
      terms.push_back(coefficient * norm);
    }
    return terms;
  }

  bool finite(std::size_t trial) const override {
    return std::ranges::all_of(trials_[trial].theta, [](double value) { return std::isfinite(value); });
  }

  void save(std::size_t trial, std::size_t slot) override {
    auto& slots = trials_[trial].slots;
    if (slots.size() <= slot) slots.resize(slot + 1);
    slots[slot] = trials_[trial].theta;
  }
  void load(std::size_t trial, std::size_t slot) override {
    trials_[trial].theta = trials_[trial].slots.at(slot);
  }

  void settle(Progress&) override {}

  void predict(std::size_t trial, std::span<const std::uint32_t> rows, std::span<double> out) override {
    const auto& theta = trials_[trial].theta;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double* x = &data_.features[rows[i] * data_.width];
      double sum = theta[0];
      for (std::size_t j = 0; j < data_.width; ++j) sum += x[j] * theta[j + 1];
      out[i] = sum;
    }
  }

  std::vector<double> solution(std::size_t trial) const override { return trials_[trial].theta; }
  std::size_t solution_size() const override { return data_.width + 1; }
  void load_solution(std::size_t trial, std::span<const double> solution) override {
    if (solution.size() != solution_size())
      throw InputError("the solution has " + std::to_string(solution.size()) +
                       " numbers where this model has " + std::to_string(solution_size()) +
                       "; it was made from other features");
    trials_[trial].theta.assign(solution.begin(), solution.end());
  }

 private:
  std::vector<double> start(const LearnerRequest& request, std::size_t t, const PanelMatrix& x) const {
    std::vector<double> theta(data_.width + 1, 0.0);
    if (request.initial == "zeros" || x.rows() == 0) return theta;
    if (request.initial == "random" || request.initial == "shared_random") {
      const Stream stream =
          request.initial == "random"
              ? Stream(Purpose::initial_weights, request.seed, {request.trials[t]}, request.model_name)
              : Stream(Purpose::initial_weights, request.seed, {}, request.model_name);
      const double width = 1.0 / std::sqrt(static_cast<double>(std::max<std::size_t>(data_.width, 1)));
      for (std::size_t j = 0; j < theta.size(); ++j) theta[j] = width * (2 * stream.uniform(j) - 1);
      return theta;
    }
    const auto labels = gather_labels(data_, request.candidate_rows[t]);
    if (data_.regime == Regime::regression) return fit_least_squares(x, labels);
    return one_class(labels) ? theta : fit_logistic(x, labels);
  }

  void forward(Trial& trial, std::span<const std::uint32_t> batch) const {
    if (trial.passes.size() == trial.used_passes) trial.passes.emplace_back();
    Pass& pass = trial.passes[trial.used_passes++];
    pass.rows = batch.size();
    pass.batch.reset();
    if (batch.size() != trial.x.rows() || !is_identity(batch)) {
      pass.batch.emplace(batch.size(), trial.x.columns());
      for (std::size_t i = 0; i < batch.size(); ++i)
        for (std::size_t j = 0; j < trial.x.columns(); ++j) pass.batch->at(i, j) = trial.x.at(batch[i], j);
    }
    const PanelMatrix& x = pass.batch ? *pass.batch : trial.x;
    pass.eta.resize(x.padded_rows());
    x.multiply(std::span(trial.theta).subspan(1), trial.theta[0], pass.eta);
  }

  const Dataset& data_;
  std::vector<Trial> trials_;
};

Architecture linear(std::string name, Regime regime) {
  Architecture a;
  a.name = std::move(name);
  a.regimes = {regime};
  a.default_initial = "fit";
  a.initials = {"fit", "zeros", "random", "shared_random"};
  a.make = [](const LearnerRequest& request) { return std::make_unique<LinearLearner>(request); };
  a.solution_size = [](const Dataset& data) { return data.width + 1; };
  a.cost_per_row = [](const Dataset& data) { return static_cast<double>(data.width + 16); };
  return a;
}

}  // namespace

void register_linear(ArchitectureRegistry& registry) {
  registry.add(linear("logistic", Regime::classification));
  registry.add(linear("linear", Regime::regression));
}

}  // namespace seldon::engine

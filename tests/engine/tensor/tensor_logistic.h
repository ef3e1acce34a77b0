#pragma once
// Logistic regression as tensors over trials, in double: the smallest learner that can run the loop of
// candidate selection on a device. Off the device it is the engine's own linear learner.

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "engine/iteration.h"
#include "engine/learner.h"
#include "engine/tensor/learner.h"
#include "engine/tensor/selection.h"

namespace seldon::engine::tensor {

/// Learner and TensorLearner both have a `regularise(double)`, with results that one class cannot both give.
class OnHost : public Learner {
 public:
  std::vector<double> regularise(double coefficient) final { return regularise_on_host(coefficient); }

 protected:
  virtual std::vector<double> regularise_on_host(double coefficient) = 0;
};
class OnDevice : public TensorLearner {
 public:
  at::Tensor regularise(double coefficient) final { return regularise_on_device(coefficient); }

 protected:
  virtual at::Tensor regularise_on_device(double coefficient) = 0;
};

class TensorLogistic final : public OnHost, public OnDevice {
 public:
  /// What a test asks of it.
  struct Behaviour {
    bool on_device = true;              ///< false: the loop runs on the host
    std::int64_t broken_trial = -1;     ///< its predictors turn to NaN ...
    std::int64_t sound_iterations = 0;  ///< ... after so many iterations
    bool dependent = false;             ///< claims that predictors depend on the rows beside them
    Execution execution = {};
    std::function<std::unique_ptr<Recorder>()> recorder = [] { return nullptr; };
  };

  TensorLogistic(const LearnerRequest& request, Behaviour behaviour)
      : inner_(ArchitectureRegistry::instance().find("logistic")->make(request)),
        behaviour_(std::move(behaviour)),
        table_(table_on(*request.data, at::kCPU)),
        features_(at::empty({extent(request.data->rows), extent(request.data->width)}, at::kDouble)),
        rows_(
            at::empty({extent(request.trials.size()), extent(request.candidate_rows[0].size())}, at::kLong)),
        parameters_(at::zeros({rows_.size(0), features_.size(1) + 1}, at::kDouble)),
        gradient_(at::zeros_like(parameters_)),
        velocity_(at::zeros_like(parameters_)),
        square_(at::zeros_like(parameters_)) {
    std::ranges::copy(request.data->features, features_.data_ptr<double>());
    std::int64_t* out = rows_.data_ptr<std::int64_t>();
    for (const Rows& rows : request.candidate_rows) out = std::ranges::copy(rows, out).out;
  }

  int passes() const { return passes_; }

  // ---- Learner
  std::size_t trials() const override { return inner_->trials(); }
  std::size_t forward(std::span<const std::span<const std::uint32_t>> batch) override {
    ++passes_;
    return inner_->forward(batch);
  }
  std::span<const double> predictors(std::size_t pass, std::size_t trial) const override {
    const auto sound = inner_->predictors(pass, trial);
    if (!breaks(static_cast<std::int64_t>(trial))) return sound;
    broken_.assign(sound.size(), std::numeric_limits<double>::quiet_NaN());
    return broken_;
  }
  void backward(std::size_t pass, std::span<const std::span<const double>> d) override {
    inner_->backward(pass, d);
  }
  void clear() override { inner_->clear(); }
  void step(const AdamStep& adam, std::span<const std::uint8_t> active) override {
    inner_->step(adam, active);
  }
  bool finite(std::size_t trial) const override { return inner_->finite(trial); }
  void save(std::size_t trial, std::size_t slot) override {
    inner_->save(trial, slot);
    if (slots_.defined()) write(slots_[extent(trial)][extent(slot)], inner_->solution(trial));
  }
  void load(std::size_t trial, std::size_t slot) override {
    if (slots_.defined()) {
      inner_->load_solution(trial, read(slots_[extent(trial)][extent(slot)]));
    } else {
      inner_->load(trial, slot);
    }
  }
  void settle(Progress&) override {}
  void predict(std::size_t trial, std::span<const std::uint32_t> rows, std::span<double> out) override {
    inner_->predict(trial, rows, out);
  }
  std::vector<double> solution(std::size_t trial) const override { return inner_->solution(trial); }
  std::size_t solution_size() const override { return inner_->solution_size(); }
  void load_solution(std::size_t trial, std::span<const double> values) override {
    inner_->load_solution(trial, values);
  }
  bool batch_dependent() const override { return behaviour_.dependent; }
  bool iterate(const IterationRequest& request, std::vector<IterationResult>& results,
               Progress& progress) override {
    if (!behaviour_.on_device) return false;
    for (std::size_t t = 0; t < trials(); ++t) write(parameters_[extent(t)], inner_->solution(t));
    if (!tensor::iterate(*this, request, behaviour_.execution, results, progress, behaviour_.recorder()))
      return false;
    for (std::size_t t = 0; t < trials(); ++t) inner_->load_solution(t, read(parameters_[extent(t)]));
    return true;
  }

  // ---- TensorLearner
  at::Device device() const override { return at::kCPU; }
  const DeviceTable& table() const override { return *table_; }
  const at::Tensor& candidate_rows() const override { return rows_; }
  at::Tensor forward(const at::Tensor& rows) override {
    ++passes_;
    batch_ =
        features_.index_select(0, rows.flatten()).reshape({rows.size(0), rows.size(1), features_.size(1)});
    at::Tensor eta =
        at::matmul(batch_, weights().unsqueeze(2)).add_(parameters_.select(1, 0).reshape({-1, 1, 1}));
    for (std::int64_t t = 0; t < rows.size(0); ++t)
      if (breaks(t)) eta[t].fill_(std::numeric_limits<double>::quiet_NaN());
    return eta;
  }
  void backward(const at::Tensor& d) override {
    gradient_.copy_(at::cat({d.sum(1), at::matmul(batch_.transpose(1, 2), d).squeeze(2)}, 1));
  }
  void step(const AdamStep& adam, const at::Tensor& corrections, const at::Tensor& active) override {
    const at::Tensor v = velocity_ * adam.beta_velocity + gradient_ * (1 - adam.beta_velocity);
    const at::Tensor s = square_ * adam.beta_square + gradient_ * gradient_ * (1 - adam.beta_square);
    const at::Tensor corrected_v = v * corrections[0], corrected_s = s * corrections[1];
    const at::Tensor moved = parameters_ - adam.step * corrected_v / (corrected_s.sqrt() + adam.epsilon);
    const at::Tensor where = active.unsqueeze(1);
    parameters_.copy_(at::where(where, moved, parameters_));
    velocity_.copy_(at::where(where, adam.toolkit ? corrected_v : v, velocity_));
    square_.copy_(at::where(where, adam.toolkit ? corrected_s : s, square_));
  }
  at::Tensor finite() const override { return parameters_.isfinite().all(1); }
  void reserve_slots(std::int64_t count) override {
    slots_ = at::full({rows_.size(0), count, parameters_.size(1)}, std::numeric_limits<double>::quiet_NaN(),
                      at::kDouble);
  }
  void save(const at::Tensor& slots) override {
    slots_.scatter_(1, slots.reshape({-1, 1, 1}).expand({-1, 1, parameters_.size(1)}),
                    parameters_.unsqueeze(1));
  }

 private:
  std::vector<double> regularise_on_host(double coefficient) override {
    return inner_->regularise(coefficient);
  }
  at::Tensor regularise_on_device(double coefficient) override {
    gradient_.narrow(1, 1, features_.size(1)).add_(weights(), 2 * coefficient);
    return weights().square().sum(1).mul_(coefficient);
  }

  static std::int64_t extent(std::size_t n) { return static_cast<std::int64_t>(n); }
  static void write(const at::Tensor& row, const std::vector<double>& values) {
    std::ranges::copy(values, row.data_ptr<double>());
  }
  static std::vector<double> read(const at::Tensor& row) {
    return {row.data_ptr<double>(), row.data_ptr<double>() + row.numel()};
  }
  /// Without the intercept, which comes first.
  at::Tensor weights() const { return parameters_.narrow(1, 1, features_.size(1)); }
  /// In the present pass.
  bool breaks(std::int64_t trial) const {
    return trial == behaviour_.broken_trial && passes_ > behaviour_.sound_iterations;
  }

  std::unique_ptr<Learner> inner_;
  Behaviour behaviour_;
  std::shared_ptr<const DeviceTable> table_;
  at::Tensor features_, rows_;                            ///< [N, F], [T, n]
  at::Tensor parameters_, gradient_, velocity_, square_;  ///< [T, 1 + F]
  at::Tensor slots_;                                      ///< [T, slots, 1 + F], once reserved
  at::Tensor batch_;                                      ///< [T, B, F]
  mutable std::vector<double> broken_;
  int passes_ = 0;
};

}  // namespace seldon::engine::tensor

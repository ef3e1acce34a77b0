#pragma once
// The seam between the tensor program of candidate selection and the models that it can train: what Learner
// (engine/learner.h) does with spans on the host, here with tensors over all trials of a pack, on the model's
// device. Nothing here asks the device for a number, so that the calls can be recorded in a CUDA graph:
// shapes depend on those of the arguments alone.

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "core/error.h"
#include "engine/learner.h"
#include "engine/tensor/table.h"

namespace seldon::engine::tensor {

class TensorLearner {
 public:
  virtual ~TensorLearner() = default;

  virtual at::Device device() const = 0;
  virtual const DeviceTable& table() const = 0;
  /// [T, n] int64: the candidate rows of each trial, as rows of the table.
  virtual const at::Tensor& candidate_rows() const = 0;

  /// A training-mode pass over `rows` [T, B] (int64, rows of the table); predictors [T, B, columns] in
  /// double. Kept until `backward`.
  virtual at::Tensor forward(const at::Tensor& rows) = 0;
  /// Sets the gradient to what `d_predictors` [T, B, columns] (double) give by way of the last pass.
  virtual void backward(const at::Tensor& d_predictors) = 0;
  /// Adds the gradient of `coefficient` times the squared norm of the weights; returns the term [T] in
  /// double.
  virtual at::Tensor regularise(double coefficient) = 0;
  /// Adam where `active` [T] (bool) holds; other trials keep their bits. `corrections` [2] (double):
  /// correction_velocity and correction_square of this step, in place of those of `settings`.
  virtual void step(const AdamStep& settings, const at::Tensor& corrections, const at::Tensor& active) = 0;
  /// [T] bool: all parameters of the trial are finite.
  virtual at::Tensor finite() const = 0;

  /// Evaluation-mode predictors [T, n, columns] in double of `rows` [T, n] (int64, of the table), once
  /// settled (Learner::settle), in pieces that fit the device's memory.
  virtual at::Tensor predict_rows(const at::Tensor& rows) {
    static_cast<void>(rows);
    throw InternalError("this model cannot predict on its device");
  }

  /// Makes slots 0 .. count - 1 for each trial's parameters; Learner::load finds them there.
  virtual void reserve_slots(std::int64_t count) = 0;
  /// Keeps the present parameters of trial t in slot `slots[t]` ([T], int64).
  virtual void save(const at::Tensor& slots) = 0;
};

}  // namespace seldon::engine::tensor

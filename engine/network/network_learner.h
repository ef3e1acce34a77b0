#pragma once
// The learner of networks: T copies of one network, trained at once, for the host's loop (engine/learner.h)
// and for the tensor program of candidate selection (engine/tensor/learner.h).

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/learner.h"
#include "engine/network/forward.h"
#include "engine/network/memory.h"
#include "engine/network/network.h"
#include "engine/network/ranks.h"
#include "engine/network/shared_pass.h"
#include "engine/tensor/learner.h"

namespace seldon::engine::network {

using RowView = std::span<const std::uint32_t>;

/// Both seams have a function `regularise`, alike but for what it returns; here each has a name of its own.
class HostSeam : public Learner {
 public:
  std::vector<double> regularise(double coefficient) final { return regularise_for_host(coefficient); }

 protected:
  virtual std::vector<double> regularise_for_host(double coefficient) = 0;
};
class DeviceSeam : public tensor::TensorLearner {
 public:
  at::Tensor regularise(double coefficient) final { return regularise_on_device(coefficient); }

 protected:
  virtual at::Tensor regularise_on_device(double coefficient) = 0;
};

class NetworkLearner final : public HostSeam, public DeviceSeam {
 public:
  NetworkLearner(const Network& network, const LearnerRequest& request);

  // ---- Learner
  std::size_t trials() const override { return candidates_.size(); }
  std::size_t columns() const override { return network_.outputs() == 2 ? 1 : network_.outputs(); }

  std::size_t forward(std::span<const RowView> batch) override;
  std::span<const double> predictors(std::size_t pass, std::size_t trial) const override;
  void backward(std::size_t pass, std::span<const std::span<const double>> d_predictors) override;
  void clear() override;
  void step(const AdamStep& adam, std::span<const std::uint8_t> active) override;

  bool finite(std::size_t trial) const override;
  void save(std::size_t trial, std::size_t slot) override;
  void load(std::size_t trial, std::size_t slot) override;

  bool settles() const override { return !network_.normalised().empty() && !toolkit_; }
  void settle(Progress& progress) override;
  bool batch_dependent() const override { return !network_.normalised().empty() && toolkit_; }
  void predict(std::size_t trial, RowView rows, std::span<double> out) override;
  void predict_all(std::span<const RowView> rows, std::span<const std::span<double>> out) override;
  bool predicts_together() const override { return on_device_; }
  bool evaluate(const Truth& truth, const EvaluationOptions& options, std::vector<TrialScores>& out) override;

  bool iterate(const IterationRequest& request, std::vector<IterationResult>& results,
               Progress& progress) override;

  std::vector<double> solution(std::size_t trial) const override;
  std::size_t solution_size() const override {
    return network_.parameter_count() + network_.statistic_count();
  }
  void load_solution(std::size_t trial, std::span<const double> solution) override;

  // ---- TensorLearner
  at::Device device() const override { return device_; }
  const tensor::DeviceTable& table() const override;
  const at::Tensor& candidate_rows() const override { return candidate_rows_; }

  at::Tensor forward(const at::Tensor& rows) override;
  void backward(const at::Tensor& d_predictors) override;
  void step(const AdamStep& settings, const at::Tensor& corrections, const at::Tensor& active) override;
  at::Tensor finite() const override;
  at::Tensor predict_rows(const at::Tensor& rows) override;
  void reserve_slots(std::int64_t count) override;
  void save(const at::Tensor& slots) override;

 private:
  struct Pass {
    std::shared_ptr<const SharedPass> shared;  ///< where the batch lies on several ranks
    at::Tensor own;         ///< [T, rows of this rank, columns] in double, with its graph until `backward`
    at::Tensor predictors;  ///< [T, B, columns], of all ranks
    at::Tensor host;        ///< the same on the host, in one piece; for the host's loop
    bool spent = false;
  };
  /// A trial's or some neighbouring trials' share of the state, as a network of that width.
  struct Part {
    std::vector<at::Tensor> parameters;
    std::vector<Statistics> statistics;  ///< empty: each batch has its own
    std::int64_t trials = 1;
  };

  std::vector<double> regularise_for_host(double coefficient) override;
  at::Tensor regularise_on_device(double coefficient) override;

  at::TensorOptions options(at::ScalarType type) const { return at::TensorOptions(device_).dtype(type); }
  Method method() const;
  /// f(), with LibTorch's word that memory ran out turned into advice.
  template <class F>
  auto within_memory(std::size_t batch, F f) const;

  // Input of this rank's share of a batch: rows of the table by trial, all as many.
  at::Tensor input(std::span<const RowView> rows) const;
  at::Tensor input(const at::Tensor& rows) const;
  /// Of these rows themselves, all of them this rank's.
  at::Tensor own_input(const at::Tensor& rows) const;
  at::Tensor to_device(std::span<const RowView> rows) const;
  /// The last activation in training mode, and the pass where ranks share it.
  at::Tensor run_in_training(const at::Tensor& input, std::span<const at::Tensor> parameters,
                             std::int64_t rows, std::shared_ptr<const SharedPass>& shared) const;
  Pass run_training_pass(const at::Tensor& input, std::int64_t rows);
  /// Derivatives of each parameter by way of a pass, this rank's part.
  std::vector<at::Tensor> parts_of_gradient(const Pass& pass, const at::Tensor& d_predictors) const;
  at::Tensor squared_norms(double coefficient);
  void changed(std::size_t trial);

  Part part(std::size_t first, std::size_t count) const;
  std::size_t rows_at_once(std::size_t trials) const;
  std::size_t settled_together(std::size_t rows) const;
  void require_settled(std::size_t first, std::size_t count) const;
  void settle_on_host(std::size_t trial, Progress& progress);
  void settle_on_device(std::size_t first, std::size_t count, Progress& progress);
  void predict_on_host(std::size_t trial, RowView rows, std::span<double> out);
  at::Tensor predict_on_device(const Part& part, const at::Tensor& rows);

  Network network_;
  const Dataset& data_;
  std::vector<Rows> candidates_;
  bool toolkit_;
  std::size_t evaluation_batch_;
  Execution execution_;
  Ranks ranks_;
  at::Device device_;
  bool on_device_;  ///< batches, settling and predictions by tensor operations, also where that is the CPU
  std::shared_ptr<const tensor::DeviceTable> table_;
  at::Tensor candidate_rows_;  ///< [T, n] on the device; undefined where trials differ in their number

  at::Tensor parameters_, gradient_, velocity_, square_;  ///< [T, P]
  std::vector<at::Tensor> leaves_;                        ///< of the graphs: views of parameters_
  std::vector<Pass> passes_;                              ///< of the host's loop
  Pass pass_;                                             ///< of the tensor program
  at::Tensor slots_;                                      ///< [slots, T, P]
  std::vector<Statistics> statistics_;                    ///< [BatchNorm stage], [T * C] each
  std::vector<std::uint8_t> settled_;                     ///< [trial] statistics_ belong to the parameters
  mutable std::vector<std::uint8_t> finite_;              ///< [trial], empty until asked
};

template <class F>
auto NetworkLearner::within_memory(std::size_t batch, F f) const {
  try {
    return f();
  } catch (const c10::Error& error) {
    if (!is_out_of_memory(error)) throw;
    throw pack_too_large(network_, trials(), batch, execution_, error.what_without_backtrace());
  }
}

}  // namespace seldon::engine::network

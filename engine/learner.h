#pragma once
// The seam between the algorithm and the models: T copies of a model (the trial dimension), each with its own
// parameters and its own rows, driven at the level of *predictors*: log-odds for binary classification (p of
// class 1 is their logistic function; a softmax over two outputs has the predictor o1 - o0), logits for
// several classes, the prediction for regression. The algorithm turns predictors into probabilities, losses
// and constraints, and gives back the derivative of the Lagrangian by each predictor; the learner turns that
// into parameters' gradients. At this level no saturated probability makes 0 times infinity. Linear models
// implement it with fused kernels on plain arrays, networks with LibTorch.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/progress.h"
#include "engine/dataset/dataset.h"
#include "engine/execution.h"

namespace seldon::engine {

struct IterationRequest;  // engine/iteration.h
struct IterationResult;
struct Truth;  // engine/evaluation.h
struct EvaluationOptions;
struct TrialScores;

/// The scalars of one step of Adam, the same for all parameters of a trial.
/// textbook (Kingma and Ba 2015, algorithm 1): v <- bv v + (1-bv) g; s <- bs s + (1-bs) g^2;
///   theta -= step (v correction_velocity) / (sqrt(s correction_square) + epsilon), v and s kept uncorrected.
/// toolkit (docs/semantics.md): the corrected v and s are stored back.
struct AdamStep {
  bool toolkit = false;
  double step = 0.01;
  double beta_velocity = 0.9, beta_square = 0.95;
  double correction_velocity = 1, correction_square = 1;  ///< 1 / (1 - beta^(t+1))
  double epsilon = 1e-8;
};

class Learner {
 public:
  virtual ~Learner() = default;

  virtual std::size_t trials() const = 0;
  /// Predictors per row: 1 for binary classification (log-odds of class 1) and regression, K for K classes.
  virtual std::size_t columns() const { return 1; }

  /// One training-mode forward pass. `batch[t]` are the rows of trial t as positions in its candidate rows;
  /// all trials' batches have one size. The pass is kept until `clear`; returns its number (0, 1, ...).
  virtual std::size_t forward(std::span<const std::span<const std::uint32_t>> batch) = 0;
  /// Predictors of trial t in that pass: batch x columns.
  virtual std::span<const double> predictors(std::size_t pass, std::size_t trial) const = 0;
  /// Adds the gradient that `d_predictors[t]` (batch x columns) give by way of that pass.
  virtual void backward(std::size_t pass, std::span<const std::span<const double>> d_predictors) = 0;
  /// Forgets all passes and sets the gradient to zero.
  virtual void clear() = 0;
  /// Adam on each trial whose `active[t]` is not 0; the others stay as they are, bit by bit.
  virtual void step(const AdamStep& adam, std::span<const std::uint8_t> active) = 0;
  /// Adds the gradient of `coefficient` times the squared norm of the weights (intercepts and biases free)
  /// and returns that term's value per trial.
  virtual std::vector<double> regularise(double coefficient) = 0;

  /// Whether all parameters of the trial are finite.
  virtual bool finite(std::size_t trial) const = 0;

  /// Keeps the trial's present parameters in a slot (0, 1, ...), or brings them back.
  virtual void save(std::size_t trial, std::size_t slot) = 0;
  virtual void load(std::size_t trial, std::size_t slot) = 0;

  /// Before evaluation: what training mode estimates per batch is estimated from all candidate rows
  /// (BatchNorm). A no-op for models without such statistics, which say so by `settles()`.
  virtual void settle(Progress& progress) = 0;
  virtual bool settles() const { return false; }
  /// Evaluation-mode predictors of rows of the table (indices into the Dataset, not the candidate rows) by
  /// trial t. out: rows x columns.
  virtual void predict(std::size_t trial, std::span<const std::uint32_t> rows, std::span<double> out) = 0;
  /// The same for all trials at once, `rows[t]` and `out[t]` those of trial t, as many for each.
  virtual void predict_all(std::span<const std::span<const std::uint32_t>> rows,
                           std::span<const std::span<double>> out) {
    for (std::size_t t = 0; t < trials(); ++t) predict(t, rows[t], out[t]);
  }
  /// Whether `predict_all` costs less than as many calls of `predict` as there are trials in need of it.
  virtual bool predicts_together() const { return false; }
  /// The scores of all trials over a ground truth, with their sums over subgroups, for learners on a device:
  /// one entry of `out` per trial. False: the caller does it by `predict`.
  virtual bool evaluate(const Truth& truth, const EvaluationOptions& options, std::vector<TrialScores>& out) {
    static_cast<void>(truth), static_cast<void>(options), static_cast<void>(out);
    return false;
  }

  /// Runs the whole loop of candidate selection itself, one result per trial, with the iterates to choose
  /// from kept in slots: for learners on a device that is not to be asked in between. False: the caller runs
  /// the loop by the functions above.
  virtual bool iterate(const IterationRequest& request, std::vector<IterationResult>& results,
                       Progress& progress) {
    static_cast<void>(request), static_cast<void>(results), static_cast<void>(progress);
    return false;
  }

  /// True where a row's predictor depends on the other rows of its pass even in evaluation (batchnorm =
  /// "toolkit"): then every conditional base node gets a pass of its own, over its masked rows.
  virtual bool batch_dependent() const { return false; }

  /// The solution of trial t as stored: parameters, then statistics.
  virtual std::vector<double> solution(std::size_t trial) const = 0;
  virtual std::size_t solution_size() const = 0;
  /// Makes trial t a stored solution; InputError where the size is not solution_size().
  virtual void load_solution(std::size_t trial, std::span<const double> solution) = 0;
};

/// What a model is asked to build a learner from.
struct LearnerRequest {
  const Dataset* data = nullptr;
  std::vector<Rows> candidate_rows;   ///< [trial] rows of the table
  std::vector<std::uint32_t> trials;  ///< [trial] their numbers in the experiment: keys of random draws
  std::uint64_t seed = 0;
  std::string model_name;  ///< key of random draws
  std::string initial;     ///< "fit", "zeros", "random", "shared_random", or "" for the model's default
  std::string batchnorm = "reestimated";  ///< or "toolkit"
  std::size_t evaluation_batch = 2000;
  Execution execution = {};
};

/// A kind of model, as `architecture` in a config names it; one file registers each (docs/extending.md).
struct Architecture {
  std::string name;
  bool network = false;  ///< default pack size on a CPU: 1 for networks, else 25
  std::vector<Regime> regimes;
  std::string default_initial;
  std::vector<std::string> initials;  ///< initial solutions that it can start from
  std::function<std::unique_ptr<Learner>(const LearnerRequest&)> make;
  /// Values per solution, for the record's layout, and multiply-adds per row of a forward pass, for the cost
  /// model.
  std::function<std::size_t(const Dataset&)> solution_size;
  std::function<double(const Dataset&)> cost_per_row;
  /// Bytes of a device's memory that one trial of a pack takes while it trains with batches of so many rows,
  /// for the choice of the pack size there; null where the model runs on the CPU only.
  std::function<double(const Dataset&, std::size_t batch, const Execution&)> memory_per_trial = nullptr;
};

class ArchitectureRegistry {
 public:
  static ArchitectureRegistry& instance();
  void add(Architecture architecture);
  const Architecture* find(std::string_view name) const;
  std::vector<std::string> names() const;

 private:
  ArchitectureRegistry();
  std::deque<Architecture> architectures_;  // pointers stay good
};

}  // namespace seldon::engine

// The Learner of networks (engine/learner.h): T copies of one network, trained at once.

#include <algorithm>
#include <limits>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.h"
#include "engine/network/adam.h"
#include "engine/network/batch.h"
#include "engine/network/forward.h"
#include "engine/network/network.h"

namespace seldon::engine::network {
namespace {

/// Rows of a pass in evaluation: about the training batches of the published experiments, whose activations
/// stay near the caches.
constexpr std::size_t evaluation_rows = 250;

std::int64_t extent(std::size_t n) {
  return static_cast<std::int64_t>(n);
}

using Chunk = std::span<const std::uint32_t>;

std::vector<Chunk> chunks_of(Chunk rows, std::size_t size) {
  std::vector<Chunk> chunks;
  for (std::size_t first = 0; first < rows.size(); first += size)
    chunks.push_back(rows.subspan(first, std::min(size, rows.size() - first)));
  return chunks;
}

at::Tensor gather_one(const Dataset& data, Chunk rows) {
  return gather(data, std::span<const Chunk>(&rows, 1));
}

/// All trials' parameters [T, P], drawn or shared as the request says.
at::Tensor initial_parameters(const Network& network, const LearnerRequest& request) {
  const bool shared = request.initial == "shared_random";
  if (!shared && !request.initial.empty() && request.initial != "random")
    throw InputError("initial_solution = \"" + request.initial +
                     "\" is not possible for a network, which starts from random weights: use \"random\" or "
                     "\"shared_random\" (one for all trials)");
  at::Tensor flat = at::empty({extent(request.trials.size()), extent(network.parameter_count())}, at::kFloat);
  for (std::size_t t = 0; t < request.trials.size(); ++t) {
    const Stream draws =
        shared ? Stream(Purpose::initial_weights, request.seed, {}, request.model_name)
               : Stream(Purpose::initial_weights, request.seed, {request.trials[t]}, request.model_name);
    const std::vector<float> values = network.initial(draws);
    std::copy(values.begin(), values.end(), flat.data_ptr<float>() + t * values.size());
  }
  return flat;
}

class NetworkLearner final : public Learner {
 public:
  NetworkLearner(const Network& network, const LearnerRequest& request);

  std::size_t trials() const override { return candidates_.size(); }
  std::size_t columns() const override { return network_.outputs() == 2 ? 1 : network_.outputs(); }

  std::size_t forward(std::span<const Chunk> batch) override;
  std::span<const double> predictors(std::size_t pass, std::size_t trial) const override;
  void backward(std::size_t pass, std::span<const std::span<const double>> d_predictors) override;
  void clear() override;
  void step(const AdamStep& adam, std::span<const std::uint8_t> active) override;
  std::vector<double> regularise(double coefficient) override;

  bool finite(std::size_t trial) const override;
  void save(std::size_t trial, std::size_t slot) override;
  void load(std::size_t trial, std::size_t slot) override;

  void settle(Progress& progress) override;
  bool settles() const override { return !network_.normalised().empty() && !toolkit_; }
  void predict(std::size_t trial, Chunk rows, std::span<double> out) override;
  bool batch_dependent() const override { return !network_.normalised().empty() && toolkit_; }

  std::vector<double> solution(std::size_t trial) const override;
  std::size_t solution_size() const override {
    return network_.parameter_count() + network_.statistic_count();
  }
  void load_solution(std::size_t trial, std::span<const double> solution) override;

 private:
  struct Pass {
    at::Tensor predictors;  ///< [T, B, columns] in double, with its graph until `backward`
    bool spent = false;
  };

  /// Trial t's parameters as those of a network with T = 1.
  std::vector<at::Tensor> single(std::size_t trial) const {
    return parameter_views(network_, parameters_.narrow(0, extent(trial), 1));
  }
  void settle_trial(std::size_t trial, Progress& progress);

  Network network_;
  const Dataset& data_;
  std::vector<Rows> candidates_;
  bool toolkit_;
  std::size_t evaluation_batch_;

  at::Tensor parameters_, gradient_, velocity_, square_;  ///< [T, P]
  std::vector<at::Tensor> leaves_;                        ///< of the graphs: views of parameters_
  std::vector<Pass> passes_;
  std::vector<std::vector<at::Tensor>> slots_;       ///< [trial][slot]
  std::vector<std::vector<Statistics>> statistics_;  ///< [trial][BatchNorm stage], empty until settled
};

NetworkLearner::NetworkLearner(const Network& network, const LearnerRequest& request)
    : network_(network),
      data_(*request.data),
      candidates_(request.candidate_rows),
      toolkit_(request.batchnorm == "toolkit"),
      evaluation_batch_(std::max<std::size_t>(request.evaluation_batch, 1)),
      parameters_(initial_parameters(network, request)),
      gradient_(at::zeros_like(parameters_)),
      velocity_(at::zeros_like(parameters_)),
      square_(at::zeros_like(parameters_)),
      leaves_(parameter_views(network, parameters_)),
      slots_(request.trials.size()),
      statistics_(request.trials.size()) {
  if (!toolkit_ && request.batchnorm != "reestimated")
    throw InputError("batchnorm = \"" + request.batchnorm +
                     "\" is unknown: use \"reestimated\" or \"toolkit\"");
  // Leaves of their own, so that autograd gives one gradient each and none the size of all parameters.
  for (at::Tensor& leaf : leaves_) leaf = leaf.detach().set_requires_grad(true);
}

// ---- training
// ----------------------------------------------------------------------------------------------------

std::size_t NetworkLearner::forward(std::span<const Chunk> batch) {
  std::vector<Rows> rows(trials());
  for (std::size_t t = 0; t < trials(); ++t)
    for (std::uint32_t position : batch[t]) rows[t].push_back(candidates_[t][position]);
  const std::vector<Chunk> views(rows.begin(), rows.end());
  if (std::ranges::any_of(rows, [&](const Rows& r) { return r.empty() || r.size() != rows[0].size(); }))
    throw InternalError("the trials of a pack were given empty or unequal batches");
  const at::Tensor last =
      run_layers(network_, 0, network_.layers().size(), gather(data_, views), leaves_, {});
  passes_.push_back({to_predictors(last, extent(trials()))});
  return passes_.size() - 1;
}

std::span<const double> NetworkLearner::predictors(std::size_t pass, std::size_t trial) const {
  const at::Tensor& all = passes_.at(pass).predictors;
  const auto size = static_cast<std::size_t>(all.size(1) * all.size(2));
  return {all.data_ptr<double>() + trial * size, size};
}

void NetworkLearner::backward(std::size_t pass, std::span<const std::span<const double>> d_predictors) {
  Pass& graph = passes_.at(pass);
  if (std::exchange(graph.spent, true)) throw InternalError("backward was called twice for one forward pass");
  at::Tensor direction = at::empty(graph.predictors.sizes(), at::kDouble);
  double* out = direction.data_ptr<double>();
  for (const std::span<const double> derivatives : d_predictors)
    out = std::ranges::copy(derivatives, out).out;

  const auto gradients = torch::autograd::grad({graph.predictors}, leaves_, {direction});
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> sums = parameter_views(network_, gradient_);
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i].add_(gradients[i]);
}

void NetworkLearner::clear() {
  passes_.clear();
  gradient_.zero_();
}

void NetworkLearner::step(const AdamStep& adam, std::span<const std::uint8_t> active) {
  adam_step(adam, active, gradient_, parameters_, velocity_, square_);
  for (std::size_t t = 0; t < trials(); ++t)
    if (active[t]) statistics_[t].clear();
}

std::vector<double> NetworkLearner::regularise(double coefficient) {
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> sums = parameter_views(network_, gradient_);
  std::vector<double> values(trials(), 0.0);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (!network_.parameters()[i].penalised) continue;
    sums[i].add_(leaves_[i], 2 * coefficient);
    const at::Tensor squares = leaves_[i].to(at::kDouble).square().sum(1);
    for (std::size_t t = 0; t < trials(); ++t) values[t] += coefficient * squares.data_ptr<double>()[t];
  }
  return values;
}

bool NetworkLearner::finite(std::size_t trial) const {
  return parameters_[extent(trial)].isfinite().all().item<bool>();
}

void NetworkLearner::save(std::size_t trial, std::size_t slot) {
  if (slots_[trial].size() <= slot) slots_[trial].resize(slot + 1);
  slots_[trial][slot] = parameters_[extent(trial)].clone();
}

void NetworkLearner::load(std::size_t trial, std::size_t slot) {
  parameters_[extent(trial)].copy_(slots_[trial].at(slot));
  statistics_[trial].clear();
}

// ---- evaluation
// --------------------------------------------------------------------------------------------------

void NetworkLearner::settle(Progress& progress) {
  if (!settles()) return;
  for (std::size_t t = 0; t < trials(); ++t)
    if (statistics_[t].empty()) settle_trial(t, progress);
}

/// Stage by stage: what a BatchNorm stage gets depends on the statistics of those before it. The activations
/// before the stage in hand are kept, so that all of it costs little more than one forward pass; at the first
/// stage of the face CNN they take 36 KiB per row.
void NetworkLearner::settle_trial(std::size_t trial, Progress& progress) {
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> parameters = single(trial);
  const std::vector<Chunk> chunks = chunks_of(candidates_[trial], evaluation_rows);
  std::vector<at::Tensor> activations(chunks.size());
  std::vector<Statistics> known(network_.normalised().size());
  std::size_t done = 0;
  for (std::size_t i = 0; i < network_.layers().size(); ++i) {
    const Layer& layer = network_.layers()[i];
    if (!std::holds_alternative<BatchNorm>(layer.stage)) continue;
    ChannelMoments moments(layer.in.channels);
    for (std::size_t k = 0; k < chunks.size(); ++k) {
      if (progress.tick() == Order::stop) throw Stopped{};
      const at::Tensor before = done == 0 ? gather_one(data_, chunks[k]) : std::exchange(activations[k], {});
      activations[k] = run_layers(network_, done, i, before, parameters, known);
      moments.add_to_mean(activations[k]);
    }
    moments.end_mean();
    for (const at::Tensor& activation : activations) moments.add_to_variance(activation);
    known[layer.statistics] = moments.end();
    done = i;
  }
  statistics_[trial] = std::move(known);
}

void NetworkLearner::predict(std::size_t trial, Chunk rows, std::span<double> out) {
  if (settles() && statistics_[trial].empty())
    throw InternalError("a network was asked to predict before settle()");
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> parameters = single(trial);
  const std::size_t size =
      batch_dependent() ? evaluation_batch_ : std::min(evaluation_batch_, evaluation_rows);
  double* place = out.data();
  for (const Chunk chunk : chunks_of(rows, size)) {
    const at::Tensor last = run_layers(network_, 0, network_.layers().size(), gather_one(data_, chunk),
                                       parameters, statistics_[trial]);
    const at::Tensor values = to_predictors(last, 1);
    place = std::copy_n(values.data_ptr<double>(), values.numel(), place);
  }
}

// ---- solutions
// ---------------------------------------------------------------------------------------------------

std::vector<double> NetworkLearner::solution(std::size_t trial) const {
  const float* const first = parameters_.data_ptr<float>() + trial * network_.parameter_count();
  std::vector<double> values(first, first + network_.parameter_count());
  const auto append = [&](const at::Tensor& part) {
    values.insert(values.end(), part.data_ptr<float>(), part.data_ptr<float>() + part.numel());
  };
  for (const Statistics& statistics : statistics_[trial]) {
    append(statistics.mean);
    append(statistics.variance);
  }
  // With batchnorm = "toolkit" there are no statistics.
  values.resize(solution_size(), std::numeric_limits<double>::quiet_NaN());
  return values;
}

void NetworkLearner::load_solution(std::size_t trial, std::span<const double> solution) {
  if (solution.size() != solution_size())
    throw InputError("a solution of " + std::to_string(solution.size()) +
                     " values was given to a network of " + std::to_string(solution_size()) +
                     ": it belongs to another architecture or other data");
  const auto take = [&](float* out, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<float>(solution[i]);
    solution = solution.subspan(count);
  };
  take(parameters_.data_ptr<float>() + trial * network_.parameter_count(), network_.parameter_count());
  statistics_[trial].clear();
  if (!settles()) return;
  for (std::size_t channels : network_.normalised()) {
    Statistics statistics{at::empty({extent(channels)}, at::kFloat),
                          at::empty({extent(channels)}, at::kFloat)};
    take(statistics.mean.data_ptr<float>(), channels);
    take(statistics.variance.data_ptr<float>(), channels);
    statistics_[trial].push_back(std::move(statistics));
  }
}

}  // namespace

std::unique_ptr<Learner> make_network_learner(const Network& network, const LearnerRequest& request) {
  return std::make_unique<NetworkLearner>(network, request);
}

Architecture network_architecture(std::string name, std::vector<Regime> regimes,
                                  std::function<std::vector<Stage>(const Dataset&)> stages) {
  const auto plan = [stages = std::move(stages)](const Dataset& data) {
    return Network(stages(data), input_shape(data));
  };
  Architecture architecture;
  architecture.name = std::move(name);
  architecture.network = true;
  architecture.regimes = std::move(regimes);
  architecture.default_initial = "random";
  architecture.initials = {"random", "shared_random"};
  architecture.make = [plan](const LearnerRequest& request) {
    return make_network_learner(plan(*request.data), request);
  };
  architecture.solution_size = [plan](const Dataset& data) {
    const Network network = plan(data);
    return network.parameter_count() + network.statistic_count();
  };
  architecture.cost_per_row = [plan](const Dataset& data) { return plan(data).multiply_adds(); };
  return architecture;
}

}  // namespace seldon::engine::network

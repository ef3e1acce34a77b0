#include "engine/network/network_learner.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.h"
#include "engine/network/adam.h"
#include "engine/network/batch.h"
#include "engine/network/torch_setup.h"
#include "engine/tensor/selection.h"

namespace seldon::engine::network {
namespace {

std::int64_t extent(std::size_t n) {
  return static_cast<std::int64_t>(n);
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

at::Device device_named(const std::string& name) {
  try {
    return at::Device(name);
  } catch (const c10::Error& error) {
    throw InputError("device = \"" + name + "\" is not known to LibTorch (" + error.what_without_backtrace() +
                     "): use \"cpu\" or \"cuda\"");
  }
}

bool equally_long(const std::vector<Rows>& rows) {
  return std::ranges::all_of(rows, [&](const Rows& r) { return r.size() == rows.front().size(); });
}

/// float32 values on the host, wherever they lie.
std::vector<double> to_host(const at::Tensor& values) {
  const at::Tensor host = values.cpu().contiguous();
  const float* const first = host.data_ptr<float>();
  return std::vector<double>(first, first + host.numel());
}

}  // namespace

NetworkLearner::NetworkLearner(const Network& network, const LearnerRequest& request)
    : network_(network),
      data_(*request.data),
      candidates_(request.candidate_rows),
      toolkit_(request.batchnorm == "toolkit"),
      evaluation_batch_(std::max<std::size_t>(request.evaluation_batch, 1)),
      execution_(request.execution),
      ranks_(request.execution.collective),
      device_(device_named(request.execution.device)),
      on_device_(!device_.is_cpu() || request.execution.tensor_program),
      settled_(request.trials.size(), 0) {
  if (!toolkit_ && request.batchnorm != "reestimated")
    throw InputError("batchnorm = \"" + request.batchnorm +
                     "\" is unknown: use \"reestimated\" or \"toolkit\"");
  within_memory(0, [&] {
    parameters_ = initial_parameters(network, request).to(device_);
    gradient_ = at::zeros_like(parameters_);
    velocity_ = at::zeros_like(parameters_);
    square_ = at::zeros_like(parameters_);
    if (on_device_ || !ranks_.alone()) table_ = tensor::table_on(data_, device_);
    if (on_device_ && equally_long(candidates_)) {
      const std::vector<RowView> views(candidates_.begin(), candidates_.end());
      candidate_rows_ = to_device(views);
    }
  });
  // Leaves of their own, so that autograd gives one gradient each and none the size of all parameters.
  leaves_ = parameter_views(network_, parameters_);
  for (at::Tensor& leaf : leaves_) leaf = leaf.detach().set_requires_grad(true);
  if (!settles()) return;
  for (const std::size_t channels : network_.normalised()) {
    const std::int64_t all = extent(trials() * channels);
    statistics_.push_back({at::zeros({all}, options(at::kFloat)), at::zeros({all}, options(at::kFloat))});
  }
}

Method NetworkLearner::method() const {
  if (device_.is_cuda()) set_precision(execution_.precision);
  return {.convolutions = execution_.convolutions, .precision = execution_.precision};
}

const tensor::DeviceTable& NetworkLearner::table() const {
  if (!table_) throw InternalError("this learner runs on the host and has no table on a device");
  return *table_;
}

// ---- batches
// -----------------------------------------------------------------------------------------------------

at::Tensor NetworkLearner::to_device(std::span<const RowView> rows) const {
  const at::Tensor numbers = at::empty({extent(rows.size()), extent(rows[0].size())}, at::kLong);
  std::int64_t* out = numbers.data_ptr<std::int64_t>();
  for (const RowView view : rows) out = std::ranges::copy(view, out).out;
  return numbers.to(device_);
}

at::Tensor NetworkLearner::input(std::span<const RowView> rows) const {
  if (on_device_) return input(to_device(rows));
  const Ranks::Slice slice = ranks_.slice(extent(rows[0].size()));
  const auto first = static_cast<std::size_t>(slice.count > 0 ? slice.first : 0);
  std::vector<RowView> own;
  for (const RowView view : rows)
    own.push_back(view.subspan(first, static_cast<std::size_t>(std::max<std::int64_t>(slice.count, 1))));
  return gather(data_, own);
}

at::Tensor NetworkLearner::input(const at::Tensor& rows) const {
  const Ranks::Slice slice = ranks_.slice(rows.size(1));
  return own_input(slice.count > 0 ? rows.narrow(1, slice.first, slice.count) : rows.narrow(1, 0, 1));
}

at::Tensor NetworkLearner::own_input(const at::Tensor& rows) const {
  // Patches are read along rows of a picture, grouped convolutions want channels side by side.
  const bool unfolded = execution_.convolutions == Convolutions::unfolded && network_.input().height > 1;
  return gather(*table_, network_.input(), rows,
                unfolded ? at::MemoryFormat::Contiguous : at::MemoryFormat::ChannelsLast);
}

at::Tensor NetworkLearner::run_in_training(const at::Tensor& input, std::span<const at::Tensor> parameters,
                                           std::int64_t rows,
                                           std::shared_ptr<const SharedPass>& shared) const {
  if (ranks_.alone())
    return run_layers(network_, 0, network_.layers().size(), input, parameters, {}, method());
  shared = std::make_shared<SharedPass>(network_, input, parameters, method(), ranks_, rows,
                                        ranks_.slice(rows).count > 0);
  return shared->output();
}

NetworkLearner::Pass NetworkLearner::run_training_pass(const at::Tensor& input, std::int64_t rows) {
  Pass pass;
  {
    const at::AutoGradMode with_graph(true);
    pass.own = to_predictors(run_in_training(input, leaves_, rows, pass.shared), extent(trials()));
  }
  const at::NoGradGuard no_grad;
  pass.predictors = pass.own.detach();
  if (ranks_.alone()) return pass;
  const at::Tensor counted = pass.predictors.narrow(1, 0, ranks_.slice(rows).count);
  pass.predictors = ranks_.gather(counted.transpose(0, 1), rows).transpose(0, 1).contiguous();
  return pass;
}

std::vector<at::Tensor> NetworkLearner::parts_of_gradient(const Pass& pass,
                                                          const at::Tensor& d_predictors) const {
  if (ranks_.alone()) return torch::autograd::grad({pass.own}, leaves_, {d_predictors});
  const Ranks::Slice slice = ranks_.slice(d_predictors.size(1));
  const bool counts = slice.count > 0;
  auto gradients =
      pass.shared->backward(pass.own, counts ? d_predictors.narrow(1, slice.first, slice.count).contiguous()
                                             : at::zeros_like(pass.own));
  // What a stand-in for no rows gives is nobody's.
  if (!counts)
    for (at::Tensor& gradient : gradients) gradient = at::zeros_like(gradient);
  return gradients;
}

// ---- training for the host's loop
// ---------------------------------------------------------------------------------

std::size_t NetworkLearner::forward(std::span<const RowView> batch) {
  std::vector<Rows> rows(trials());
  for (std::size_t t = 0; t < trials(); ++t)
    for (std::uint32_t position : batch[t]) rows[t].push_back(candidates_[t][position]);
  if (rows[0].empty() || !equally_long(rows))
    throw InternalError("the trials of a pack were given empty or unequal batches");
  const std::vector<RowView> views(rows.begin(), rows.end());
  passes_.push_back(within_memory(rows[0].size(), [&] {
    Pass pass = run_training_pass(input(views), extent(rows[0].size()));
    ranks_.wait_for(device_);
    pass.host = pass.predictors.cpu().contiguous();
    return pass;
  }));
  return passes_.size() - 1;
}

std::span<const double> NetworkLearner::predictors(std::size_t pass, std::size_t trial) const {
  const at::Tensor& all = passes_.at(pass).host;
  const auto size = static_cast<std::size_t>(all.size(1) * all.size(2));
  return {all.data_ptr<double>() + trial * size, size};
}

void NetworkLearner::backward(std::size_t number, std::span<const std::span<const double>> d_predictors) {
  Pass& pass = passes_.at(number);
  if (std::exchange(pass.spent, true)) throw InternalError("backward was called twice for one forward pass");
  const at::Tensor direction = at::empty(pass.predictors.sizes(), at::kDouble);
  double* out = direction.data_ptr<double>();
  for (const std::span<const double> derivatives : d_predictors)
    out = std::ranges::copy(derivatives, out).out;

  within_memory(static_cast<std::size_t>(pass.predictors.size(1)), [&] {
    std::vector<at::Tensor> gradients = parts_of_gradient(pass, direction.to(device_));
    const at::NoGradGuard no_grad;
    if (!ranks_.alone()) {
      const at::Tensor all = at::cat(gradients, 1);
      ranks_.sum(all);
      ranks_.wait_for(device_);  // the next step asks for numbers
      gradients = parameter_views(network_, all);
    }
    const std::vector<at::Tensor> sums = parameter_views(network_, gradient_);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i].add_(gradients[i]);
  });
}

void NetworkLearner::clear() {
  passes_.clear();
  gradient_.zero_();
}

void NetworkLearner::step(const AdamStep& adam, std::span<const std::uint8_t> active) {
  adam_step(adam, active, gradient_, parameters_, velocity_, square_);
  for (std::size_t t = 0; t < trials(); ++t)
    if (active[t]) changed(t);
}

at::Tensor NetworkLearner::squared_norms(double coefficient) {
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> sums = parameter_views(network_, gradient_);
  at::Tensor values = at::zeros({extent(trials())}, options(at::kDouble));
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (!network_.parameters()[i].penalised) continue;
    sums[i].add_(leaves_[i], 2 * coefficient);
    values.add_(leaves_[i].to(at::kDouble).square().sum(1).mul_(coefficient));
  }
  return values;
}

std::vector<double> NetworkLearner::regularise_for_host(double coefficient) {
  const at::Tensor values = squared_norms(coefficient).cpu();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

bool NetworkLearner::finite(std::size_t trial) const {
  if (finite_.empty()) {
    const at::Tensor flags = finite().to(at::kByte).cpu();
    finite_.assign(flags.data_ptr<std::uint8_t>(), flags.data_ptr<std::uint8_t>() + flags.numel());
  }
  return finite_[trial] != 0;
}

void NetworkLearner::changed(std::size_t trial) {
  settled_[trial] = 0;
  finite_.clear();
}

void NetworkLearner::save(std::size_t trial, std::size_t slot) {
  reserve_slots(extent(slot) + 1);
  slots_[extent(slot)][extent(trial)].copy_(parameters_[extent(trial)]);
}

void NetworkLearner::load(std::size_t trial, std::size_t slot) {
  if (!slots_.defined() || extent(slot) >= slots_.size(0))
    throw InternalError("a slot was read that nothing was kept in");
  parameters_[extent(trial)].copy_(slots_[extent(slot)][extent(trial)]);
  changed(trial);
}

// ---- training for the tensor program
// ------------------------------------------------------------------------------

at::Tensor NetworkLearner::forward(const at::Tensor& rows) {
  return within_memory(static_cast<std::size_t>(rows.size(1)), [&] {
    pass_ = run_training_pass(input(rows), rows.size(1));
    return pass_.predictors;
  });
}

void NetworkLearner::backward(const at::Tensor& d_predictors) {
  within_memory(static_cast<std::size_t>(d_predictors.size(1)), [&] {
    const std::vector<at::Tensor> gradients = parts_of_gradient(pass_, d_predictors);
    pass_ = {};
    const at::NoGradGuard no_grad;
    at::cat_out(gradient_, gradients, 1);
    ranks_.sum(gradient_);
  });
}

at::Tensor NetworkLearner::regularise_on_device(double coefficient) {
  return squared_norms(coefficient);
}

void NetworkLearner::step(const AdamStep& settings, const at::Tensor& corrections, const at::Tensor& active) {
  adam_step(settings, corrections, active, gradient_, parameters_, velocity_, square_);
  for (std::size_t t = 0; t < trials(); ++t) changed(t);
}

at::Tensor NetworkLearner::finite() const {
  // The largest absolute value; NaN above all.
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const at::NoGradGuard no_grad;
  return at::linalg_vector_norm(parameters_, infinity, at::IntArrayRef({1})).isfinite();
}

void NetworkLearner::reserve_slots(std::int64_t count) {
  if (slots_.defined() && slots_.size(0) >= count) return;
  within_memory(0, [&] {
    const at::Tensor more = at::empty({count, parameters_.size(0), parameters_.size(1)}, options(at::kFloat));
    if (slots_.defined()) more.narrow(0, 0, slots_.size(0)).copy_(slots_);
    slots_ = more;
  });
}

void NetworkLearner::save(const at::Tensor& slots) {
  const at::NoGradGuard no_grad;
  // Chosen, not copied to an index: on a GPU the deterministic form of that sorts the indices first.
  const at::Tensor here = at::arange(slots_.size(0), options(at::kLong)).unsqueeze(1).eq(slots).unsqueeze(2);
  at::where_out(slots_, here, parameters_.unsqueeze(0), slots_);
}

bool NetworkLearner::iterate(const IterationRequest& request, std::vector<IterationResult>& results,
                             Progress& progress) {
  if (!on_device_ || !candidate_rows_.defined()) return false;
  return tensor::iterate(*this, request, execution_, results, progress);
}

// ---- solutions
// ---------------------------------------------------------------------------------------------------

std::vector<double> NetworkLearner::solution(std::size_t trial) const {
  std::vector<double> values = to_host(parameters_[extent(trial)]);
  if (settled_[trial]) {
    for (const Statistics& statistics : part(trial, 1).statistics)
      for (const at::Tensor& part : {statistics.mean, statistics.variance})
        std::ranges::copy(to_host(part), std::back_inserter(values));
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
  const auto take = [&](at::Tensor out) {
    const auto count = static_cast<std::size_t>(out.numel());
    const std::vector<float> values(solution.begin(), solution.begin() + out.numel());
    out.copy_(at::from_blob(const_cast<float*>(values.data()), {out.numel()}, at::kFloat));
    solution = solution.subspan(count);
  };
  take(parameters_[extent(trial)]);
  changed(trial);
  if (!settles()) return;
  for (const Statistics& statistics : part(trial, 1).statistics) {
    take(statistics.mean);
    take(statistics.variance);
  }
  settled_[trial] = 1;
}

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
  architecture.memory_per_trial = [plan](const Dataset& data, std::size_t batch, const Execution& execution) {
    return memory_per_trial(plan(data), batch, execution);
  };
  return architecture;
}

}  // namespace seldon::engine::network

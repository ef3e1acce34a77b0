// What a network does once it is trained: its BatchNorm statistics from all candidate rows, and predictions.

#include <algorithm>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include "core/error.h"
#include "engine/network/batch.h"
#include "engine/network/network_learner.h"
#include "engine/tensor/evaluation.h"

namespace seldon::engine::network {
namespace {

/// Rows of a pass in evaluation: about the training batches of the published experiments, whose activations
/// stay near the caches.
constexpr std::size_t evaluation_rows = 250;
/// Of all trials together on a device, which wants enough to do at once.
constexpr std::size_t device_rows = 8192;
/// Bytes of the activations that settling keeps; fixed, since numbers depend on how many trials go together.
constexpr double settling_bytes = 4.0 * (1 << 30);

std::int64_t extent(std::size_t n) {
  return static_cast<std::int64_t>(n);
}

std::vector<RowView> chunks_of(RowView rows, std::size_t size) {
  std::vector<RowView> chunks;
  for (std::size_t first = 0; first < rows.size(); first += size)
    chunks.push_back(rows.subspan(first, std::min(size, rows.size() - first)));
  return chunks;
}

/// Parts of [T, n] with at most `size` columns.
std::vector<at::Tensor> chunks_of(const at::Tensor& rows, std::size_t size) {
  std::vector<at::Tensor> chunks;
  const std::int64_t step = extent(size);
  for (std::int64_t first = 0; first < rows.size(1); first += step)
    chunks.push_back(rows.narrow(1, first, std::min(step, rows.size(1) - first)));
  return chunks;
}

at::Tensor gather_one(const Dataset& data, RowView rows) {
  return gather(data, std::span<const RowView>(&rows, 1));
}

}  // namespace

NetworkLearner::Part NetworkLearner::part(std::size_t first, std::size_t count) const {
  Part some;
  some.trials = extent(count);
  some.parameters = parameter_views(network_, parameters_.narrow(0, extent(first), extent(count)));
  for (std::size_t i = 0; i < statistics_.size(); ++i) {
    const std::int64_t channels = extent(network_.normalised()[i]);
    const std::int64_t start = extent(first) * channels, size = extent(count) * channels;
    some.statistics.push_back(
        {statistics_[i].mean.narrow(0, start, size), statistics_[i].variance.narrow(0, start, size)});
  }
  return some;
}

// ---- statistics
// --------------------------------------------------------------------------------------------------

void NetworkLearner::settle(Progress& progress) {
  if (!settles()) return;
  const std::size_t together = settled_together(candidates_.front().size());
  for (std::size_t first = 0; first < trials(); first += together) {
    const std::size_t count = std::min(together, trials() - first);
    const auto flags = std::span(settled_).subspan(first, count);
    if (std::ranges::all_of(flags, [](std::uint8_t flag) { return flag != 0; })) continue;
    within_memory(rows_at_once(count), [&] {
      if (!on_device_ && ranks_.alone()) settle_on_host(first, progress);
      if (on_device_ || !ranks_.alone()) settle_on_device(first, count, progress);
    });
    std::ranges::fill(flags, std::uint8_t{1});
  }
}

std::size_t NetworkLearner::settled_together(std::size_t rows) const {
  if (!on_device_ || !candidate_rows_.defined()) return 1;
  std::size_t largest = 1;
  for (const Layer& layer : network_.layers())
    if (std::holds_alternative<BatchNorm>(layer.stage)) largest = std::max(largest, layer.in.size());
  const double each = 4.0 * static_cast<double>(largest * std::max<std::size_t>(rows, 1));
  return std::clamp<std::size_t>(static_cast<std::size_t>(settling_bytes / each), 1, trials());
}

/// Stage by stage: what a BatchNorm stage gets depends on the statistics of those before it. The activations
/// before the stage in hand are kept, so that all of it costs little more than one forward pass; at the first
/// stage of the face CNN they take 36 KiB per row.
void NetworkLearner::settle_on_host(std::size_t trial, Progress& progress) {
  const at::NoGradGuard no_grad;
  const Part own = part(trial, 1);
  const std::vector<RowView> chunks = chunks_of(candidates_[trial], evaluation_rows);
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
      activations[k] = run_layers(network_, done, i, before, own.parameters, known, method());
      moments.add_to_mean(activations[k]);
    }
    moments.end_mean();
    for (const at::Tensor& activation : activations) moments.add_to_variance(activation);
    known[layer.statistics] = moments.end();
    done = i;
  }
  for (std::size_t i = 0; i < known.size(); ++i) {
    own.statistics[i].mean.copy_(known[i].mean);
    own.statistics[i].variance.copy_(known[i].variance);
  }
}

/// The same for some trials at once, each rank with its share of their rows.
void NetworkLearner::settle_on_device(std::size_t first, std::size_t count, Progress& progress) {
  const at::NoGradGuard no_grad;
  const Part some = part(first, count);
  const RowView of_first = candidates_[first];
  const at::Tensor rows = candidate_rows_.defined() ? candidate_rows_.narrow(0, extent(first), extent(count))
                                                    : to_device(std::span(&of_first, 1));
  const Ranks::Slice slice = ranks_.slice(rows.size(1));
  const auto chunks = chunks_of(rows.narrow(1, slice.first, slice.count), rows_at_once(count));
  std::vector<at::Tensor> activations(chunks.size());
  std::size_t done = 0;
  for (std::size_t i = 0; i < network_.layers().size(); ++i) {
    const Layer& layer = network_.layers()[i];
    if (!std::holds_alternative<BatchNorm>(layer.stage)) continue;
    const std::int64_t places = rows.size(1) * extent(layer.in.height * layer.in.width);
    DeviceMoments moments(extent(count * layer.in.channels), static_cast<double>(places), device_, ranks_);
    for (std::size_t k = 0; k < chunks.size(); ++k) {
      if (progress.tick() == Order::stop) throw Stopped{};
      const at::Tensor before = done == 0 ? own_input(chunks[k]) : std::exchange(activations[k], {});
      activations[k] = run_layers(network_, done, i, before, some.parameters, some.statistics, method());
      moments.add_to_mean(activations[k]);
    }
    moments.end_mean();
    for (const at::Tensor& activation : activations) moments.add_to_variance(activation);
    const Statistics known = moments.end();
    some.statistics[layer.statistics].mean.copy_(known.mean);
    some.statistics[layer.statistics].variance.copy_(known.variance);
    done = i;
  }
  ranks_.wait_for(device_);
}

// ---- predictions
// -------------------------------------------------------------------------------------------------

std::size_t NetworkLearner::rows_at_once(std::size_t trials) const {
  if (batch_dependent()) return evaluation_batch_;
  const std::size_t rows = on_device_ ? std::max(device_rows / trials, evaluation_rows) : evaluation_rows;
  return std::min(evaluation_batch_, rows);
}

void NetworkLearner::require_settled(std::size_t first, std::size_t count) const {
  if (!settles()) return;
  const auto flags = std::span(settled_).subspan(first, count);
  if (std::ranges::any_of(flags, [](std::uint8_t flag) { return flag == 0; }))
    throw InternalError("a network was asked to predict before settle()");
}

void NetworkLearner::predict(std::size_t trial, RowView rows, std::span<double> out) {
  require_settled(trial, 1);
  if (rows.empty()) return;
  within_memory(rows_at_once(1), [&] {
    if (!on_device_ && ranks_.alone()) return predict_on_host(trial, rows, out);
    const at::Tensor values = predict_on_device(part(trial, 1), to_device(std::span(&rows, 1))).cpu();
    std::copy_n(values.data_ptr<double>(), values.numel(), out.data());
  });
}

void NetworkLearner::predict_on_host(std::size_t trial, RowView rows, std::span<double> out) {
  const at::NoGradGuard no_grad;
  const Part own = part(trial, 1);
  double* place = out.data();
  for (const RowView chunk : chunks_of(rows, rows_at_once(1))) {
    const at::Tensor last = run_layers(network_, 0, network_.layers().size(), gather_one(data_, chunk),
                                       own.parameters, own.statistics, method());
    const at::Tensor values = to_predictors(last, 1);
    place = std::copy_n(values.data_ptr<double>(), values.numel(), place);
  }
}

void NetworkLearner::predict_all(std::span<const RowView> rows, std::span<const std::span<double>> out) {
  const bool equal = std::ranges::all_of(rows, [&](RowView r) { return r.size() == rows[0].size(); });
  if (!on_device_ || !equal || rows[0].empty()) {
    Learner::predict_all(rows, out);
    return;
  }
  const at::Tensor values = predict_rows(to_device(rows)).cpu();
  const double* place = values.data_ptr<double>();
  for (const std::span<double> of_trial : out) {
    std::copy_n(place, of_trial.size(), of_trial.data());
    place += of_trial.size();
  }
}

at::Tensor NetworkLearner::predict_rows(const at::Tensor& rows) {
  require_settled(0, trials());
  return within_memory(rows_at_once(trials()), [&] { return predict_on_device(part(0, trials()), rows); });
}

/// [trials, n, columns]. The ranks share the rows of each chunk.
at::Tensor NetworkLearner::predict_on_device(const Part& part, const at::Tensor& rows) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> values;
  const auto ranks = static_cast<std::size_t>(batch_dependent() ? 1 : ranks_.size());
  for (const at::Tensor& chunk :
       chunks_of(rows, rows_at_once(static_cast<std::size_t>(part.trials)) * ranks)) {
    const std::int64_t size = chunk.size(1);
    std::shared_ptr<const SharedPass> shared;
    const at::Tensor last = batch_dependent()
                                ? run_in_training(input(chunk), part.parameters, size, shared)
                                : run_layers(network_, 0, network_.layers().size(), input(chunk),
                                             part.parameters, part.statistics, method());
    const at::Tensor own = to_predictors(last, part.trials).narrow(1, 0, ranks_.slice(size).count);
    values.push_back(ranks_.alone() ? own : ranks_.gather(own.transpose(0, 1), size).transpose(0, 1));
  }
  ranks_.wait_for(device_);
  return at::cat(values, 1).contiguous();
}

bool NetworkLearner::evaluate(const Truth& truth, const EvaluationOptions& options,
                              std::vector<TrialScores>& out) {
  if (!on_device_) return false;
  out = tensor::evaluate(*this, data_.regime, truth, options);
  return true;
}

}  // namespace seldon::engine::network

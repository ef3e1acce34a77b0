#include "engine/network/forward.h"

#include <utility>

#include <ATen/ops/baddbmm.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>

#include "engine/network/pool_relu.h"
#include "engine/network/unfolded_convolution.h"

namespace seldon::engine::network {
namespace {

std::int64_t extent(std::size_t n) {
  return static_cast<std::int64_t>(n);
}

/// A stage with what it needs of its surroundings.
struct Application {
  const Layer& layer;
  std::span<const at::Tensor> parameters;
  std::span<const Statistics> statistics;
  const Method& method;
  std::int64_t trials;
  const at::Tensor& x;

  const at::Tensor& weight() const { return parameters[layer.parameter]; }
  const at::Tensor& bias() const { return parameters[layer.parameter + 1]; }
  bool narrow() const { return method.precision == Precision::bfloat16; }

  at::Tensor operator()(const Convolution& s) const {
    const auto kernel = extent(s.kernel), inputs = extent(layer.in.channels), padding = extent(s.padding);
    const bool unfolded = method.convolutions == Convolutions::unfolded;
    if (!unfolded && !narrow()) {
      return at::conv2d(x, weight().reshape({-1, inputs, kernel, kernel}), bias().reshape({-1}), 1, padding,
                        1, trials);
    }
    const at::Tensor a = narrow() ? x.to(at::kBFloat16) : x;
    const at::Tensor w = narrow() ? weight().to(at::kBFloat16) : weight();
    const at::Tensor sums =
        unfolded ? unfolded_convolution(a, w, kernel, padding)
                 : at::conv2d(a, w.reshape({-1, inputs, kernel, kernel}), {}, 1, padding, 1, trials);
    return sums.to(at::kFloat).add_(bias().reshape({1, -1, 1, 1}));
  }
  at::Tensor operator()(const MaxPoolRelu& s) const { return max_pool_relu(x, s.size); }
  at::Tensor operator()(const Relu&) const { return at::relu(x); }
  at::Tensor operator()(const BatchNorm& s) const {
    const bool training = statistics.empty();
    const Statistics fixed = training ? Statistics{} : statistics[layer.statistics];
    return at::batch_norm(x, weight().reshape({-1}), bias().reshape({-1}), fixed.mean, fixed.variance,
                          training,
                          /*momentum=*/0, s.epsilon, /*cudnn_enabled=*/false);
  }
  at::Tensor operator()(const Linear& s) const {
    const auto inputs = extent(layer.in.size()), outputs = extent(s.outputs), batch = x.size(0);
    const at::Tensor rows = x.reshape({batch, trials, inputs}).transpose(0, 1);
    const at::Tensor matrix = weight().view({trials, outputs, inputs}).transpose(1, 2);
    const at::Tensor sums = narrow() ? at::bmm(rows.to(at::kBFloat16), matrix.to(at::kBFloat16))
                                           .to(at::kFloat)
                                           .add_(bias().unsqueeze(1))
                                     : at::baddbmm(bias().unsqueeze(1), rows, matrix);
    return sums.transpose(0, 1).reshape({batch, trials * outputs, 1, 1});
  }
};

/// Calls f(channel values, channels) for every place of an activation.
template <class F>
void for_each_place(const at::Tensor& activation, std::size_t channels, F f) {
  const at::Tensor x = activation.contiguous(at::MemoryFormat::ChannelsLast);
  const float* values = x.data_ptr<float>();
  for (const float* const end = values + x.numel(); values != end; values += channels) f(values);
}

at::Tensor to_float_tensor(std::vector<double>& values) {
  return at::from_blob(values.data(), {extent(values.size())}, at::kDouble).to(at::kFloat);
}

}  // namespace

std::vector<at::Tensor> parameter_views(const Network& network, const at::Tensor& flat) {
  std::vector<at::Tensor> views;
  for (const Parameter& parameter : network.parameters())
    views.push_back(flat.narrow(1, extent(parameter.offset), extent(parameter.size)));
  return views;
}

at::Tensor run_layers(const Network& network, std::size_t first, std::size_t last, at::Tensor activation,
                      std::span<const at::Tensor> parameters, std::span<const Statistics> statistics,
                      const Method& method) {
  const std::int64_t trials = parameters[0].size(0);
  for (std::size_t i = first; i < last; ++i) {
    const Layer& layer = network.layers()[i];
    activation =
        std::visit(Application{layer, parameters, statistics, method, trials, activation}, layer.stage);
  }
  return activation;
}

at::Tensor to_predictors(const at::Tensor& activation, std::int64_t trials) {
  const at::Tensor outputs =
      activation.reshape({activation.size(0), trials, -1}).transpose(0, 1).to(at::kDouble);
  if (outputs.size(2) != 2) return outputs.contiguous();
  return outputs.select(2, 1).sub(outputs.select(2, 0)).unsqueeze(2).contiguous();
}

void ChannelMoments::add_to_mean(const at::Tensor& activation) {
  for_each_place(activation, mean_.size(), [&](const float* values) {
    for (std::size_t c = 0; c < mean_.size(); ++c) mean_[c] += values[c];
  });
  values_ += static_cast<std::size_t>(activation.numel()) / mean_.size();
}

void ChannelMoments::end_mean() {
  for (double& mean : mean_) mean /= static_cast<double>(values_);
}

void ChannelMoments::add_to_variance(const at::Tensor& activation) {
  for_each_place(activation, mean_.size(), [&](const float* values) {
    for (std::size_t c = 0; c < mean_.size(); ++c)
      variance_[c] += (values[c] - mean_[c]) * (values[c] - mean_[c]);
  });
}

Statistics ChannelMoments::end() {
  for (double& variance : variance_) variance /= static_cast<double>(values_);
  return {to_float_tensor(mean_), to_float_tensor(variance_)};
}

DeviceMoments::DeviceMoments(std::int64_t channels, double values, const at::Device& device,
                             const Ranks& ranks)
    : values_(values),
      ranks_(ranks),
      mean_(at::zeros({channels}, at::TensorOptions(device).dtype(at::kDouble))),
      variance_(at::zeros({channels}, mean_.options())) {}

void DeviceMoments::add_to_mean(const at::Tensor& activation) {
  mean_.add_(activation.sum({0, 2, 3}, false, at::kDouble));
}

void DeviceMoments::end_mean() {
  ranks_.sum(mean_);
  mean_.div_(values_);
}

void DeviceMoments::add_to_variance(const at::Tensor& activation) {
  const at::Tensor centred = activation.to(at::kDouble).sub_(mean_.view({1, -1, 1, 1}));
  variance_.add_(centred.square_().sum({0, 2, 3}));
}

Statistics DeviceMoments::end() {
  ranks_.sum(variance_);
  return {mean_.to(at::kFloat), variance_.div_(values_).to(at::kFloat)};
}

}  // namespace seldon::engine::network

#pragma once
// The stages of a network as LibTorch operations on T trials at once: activations are [B, T * C, H, W] in
// channels-last order, trial t owning channels t C .. t C + C - 1. Convolutions are grouped (groups = T) or
// products over patches, BatchNorm over T C channels is T independent ones, linear stages are batched matrix
// products (Wang et al. 2021, "Horizontally fused training array", MLSys).

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/execution.h"
#include "engine/network/network.h"
#include "engine/network/ranks.h"

namespace seldon::engine::network {

/// Of one BatchNorm stage: [T * C] each, the variance biased (divided by n).
struct Statistics {
  at::Tensor mean, variance;
};

/// How the stages are computed.
struct Method {
  Convolutions convolutions = Convolutions::grouped;
  Precision precision = Precision::float32;
};

/// One [T, size] tensor for each parameter of the network, sharing the storage of `flat` [T, P].
std::vector<at::Tensor> parameter_views(const Network& network, const at::Tensor& flat);

/// Layers `first` to `last` (exclusive). `statistics` holds one entry per BatchNorm stage of the network, or
/// is empty: then each batch is normalised by its own (training mode).
at::Tensor run_layers(const Network& network, std::size_t first, std::size_t last, at::Tensor activation,
                      std::span<const at::Tensor> parameters, std::span<const Statistics> statistics,
                      const Method& method = {});

/// The last activation [B, T * outputs, 1, 1] as predictors [T, B, columns] in double: two outputs give o1 -
/// o0.
at::Tensor to_predictors(const at::Tensor& activation, std::int64_t trials);

/// Mean and variance of each channel over any number of activations, exact in double: a first sweep for the
/// mean, a second for the variance.
class ChannelMoments {
 public:
  explicit ChannelMoments(std::size_t channels) : mean_(channels, 0.0), variance_(channels, 0.0) {}
  void add_to_mean(const at::Tensor& activation);
  void end_mean();
  void add_to_variance(const at::Tensor& activation);
  Statistics end();

 private:
  std::vector<double> mean_, variance_;
  std::size_t values_ = 0;  ///< per channel
};

/// The same by tensor operations on any device, over activations that may lie on several ranks.
class DeviceMoments {
 public:
  /// `values` per channel in all.
  DeviceMoments(std::int64_t channels, double values, const at::Device& device, const Ranks& ranks);
  void add_to_mean(const at::Tensor& activation);
  void end_mean();
  void add_to_variance(const at::Tensor& activation);
  Statistics end();

 private:
  double values_;
  const Ranks& ranks_;
  at::Tensor mean_, variance_;  ///< [channels] in double
};

}  // namespace seldon::engine::network

#include "engine/network/shared_pass.h"

#include <utility>

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

namespace seldon::engine::network {
namespace {

/// Parameters of layers without BatchNorm, in order.
std::vector<std::size_t> parameters_of(const Network& network, std::size_t first, std::size_t last) {
  std::vector<std::size_t> numbers;
  for (std::size_t i = first; i < last; ++i) {
    const Layer& layer = network.layers()[i];
    const bool has_some =
        std::holds_alternative<Convolution>(layer.stage) || std::holds_alternative<Linear>(layer.stage);
    if (has_some) numbers.insert(numbers.end(), {layer.parameter, layer.parameter + 1});
  }
  return numbers;
}

}  // namespace

SharedPass::SharedPass(const Network& network, const at::Tensor& input,
                       std::span<const at::Tensor> parameters, const Method& method, const Ranks& ranks,
                       std::int64_t rows, bool counts)
    : network_(network), parameters_(parameters.begin(), parameters.end()) {
  const std::size_t layers = network.layers().size();
  Part part{.first = 0, .last = 0, .input = input, .output = {}, .norm = {}};
  for (std::size_t i = 0; i <= layers; ++i) {
    const auto* const norm = i < layers ? std::get_if<BatchNorm>(&network.layers()[i].stage) : nullptr;
    if (i < layers && !norm) continue;
    part.last = i;
    part.output = run_layers(network, part.first, part.last, part.input, parameters, {}, method);
    if (norm) {
      const std::size_t scale = network.layers()[i].parameter;
      part.norm.emplace(part.output, parameters[scale].reshape({-1}), parameters[scale + 1].reshape({-1}),
                        norm->epsilon, ranks, rows, counts);
    }
    at::Tensor next = norm ? part.norm->value() : at::Tensor();
    parts_.push_back(std::move(part));
    if (!norm) break;
    if (at::GradMode::is_enabled()) next.set_requires_grad(true);
    part = {.first = i + 1, .last = 0, .input = next, .output = {}, .norm = {}};
  }
}

std::vector<at::Tensor> SharedPass::backward(const at::Tensor& result, const at::Tensor& d_result) const {
  std::vector<at::Tensor> gradients(parameters_.size());
  at::Tensor d = d_result;
  for (std::size_t i = parts_.size(); i-- > 0;) {
    const Part& part = parts_[i];
    const bool is_last = i + 1 == parts_.size();
    if (!is_last) {
      const NormOverRanks::Gradient of_norm = part.norm->backward(d);
      const std::size_t scale = network_.layers()[part.last].parameter;
      gradients[scale] = of_norm.scale.view(parameters_[scale].sizes());
      gradients[scale + 1] = of_norm.shift.view(parameters_[scale].sizes());
      d = of_norm.x;
    }
    const std::vector<std::size_t> numbers = parameters_of(network_, part.first, part.last);
    torch::autograd::variable_list leaves;
    for (const std::size_t number : numbers) leaves.push_back(parameters_[number]);
    if (i > 0) leaves.push_back(part.input);
    const at::Tensor& end = is_last ? result : part.output;
    // Nothing in between: the derivative goes on as it is.
    if (leaves.empty() || end.is_same(part.input)) continue;
    const auto found = torch::autograd::grad({end}, leaves, {d});
    for (std::size_t k = 0; k < numbers.size(); ++k) gradients[numbers[k]] = found[k];
    if (i > 0) d = found.back();
  }
  return gradients;
}

}  // namespace seldon::engine::network

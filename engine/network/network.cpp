#include "engine/network/network.h"

#include <cmath>
#include <utility>

#include "core/error.h"

namespace seldon::engine::network {
namespace {

template <class... Ts>
struct overloaded : Ts... {
  using Ts::operator()...;
};

std::string describe(const Shape& shape) {
  return std::to_string(shape.channels) + " x " + std::to_string(shape.height) + " x " +
         std::to_string(shape.width);
}

Shape output_of(const Stage& stage, const Shape& in) {
  const auto too_small = [&](std::size_t needed) {
    return InputError("a stage of the network needs a map of at least " + std::to_string(needed) + " x " +
                      std::to_string(needed) + " and gets " + describe(in) +
                      ": the pictures are too small for this architecture; use larger ones");
  };
  return std::visit(overloaded{
                        [&](const Convolution& s) {
                          const std::size_t height = in.height + 2 * s.padding,
                                            width = in.width + 2 * s.padding;
                          if (height < s.kernel || width < s.kernel)
                            throw too_small(s.kernel - 2 * s.padding);
                          return Shape{s.channels, height - s.kernel + 1, width - s.kernel + 1};
                        },
                        [&](const MaxPoolRelu& s) {
                          if (in.height < s.size || in.width < s.size) throw too_small(s.size);
                          return Shape{in.channels, in.height / s.size, in.width / s.size};
                        },
                        [&](const Relu&) { return in; },
                        [&](const BatchNorm&) { return in; },
                        [&](const Linear& s) {
                          return Shape{s.outputs, 1, 1};
                        },
                    },
                    stage);
}

}  // namespace

Shape input_shape(const Dataset& data) {
  if (data.image.channels > 0) return {data.image.channels, data.image.height, data.image.width};
  return {data.width, 1, 1};
}

Network::Network(std::vector<Stage> stages, Shape input) : input_(input) {
  if (input.size() == 0) throw InternalError("a network needs inputs");
  std::size_t end = 0;
  const auto add = [&](std::size_t size, double low, double high, bool penalised) {
    parameters_.push_back({end, size, low, high, penalised});
    end += size;
  };
  for (Stage& stage : stages) {
    Layer layer{.stage = stage,
                .in = input,
                .out = output_of(stage, input),
                .parameter = parameters_.size(),
                .statistics = normalised_.size()};
    const auto weight_and_bias = [&](std::size_t fan_in, std::size_t outputs) {
      const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
      add(fan_in * outputs, -bound, bound, true);
      add(outputs, -bound, bound, false);
    };
    std::visit(overloaded{
                   [&](const Convolution& s) {
                     weight_and_bias(layer.in.channels * s.kernel * s.kernel, s.channels);
                   },
                   [&](const Linear& s) { weight_and_bias(layer.in.size(), s.outputs); },
                   [&](const BatchNorm&) {
                     add(layer.in.channels, 1, 1, false);
                     add(layer.in.channels, 0, 0, false);
                     normalised_.push_back(layer.in.channels);
                   },
                   [](const MaxPoolRelu&) {},
                   [](const Relu&) {},
               },
               stage);
    input = layer.out;
    layers_.push_back(std::move(layer));
  }
  if (parameters_.empty()) throw InternalError("a network needs a stage with parameters");
}

std::size_t Network::parameter_count() const {
  return parameters_.empty() ? 0 : parameters_.back().offset + parameters_.back().size;
}

std::size_t Network::statistic_count() const {
  std::size_t count = 0;
  for (std::size_t channels : normalised_) count += 2 * channels;
  return count;
}

double Network::multiply_adds() const {
  double sum = 0;
  for (const Layer& layer : layers_) {
    const bool multiplies =
        std::holds_alternative<Convolution>(layer.stage) || std::holds_alternative<Linear>(layer.stage);
    if (!multiplies) continue;
    const auto places = static_cast<double>(layer.out.height * layer.out.width);
    sum += places * static_cast<double>(parameters_[layer.parameter].size);
  }
  return sum;
}

std::vector<float> Network::initial(const Stream& draws) const {
  std::vector<float> values;
  values.reserve(parameter_count());
  for (const Parameter& parameter : parameters_)
    for (std::size_t i = 0; i < parameter.size; ++i)
      values.push_back(static_cast<float>(parameter.low +
                                          (parameter.high - parameter.low) * draws.uniform(values.size())));
  return values;
}

}  // namespace seldon::engine::network

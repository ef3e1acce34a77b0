#pragma once
// A neural network as a list of stages, planned for one shape of input: shapes, parameters and where each
// lies in the flat vector of a trial. No LibTorch here: a new architecture is a new list (docs/extending.md).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/random.h"
#include "engine/learner.h"

namespace seldon::engine::network {

/// 2-D convolution with bias, stride 1, square kernel, zeros around the picture.
struct Convolution {
  std::size_t channels, kernel, padding = 0;
};
/// Maximum over disjoint squares (incomplete ones at the edge are left out), then max(x, 0). The order of the
/// two does not matter to the result, and this one is the faster.
struct MaxPoolRelu {
  std::size_t size;
};
struct Relu {};
/// Batch normalisation per channel (Ioffe and Szegedy 2015) with learned scale and shift.
struct BatchNorm {
  double epsilon = 1e-5;
};
/// All inputs, in the order channel, row, column, to all outputs, with bias.
struct Linear {
  std::size_t outputs;
};
using Stage = std::variant<Convolution, MaxPoolRelu, Relu, BatchNorm, Linear>;

/// Channels and picture of an activation; vectors are n x 1 x 1.
struct Shape {
  std::size_t channels = 1, height = 1, width = 1;
  std::size_t size() const { return channels * height * width; }
};
/// What a row of the table is for a network: its picture, or its features as channels.
Shape input_shape(const Dataset& data);

/// One tensor of parameters.
struct Parameter {
  std::size_t offset, size;  ///< in a trial's flat vector
  double low, high;          ///< initial law: uniform on [low, high]; low == high: that constant
  bool penalised;            ///< counts in the squared norm of the weights: not biases, not BatchNorm
};

/// A stage in its place. Its parameters are `parameter` (weight, or BatchNorm's scale) and `parameter` + 1
/// (bias, or shift) of the network; `statistics` counts the BatchNorm stages before it.
struct Layer {
  Stage stage;
  Shape in, out;
  std::size_t parameter = 0, statistics = 0;
};

class Network {
 public:
  /// InputError where the input is too small for the stages.
  Network(std::vector<Stage> stages, Shape input);

  const Shape& input() const { return input_; }
  std::size_t outputs() const { return layers_.back().out.size(); }
  const std::vector<Layer>& layers() const { return layers_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// Channels of each BatchNorm stage, in order.
  const std::vector<std::size_t>& normalised() const { return normalised_; }

  std::size_t parameter_count() const;
  /// Means and variances of all BatchNorm stages.
  std::size_t statistic_count() const;
  /// Of a forward pass of one row.
  double multiply_adds() const;
  /// Starting values, parameter i from draw i. PyTorch's default law: weights and biases of convolutions and
  /// linear stages uniform on +-1/sqrt(inputs of one output) (He et al. 2015 with negative slope sqrt(5));
  /// scales 1, shifts 0.
  std::vector<float> initial(const Stream& draws) const;

 private:
  Shape input_;
  std::vector<Layer> layers_;
  std::vector<Parameter> parameters_;
  std::vector<std::size_t> normalised_;
};

/// A learner of T copies of the network. Two outputs of a classifier make one predictor, o1 - o0 (docs of
/// Learner); any other number are predictors themselves. Throws InputError for a request no network can meet.
/// Numbers depend on T (kernels differ by width), never on what other trials hold, NaN included.
std::unique_ptr<Learner> make_network_learner(const Network& network, const LearnerRequest& request);

/// The registration of an architecture whose stages may depend on the data (number of classes, say).
Architecture network_architecture(std::string name, std::vector<Regime> regimes,
                                  std::function<std::vector<Stage>(const Dataset&)> stages);

}  // namespace seldon::engine::network

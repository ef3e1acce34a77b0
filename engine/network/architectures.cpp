#include "engine/network/architectures.h"

#include "core/error.h"

namespace seldon::engine::network {

std::vector<Stage> face_cnn() {
  return {
      Convolution{.channels = 16, .kernel = 3, .padding = 1},
      MaxPoolRelu{2},
      BatchNorm{},
      Convolution{.channels = 32, .kernel = 3},
      MaxPoolRelu{2},
      BatchNorm{},
      Convolution{.channels = 64, .kernel = 3},
      MaxPoolRelu{2},
      BatchNorm{},
      Convolution{.channels = 128, .kernel = 3},
      MaxPoolRelu{2},
      BatchNorm{},
      Linear{128},
      Linear{256},
      Linear{2},
  };
}

std::vector<Stage> multilayer_perceptron(Regime regime) {
  constexpr std::size_t hidden = 32;
  return {Linear{hidden}, Relu{}, Linear{regime == Regime::classification ? std::size_t{2} : std::size_t{1}}};
}

void register_networks(ArchitectureRegistry& registry) {
  registry.add(network_architecture("face_cnn", {Regime::classification}, [](const Dataset& data) {
    if (data.image.channels == 0)
      throw InputError(
          "architecture = \"face_cnn\" needs pictures, and the data have none: use \"mlp\" for tables");
    return face_cnn();
  }));
  registry.add(network_architecture("mlp", {Regime::classification, Regime::regression},
                                    [](const Dataset& data) { return multilayer_perceptron(data.regime); }));
}

}  // namespace seldon::engine::network

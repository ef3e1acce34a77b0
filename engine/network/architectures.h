#pragma once
// The networks that come with the project.

#include <vector>

#include "engine/learner.h"
#include "engine/network/network.h"

namespace seldon::engine::network {

/// The CNN of the published facial gender experiment: four times convolution, maximum, rectifier and
/// BatchNorm (16, 32, 64, 128 channels, the first convolution padded), then linear stages to 128, 256 and 2
/// outputs without activation between them. For one channel of 48 x 48; at least 44 x 44.
std::vector<Stage> face_cnn();

/// One hidden stage of 32 rectified units for tables: two outputs for classification, one for regression.
std::vector<Stage> multilayer_perceptron(Regime regime);

/// Adds "face_cnn" and "mlp".
void register_networks(ArchitectureRegistry& registry);

}  // namespace seldon::engine::network

#pragma once
// What a training iteration of a network costs at least: floating-point operations and bytes to and from
// memory.

#include <string>
#include <vector>

#include "engine/network/network.h"

namespace seldon::bench {

struct Cost {
  std::string name;
  double flop = 0, bytes = 0;  ///< of one trial
};

/// A forward and a backward pass over `batch` rows, layer by layer, then Adam. Counted are
/// - multiply-adds, two operations each: those of the forward pass once more for the gradient of the weights
///   and once more for that of the input, which the first layer does not need; 10 operations per parameter
///   in Adam; nothing for layers without products.
/// - 4 bytes for each number that must be read or written if a layer keeps nothing in a cache: forward input
///   and output, backward the output's gradient, the input again and the input's gradient; 8 per parameter in
///   Adam (gradient written and read; parameter and two moments read and written).
std::vector<Cost> training_cost(const engine::network::Network& network, double batch);

Cost total(const std::vector<Cost>& costs);

}  // namespace seldon::bench

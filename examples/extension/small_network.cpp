// The architecture small_network: one hidden stage of four rectified units.

#include "engine/network/network.h"
#include "parts.h"

namespace my {

using namespace seldon;
using namespace seldon::engine;

void register_small_network(ArchitectureRegistry& registry) {
  registry.add(network::network_architecture("small_network", {Regime::classification}, [](const Dataset&) {
    return std::vector<network::Stage>{network::Linear{4}, network::Relu{}, network::Linear{2}};
  }));
}

}  // namespace my

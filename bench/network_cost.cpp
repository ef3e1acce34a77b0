#include "bench/network_cost.h"

namespace seldon::bench {
namespace {

using namespace engine::network;

struct Description {
  const Layer& layer;

  Cost operator()(const Convolution& s) const {
    return {"convolution to " + std::to_string(s.channels),
            static_cast<double>(layer.out.size() * layer.in.channels * s.kernel * s.kernel)};
  }
  Cost operator()(const MaxPoolRelu&) const { return {"maximum, rectifier", 0}; }
  Cost operator()(const Relu&) const { return {"rectifier", 0}; }
  Cost operator()(const BatchNorm&) const { return {"BatchNorm", 0}; }
  Cost operator()(const Linear& s) const {
    return {"linear to " + std::to_string(s.outputs), static_cast<double>(layer.in.size() * s.outputs)};
  }
};

}  // namespace

std::vector<Cost> training_cost(const Network& network, double batch) {
  constexpr double number = 4;  // bytes
  std::vector<Cost> costs;
  for (std::size_t i = 0; i < network.layers().size(); ++i) {
    const Layer& layer = network.layers()[i];
    Cost cost = std::visit(Description{layer}, layer.stage);
    const double in = static_cast<double>(layer.in.size()), out = static_cast<double>(layer.out.size());
    cost.flop *= 2 * batch * (i == 0 ? 2 : 3);
    cost.bytes = number * batch * (2 * out + (i == 0 ? 2 : 3) * in);
    costs.push_back(std::move(cost));
  }
  const auto parameters = static_cast<double>(network.parameter_count());
  costs.push_back({"Adam", 10 * parameters, 8 * number * parameters});
  return costs;
}

Cost total(const std::vector<Cost>& costs) {
  Cost sum{"all", 0, 0};
  for (const Cost& cost : costs) {
    sum.flop += cost.flop;
    sum.bytes += cost.bytes;
  }
  return sum;
}

}  // namespace seldon::bench

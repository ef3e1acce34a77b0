// The performance measure balanced_accuracy: the mean of the two classes' shares of right decisions.

#include <array>

#include "parts.h"

namespace my {

using namespace seldon;
using namespace seldon::engine;

void register_balanced_accuracy(PerformanceRegistry& registry) {
  PerformanceMeasure balanced;
  balanced.name = "balanced_accuracy";
  balanced.regimes = {Regime::classification};
  balanced.value = [](std::span<const double>, std::span<const double> decisions, std::size_t,
                      std::span<const double> labels) {
    std::array<double, 2> rows = {}, right = {};
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const std::size_t label = labels[i] == 1;
      rows[label] += 1;
      right[label] += decisions[i] == labels[i];
    }
    return (right[0] / rows[0] + right[1] / rows[1]) / 2;
  };
  registry.add(balanced);
}

}  // namespace my

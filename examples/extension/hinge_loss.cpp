// The objective hinge_loss: mean of max(0, 1 - s eta), eta the log-odds and s = -1 or 1 for labels 0 and 1
// (Cortes and Vapnik 1995).

#include <algorithm>

#include "parts.h"

namespace my {

using namespace seldon;
using namespace seldon::engine;

void register_hinge_loss(ObjectiveRegistry& registry) {
  Objective hinge;
  hinge.name = "hinge_loss";
  hinge.regimes = {Regime::classification};
  hinge.value = [](std::span<const double> eta, std::span<const double>, std::size_t,
                   std::span<const double> labels, std::span<double> d_eta) {
    const auto n = static_cast<double>(labels.size());
    double total = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const double sign = labels[i] == 1 ? 1.0 : -1.0;
      const double loss = std::max(0.0, 1 - sign * eta[i]);
      total += loss;
      d_eta[i] = loss > 0 ? -sign / n : 0.0;  // set, not added
    }
    return total / n;
  };
  registry.add(hinge);
}

}  // namespace my

// The measure Brier: the squared error of the predicted probability (Brier 1950). On hard decisions it is the
// error rate.

#include "parts.h"

namespace my {

using namespace seldon;
using namespace seldon::engine;

void register_brier(MeasureRegistry& registry) {
  Measure brier;
  brier.name = "Brier";
  brier.regime = Regime::classification;
  brier.rate = true;  // between 0 and 1
  brier.values = [](std::span<const double> p, std::size_t, std::span<const double> labels, MeasureIndex,
                    std::span<double> z, std::span<double> dz) {
    for (std::size_t i = 0; i < z.size(); ++i) z[i] = (p[i] - labels[i]) * (p[i] - labels[i]);
    for (std::size_t i = 0; i < dz.size(); ++i) dz[i] = 2 * (p[i] - labels[i]);
  };
  registry.add(brier);
}

}  // namespace my

// The baseline majority_class: everybody gets the label that is the more frequent one in the trial's rows.

#include <algorithm>
#include <memory>

#include "parts.h"

namespace my {

using namespace seldon;
using namespace seldon::engine;

namespace {

class Constant final : public Predictor {
 public:
  explicit Constant(double p) : p_(p) {}
  void scores(std::span<const std::uint32_t>, std::span<double> out) override { std::ranges::fill(out, p_); }

 private:
  double p_;
};

}  // namespace

void register_majority_class(BaselineRegistry& registry) {
  BaselineKind majority;
  majority.name = "majority_class";
  majority.regimes = {Regime::classification};
  majority.fit = [](const BaselineRequest& request) {
    const auto positives = std::ranges::count_if(
        request.rows, [&](std::uint32_t row) { return request.data->labels[row] == 1; });
    const bool most = 2 * static_cast<std::size_t>(positives) >= request.rows.size();
    return std::make_unique<Constant>(most ? 1.0 : 0.0);
  };
  registry.add(majority);
}

}  // namespace my

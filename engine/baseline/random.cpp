// Random classifiers: the same probability for every row, and a label drawn from it, once per (trial, row).

#include "core/random.h"

#include <algorithm>

#include "core/error.h"
#include "engine/baseline/baseline.h"

namespace seldon::engine {
namespace {

class RandomClassifier final : public Predictor {
 public:
  RandomClassifier(double probability, std::uint64_t seed, std::uint32_t trial)
      : probability_(probability), labels_(Purpose::random_labels, seed, {trial}) {}

  void scores(std::span<const std::uint32_t>, std::span<double> out) override {
    std::ranges::fill(out, probability_);
  }
  void decisions(Regime, std::span<const std::uint32_t> rows, std::span<const double>,
                 std::span<double> out) override {
    for (std::size_t i = 0; i < rows.size(); ++i)
      out[i] = labels_.uniform(rows[i]) < probability_ ? 1.0 : 0.0;
  }

 private:
  double probability_;
  Stream labels_;
};

InputError refusal(const BaselineRequest& request, const std::string& what) {
  return InputError("model '" + request.model_name + "': " + what);
}

void refuse_options(const BaselineRequest& request) {
  if (!request.options.empty())
    throw refusal(request, "uniform_random has no architecture_options; remove '" +
                               request.options.begin()->first + "'");
}

/// The option probability, and no other.
double probability_of(const BaselineRequest& request) {
  const auto at = request.options.find("probability");
  if (request.options.size() != 1 || at == request.options.end() || !(at->second >= 0 && at->second <= 1))
    throw refusal(
        request,
        "weighted_random needs architecture_options = { probability = P }, P in [0, 1], and no other");
  return at->second;
}

}  // namespace

void register_random(BaselineRegistry& registry) {
  registry.add(
      {"uniform_random", {Regime::classification}, refuse_options, [](const BaselineRequest& request) {
         return std::make_unique<RandomClassifier>(0.5, request.seed, request.trial);
       }});
  registry.add({"weighted_random",
                {Regime::classification},
                [](const BaselineRequest& r) { probability_of(r); },
                [](const BaselineRequest& request) {
                  return std::make_unique<RandomClassifier>(probability_of(request), request.seed,
                                                            request.trial);
                }});
}

}  // namespace seldon::engine

// The categories about the division of work and its outcome: split, batching, experiments.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "analysis/results.h"
#include "engine/dataset/sampling.h"
#include "experiment/plan.h"
#include "programs/conformance/check.h"

namespace seldon::conformance {
namespace {

/// Batches of the toolkit's additional data sets, contiguous and wrapping around; this engine has no such
/// data sets, so the rule stands here. Pairs [begin, end), two of them where a batch wraps.
Json wrapping_batches(std::size_t rows, std::size_t batch_size, std::size_t count) {
  Json batches = Json::array();
  std::size_t begin = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Json batch = Json::array();
    for (std::size_t left = std::min(batch_size, rows); left > 0;) {
      const std::size_t end = std::min(begin + left, rows);
      batch.push_back(begin);
      batch.push_back(end);
      left -= end - begin;
      begin = end == rows ? 0 : end;
    }
    batches.push_back(batch);
  }
  return batches;
}

/// As many whole epochs as give `iterations`: ceil(iterations / ceil(rows / batch size)).
std::uint64_t epochs_fixed_iterations(const Json& inputs, double fraction) {
  const double batches = std::ceil(fraction * number(inputs.at("N_max")) / number(inputs.at("batch_size")));
  return static_cast<std::uint64_t>(std::ceil(number(inputs.at("niter")) / batches));
}

}  // namespace

void check_split(const Json& c, const Setting&, Check& check) {
  const Json& inputs = c.at("inputs");
  engine::Rows rows(inputs.at("n").get<std::size_t>());
  std::iota(rows.begin(), rows.end(), 0U);
  const engine::Split got = engine::split(rows, number(inputs.at("frac_data_in_safety")));
  check.equal("n_candidate", c.at("expected").at("n_candidate").get<std::size_t>(), got.candidate.size());
  check.equal("n_safety", c.at("expected").at("n_safety").get<std::size_t>(), got.safety.size());
}

void check_batching(const Json& c, const Setting&, Check& check) {
  const Json& inputs = c.at("inputs");
  const std::size_t epochs = inputs.value("n_epochs", std::size_t{1});
  check.equal("batch_index_list", c.at("expected").at("batch_index_list"),
              wrapping_batches(inputs.at("n_candidate"), inputs.at("batch_size"),
                               epochs * inputs.at("n_batches").get<std::size_t>()));
}

void check_experiments(const Json& c, const Setting&, Check& check) {
  const Json& inputs = c.at("inputs");
  const auto function = inputs.at("fn").get<std::string>();
  if (function == "has_failed") {
    check.equal(function, c.at("expected").get<bool>(), analysis::has_failed(number(inputs.at("g"))));
    return;
  }
  const bool repeats = function == "make_batch_epoch_dict_min_sample_repeat";
  if (!repeats && function != "make_batch_epoch_dict_fixedniter") {
    check.differ("fn", function, "no such function here");
    return;
  }
  for (const auto& [key, wanted] : c.at("expected").items()) {
    const double fraction = std::stod(key);
    const std::uint64_t epochs =
        repeats ? experiment::epochs_min_sample_repeat(inputs.at("niter_min"), fraction, inputs.at("N_max"),
                                                       inputs.at("batch_size"), inputs.at("num_repeats"))
                : epochs_fixed_iterations(inputs, fraction);
    check.equal("epochs at " + key, wanted.at(1).get<std::uint64_t>(), epochs);
    check.equal("batch size at " + key, wanted.at(0).get<std::uint64_t>(),
                inputs.at("batch_size").get<std::uint64_t>());
  }
}

}  // namespace seldon::conformance

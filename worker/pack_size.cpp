#include "worker/pack_size.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <spdlog/fmt/fmt.h>

#include "engine/candidate_selection.h"
#include "worker/translate.h"

namespace seldon::worker {
namespace {

using engine::Convolutions;

constexpr double gain_that_counts = 1.05;
constexpr int doublings_without_gain = 2;

/// Enough for a graph to be recorded on the way.
constexpr std::uint64_t short_training = 8;
constexpr double seconds_of_a_measurement = 0.25;
constexpr std::uint64_t fewest_iterations = 4, most_iterations = 64;

/// Of one range, given its points in the order of their widths.
std::optional<std::uint32_t> next_width(const PackRange& range, std::span<const PackPoint> points) {
  if (points.empty()) return range.least;
  double best = 0;
  int in_vain = 0;
  for (const PackPoint& point : points) {
    if (!point.rate) return std::nullopt;
    in_vain = *point.rate >= gain_that_counts * best ? 0 : in_vain + 1;
    best = std::max(best, *point.rate);
  }
  const std::uint32_t last = points.back().width;
  if (last >= range.most || in_vain >= doublings_without_gain) return std::nullopt;
  return last > range.most / 2 ? range.most : 2 * last;
}

/// The training of a pack, again and again from where it stands.
class Training {
 public:
  Training(const PackProbe& probe, Convolutions convolutions, std::uint32_t width)
      : model_(*probe.model), options_(model_.selection) {
    engine::LearnerRequest request;
    request.data = model_.problem.data;
    request.seed = model_.seed;
    request.model_name = model_.name;
    request.initial = model_.architecture->default_initial;
    // One draw for all trials; the speed does not depend on the values.
    if (std::ranges::find(model_.architecture->initials, "shared_random") !=
        model_.architecture->initials.end())
      request.initial = "shared_random";
    request.batchnorm = model_.batchnorm;
    request.evaluation_batch = model_.evaluation_batch;
    request.execution = model_.execution;
    request.execution.convolutions = convolutions;
    request.candidate_rows.assign(width, probe.rows);
    for (std::uint32_t t = 0; t < width; ++t) {
      request.trials.push_back(t);
      data_.push_back({probe.rows, static_cast<double>(probe.rows.size()), t});
    }
    learner_ = model_.architecture->make(request);
    options_.batches = {};
    options_.batches.seed = model_.seed;
    options_.batches.model_name = model_.name;
    options_.keep_trace = false;
    // The toolkit's rules end a training at the first infinite bound.
    options_.adam.toolkit = false;
    if (model_.seldonian) return;
    unconstrained_.data = model_.problem.data;
    unconstrained_.objective = model_.problem.objective;
    unconstrained_.l2 = model_.problem.l2;
    options_.multipliers.clear();
  }

  double seconds(std::uint64_t iterations) {
    options_.iterations = iterations;
    Unhindered progress;
    const auto start = std::chrono::steady_clock::now();
    if (model_.seldonian)
      engine::select_candidates(*learner_, model_.problem, data_, options_, progress);
    else
      engine::train_unconstrained(*learner_, unconstrained_, data_, options_, progress);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  const engine::ModelSpec& model_;
  engine::SelectionOptions options_;
  engine::Problem unconstrained_;  ///< of a baseline
  std::vector<engine::CandidateData> data_;
  std::unique_ptr<engine::Learner> learner_;
};

}  // namespace

bool no_memory(std::string_view error) {
  return error.find("does not fit into the memory") != std::string_view::npos ||
         error.find("out of memory") != std::string_view::npos ||
         error.find("can't allocate memory") != std::string_view::npos;
}

std::optional<PackPoint> next_to_measure(std::span<const PackRange> ranges,
                                         std::span<const PackPoint> measured) {
  for (const PackRange& range : ranges) {
    std::vector<PackPoint> points;
    std::ranges::copy_if(measured, std::back_inserter(points),
                         [&](const PackPoint& point) { return point.convolutions == range.convolutions; });
    if (const auto width = next_width(range, points)) return PackPoint{range.convolutions, *width, {}};
  }
  return std::nullopt;
}

std::optional<PackPoint> choose(std::span<const PackPoint> measured) {
  double best = 0;
  for (const PackPoint& point : measured) best = std::max(best, point.rate.value_or(0));
  std::optional<PackPoint> chosen;
  for (const PackPoint& point : measured) {
    if (!point.rate || !(*point.rate * gain_that_counts >= best)) continue;
    if (!chosen || point.width < chosen->width ||
        (point.width == chosen->width && *point.rate > *chosen->rate))
      chosen = point;
  }
  return chosen;
}

std::uint32_t evened_out(std::uint32_t width, std::uint32_t trials) {
  const std::uint32_t packs = (trials + width - 1) / width;
  return (trials + packs - 1) / packs;
}

std::string describe(std::span<const PackPoint> measured) {
  std::string text;
  const PackPoint* before = nullptr;
  for (const PackPoint& point : measured) {
    if (!before || before->convolutions != point.convolutions)
      text.append(before ? "; " : "").append(name_of(point.convolutions)).append(": ");
    else
      text += ", ";
    text += point.rate ? fmt::format("{} at {:.4g}", point.width, *point.rate)
                       : fmt::format("{} does not fit", point.width);
    before = &point;
  }
  return text + " (pack size at iterations x trials per second)";
}

std::optional<double> measure_rate(const PackProbe& probe, Convolutions convolutions, std::uint32_t width) {
  try {
    Training training(probe, convolutions, width);
    training.seconds(short_training);  // what is only done once
    const double start = training.seconds(short_training);
    const double wanted =
        std::ceil(seconds_of_a_measurement * static_cast<double>(short_training) / std::max(start, 1e-6));
    const auto iterations = static_cast<std::uint64_t>(
        std::clamp(wanted, static_cast<double>(fewest_iterations), static_cast<double>(most_iterations)));
    const double whole = training.seconds(short_training + iterations);
    // On a machine that is busy the long training may take less than the short one.
    const double per_iteration = whole > start ? (whole - start) / static_cast<double>(iterations)
                                               : whole / static_cast<double>(short_training + iterations);
    return width / std::max(per_iteration, 1e-9);
  } catch (const std::exception& error) {
    if (!no_memory(error.what())) throw;
    return std::nullopt;
  }
}

std::vector<PackPoint> measure(const PackProbe& probe, std::span<const PackRange> ranges) {
  std::vector<PackPoint> measured;
  while (auto point = next_to_measure(ranges, measured)) {
    point->rate = measure_rate(probe, point->convolutions, point->width);
    measured.push_back(*point);
  }
  return measured;
}

}  // namespace seldon::worker

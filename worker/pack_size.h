#pragma once
// How many trials of a network a GPU runs together, and in which form their convolutions: settled by a short
// measurement where a config leaves it open (docs/config.md, "Settled once"). The decision is a function of
// the measured points alone, so that it is tested without a GPU.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/algorithm.h"

namespace seldon::worker {

/// No pack is wider, where its size is open.
inline constexpr std::uint32_t most_trials_of_a_pack = 512;

/// Trials of one form that come into question.
struct PackRange {
  engine::Convolutions convolutions = engine::Convolutions::grouped;
  std::uint32_t least = 1, most = 1;
};

/// A width and form; once measured, with its speed.
struct PackPoint {
  engine::Convolutions convolutions = engine::Convolutions::grouped;
  std::uint32_t width = 1;
  std::optional<double> rate;  ///< iterations times trials in a second; none: the memory does not suffice
  bool operator==(const PackPoint&) const = default;
};

/// What to measure next; none: enough is known. Each range from its least width on, doubled, up to its most;
/// it ends early at a width that does not fit, and where two doublings in a row gain under 5 percent over the
/// best of the range before them (a first doubling may lose: one trial needs no groups).
std::optional<PackPoint> next_to_measure(std::span<const PackRange> ranges,
                                         std::span<const PackPoint> measured);

/// The smallest width with a point within 5 percent of the best speed (the smaller a pack, the less is lost
/// with a worker), there the faster form, of equals the one measured first. None where no point has a speed.
std::optional<PackPoint> choose(std::span<const PackPoint> measured);

/// So many packs as `width` makes of the trials, made as equal as they can be: their width.
std::uint32_t evened_out(std::uint32_t width, std::uint32_t trials);

/// One line: "grouped: 1 at 120, 2 at 190, 4 does not fit; unfolded: 1 at 100 (pack size at iterations x
/// trials per second)".
std::string describe(std::span<const PackPoint> measured);

/// Whether an error's text says that the memory of a device or of the machine did not suffice.
bool no_memory(std::string_view error);

/// A model to measure: `width` copies of it train on `rows` as one batch.
struct PackProbe {
  const engine::ModelSpec* model = nullptr;  ///< its execution but for the convolutions
  engine::Rows rows;
};

/// Iterations times trials in a second; none where memory does not suffice. What one start costs (parameters,
/// the recording of a graph) is no part of it: the difference of a long and a short training is taken. Throws
/// what else the model throws.
std::optional<double> measure_rate(const PackProbe& probe, engine::Convolutions convolutions,
                                   std::uint32_t width);

/// Measures what `next_to_measure` asks for.
std::vector<PackPoint> measure(const PackProbe& probe, std::span<const PackRange> ranges);

}  // namespace seldon::worker

#pragma once
// Which rows a trial sees, and on which side of the split. All draws are keyed (core/random.h), so that
// fractions of a trial nest and models share rows.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/dataset/dataset.h"

namespace seldon::engine {

/// Python's round: to the nearest integer, halves to even.
std::uint64_t round_half_even(double value);

/// Rows of the table split for a held-out ground truth.
struct HeldOut {
  Rows training, held_out;
};
/// About a third of the rows, drawn by seed; rows of equal features (or pixels) stay on one side.
HeldOut hold_out(const Dataset& data, std::uint64_t seed, double fraction = 1.0 / 3.0);

/// The first n rows of trial t: draws with replacement from `pool`; draw j is the same for every n and every
/// model.
Rows resample(std::span<const std::uint32_t> pool, std::uint64_t seed, std::uint32_t trial, std::uint64_t n);

struct Split {
  Rows candidate, safety;
};
/// The first round(n (1 - frac_in_safety)) rows are candidate data (docs/semantics.md, "Split").
Split split(std::span<const std::uint32_t> rows, double frac_in_safety);

}  // namespace seldon::engine

#include "engine/dataset/sampling.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string_view>
#include <unordered_map>

#include "core/random.h"

namespace seldon::engine {
namespace {

/// The bytes that make two rows the same example.
std::string_view content(const Dataset& data, std::uint32_t row) {
  const auto bytes = data.image.channels > 0
                         ? std::as_bytes(data.pixels.subspan(row * data.image.pixels(), data.image.pixels()))
                         : std::as_bytes(data.features.subspan(row * data.width, data.width));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::uint64_t round_half_even(double value) {
  return static_cast<std::uint64_t>(std::nearbyint(value));
}

HeldOut hold_out(const Dataset& data, std::uint64_t seed, double fraction) {
  // Equal rows form a family, which one draw, that of its first member, sends to a side.
  std::unordered_map<std::string_view, std::uint32_t> first_of;
  first_of.reserve(data.rows);
  const Stream stream(Purpose::held_out, seed);
  HeldOut result;
  for (std::uint32_t row = 0; row < data.rows; ++row) {
    const std::uint32_t family = first_of.try_emplace(content(data, row), row).first->second;
    (stream.uniform(family) < fraction ? result.held_out : result.training).push_back(row);
  }
  return result;
}

Rows resample(std::span<const std::uint32_t> pool, std::uint64_t seed, std::uint32_t trial, std::uint64_t n) {
  const Stream stream(Purpose::resample, seed, {trial});
  Rows rows(n);
  for (std::uint64_t j = 0; j < n; ++j) rows[j] = pool[stream.below(j, pool.size())];
  return rows;
}

Split split(std::span<const std::uint32_t> rows, double frac_in_safety) {
  const auto candidates =
      static_cast<std::ptrdiff_t>(round_half_even(static_cast<double>(rows.size()) * (1.0 - frac_in_safety)));
  return {Rows(rows.begin(), rows.begin() + candidates), Rows(rows.begin() + candidates, rows.end())};
}

}  // namespace seldon::engine

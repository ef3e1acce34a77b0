#pragma once
// The row of the dataset `runs`, byte by byte. Internal to the store room.

#include <array>
#include <cstdint>

#include "core/record.h"

namespace seldon::store {

/// What the file holds for a RunInfo. Texts end with a NUL and are cut at a whole UTF-8 character.
struct RunRow {
  std::uint32_t attempt = 0;
  std::int32_t rank = -1;
  std::array<char, 64> host{};
  std::array<char, 32> device{};
  std::uint32_t width = 0;
  std::uint32_t failures = 0;
  std::uint32_t suspicion = 0;
  std::uint32_t deaths = 0;
  std::uint32_t alone = 0;
  std::uint32_t unused = 0;  // eight bytes keep together
  double start = 0;
  double seconds_selection = 0, seconds_safety = 0, seconds_evaluation = 0, seconds_total = 0;
  std::array<char, 160> message{};
};
static_assert(sizeof(RunRow) == 328);

RunRow to_row(const RunInfo& run);
RunInfo from_row(const RunRow& row);

}  // namespace seldon::store

#pragma once
// The grid of an experiment: cells are what is recorded, packs are what is handed out.

#include <compare>
#include <cstdint>

namespace seldon {

/// One (model, data fraction, trial) of one experiment. Indices are positions in the experiment's own lists.
struct CellKey {
  std::uint32_t experiment = 0;
  std::uint32_t model = 0;
  std::uint32_t fraction = 0;
  std::uint32_t trial = 0;
  auto operator<=>(const CellKey&) const = default;
};

/// Cells of one model and data fraction, consecutive trials, that one worker runs together. The cut is made
/// once, when the store is created, because results may depend on the width.
struct Pack {
  std::uint32_t experiment = 0;
  std::uint32_t model = 0;
  std::uint32_t fraction = 0;
  std::uint32_t first_trial = 0;
  std::uint32_t width = 1;

  CellKey cell(std::uint32_t slot) const { return {experiment, model, fraction, first_trial + slot}; }
  auto operator<=>(const Pack&) const = default;
};

/// What the store knows of a cell; one byte in the dataset `state`. The numbers are part of the file format.
enum class CellState : std::uint8_t {
  pending = 0,
  leased = 1,
  done = 2,
  failed = 3,
  lost = 4,
  preempted = 5
};

/// A state that no later run changes; only FAILED, where it is asked to (--retry failed).
constexpr bool is_final(CellState state) {
  return state == CellState::done || state == CellState::failed;
}

}  // namespace seldon

#pragma once
// How far an experiment is, what went wrong, and how long it will take.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/results.h"

namespace seldon::analysis {

inline constexpr std::size_t cell_states = 6;

struct ModelStatus {
  std::string name;
  std::array<std::uint64_t, cell_states> cells{};  ///< by CellState
  std::uint64_t solutions = 0;
  std::map<std::string, std::uint64_t> nsf;  ///< by reason
};

/// Failed cells that say the same in their message's first line.
struct FailureGroup {
  std::string message;
  std::uint64_t cells = 0;
  std::string model;  ///< of the first such cell
  double fraction = 0;
  std::uint32_t trial = 0;
};

struct Pace {
  double cells_per_second = 0;
  double seconds_since_last = 0;  ///< since the last record
  double seconds_left = 0;        ///< for all cells that are not final, at this rate
};

struct Status {
  std::string experiment, version;
  std::uint32_t n_trials = 0;
  std::size_t fractions = 0;
  std::vector<ModelStatus> models;
  std::vector<FailureGroup> failures;                                ///< the most frequent first
  std::uint64_t cells = 0, final_cells = 0, failed = 0, leased = 0;  ///< final: done or failed
  /// Only while cells are leased and some have been recorded: from the last of them.
  std::optional<Pace> pace;
};

/// `now`: seconds since the epoch. Needs results that were read with their runs.
Status status_of(const Results& results, double now);

/// A page of text, lines of at most 100 characters where names allow.
std::string status_text(const Status& status);

}  // namespace seldon::analysis

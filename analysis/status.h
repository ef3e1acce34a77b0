#pragma once
// How far an experiment is, what went wrong, and how long it will take.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/results.h"
#include "store/live_status.h"

namespace seldon::analysis {

inline constexpr std::size_t cell_states = 6;

struct ModelStatus {
  std::string name;
  std::array<std::uint64_t, cell_states> cells{};  ///< by CellState
  std::uint64_t solutions = 0;
  std::map<std::string, std::uint64_t> nsf;  ///< by reason

  std::uint64_t in(CellState state) const { return cells[static_cast<std::size_t>(state)]; }
};

/// Failed cells that say the same in their message's first line.
struct FailureGroup {
  std::string message;
  std::uint64_t cells = 0;
  std::map<std::string, std::uint64_t> hosts;  ///< how many of them ended where
  std::string model;                           ///< of the first such cell
  double fraction = 0;
  std::uint32_t trial = 0;
};

struct Pace {
  double cells_per_second = 0;
  double seconds_since_last = 0;  ///< since the last record
  double seconds_left = 0;        ///< for all cells that are not final, at this rate
};

/// What is known of the process that writes the store.
enum class Owner {
  unknown,  ///< no run has told of itself
  running,
  ended,   ///< and has said so
  silent,  ///< has not given a sign of life for a minute, or is gone from this host: killed, most likely
};

struct Status {
  std::string experiment, version;
  bool solutions_known = false;  ///< the records were read, not the states alone
  std::uint32_t n_trials = 0;
  std::size_t fractions = 0;
  std::vector<ModelStatus> models;
  std::vector<FailureGroup> failures;                                ///< the most frequent first
  std::uint64_t cells = 0, final_cells = 0, failed = 0, leased = 0;  ///< final: done or failed
  /// Only while cells are leased and some have been recorded: from the last of them.
  std::optional<Pace> pace;
  double now = 0;
  Owner owner = Owner::unknown;
  std::optional<store::LiveStatus> live;
};

/// `now`: seconds since the epoch. Needs results that were read with their runs.
Status status_of(const Results& results, double now);

/// From the states alone, without a look at any record: cheap however large the store is, and safe while it
/// is written. `now` as above.
Status status_of_states(const std::string& store, double now);

/// Adds what the store's run tells of itself; nothing where no run has. InputError where that cannot be read.
void add_live(Status& status, const std::string& store);

/// Cells of the store that are in this state: "done", "failed" ..., or in "all" of them; or the store's
/// "progress". InputError for another name.
std::uint64_t count_cells(const std::string& store, const std::string& state);

/// A number that has changed if a run brought the experiment nearer to its end, although it may have recorded
/// no cell: the cells that are DONE, the tries that failed, the deaths that count against a cell, and the
/// levels of suspicion. No run without --retry failed makes it grow for ever.
std::uint64_t progress(const std::string& store);

/// A page of text, lines of at most 100 characters where names allow.
std::string status_text(const Status& status);

/// The same as one line of JSON.
std::string status_json(const Status& status);

}  // namespace seldon::analysis

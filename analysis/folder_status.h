#pragma once
// How far the experiments of a sweep are, from the folder with their stores (docs/sweeps.md).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/status.h"
#include "core/error.h"

namespace seldon::analysis {

struct SweptStatus {
  std::string name;
  std::optional<Status> status;     ///< none: it has no store, or one that cannot be read
  std::optional<ExitCode> trouble;  ///< of the last run with it, or of its store
  std::string message;

  /// "complete", "failed" (nothing but failed cells is left), "incomplete", "bad_input", "internal_error".
  std::string state() const;
};

struct FolderStatus {
  std::string folder;
  std::string sweep;  ///< path of its file; empty where no run has told
  std::vector<SweptStatus> experiments;
  std::uint64_t others = 0;  ///< stores in the folder that the sweep does not have (any more)
  Status whole;              ///< sums over all stores, and what the run tells of itself

  std::size_t complete() const;
  /// As of the run: 0 where every experiment is complete, else 4 where one broke a promise of the program,
  /// else 3 where something is missing, else 2.
  ExitCode exit_code() const;
};

/// From the states alone, as status_of_states. InputError where the folder has neither stores nor a run's
/// list of experiments.
FolderStatus status_of_folder(const std::string& folder, double now);

/// As count_cells, over all stores of the folder that can be read: one that cannot must not hide what the
/// others achieve. 0 where there are none yet; InputError where there are some, and none can be read.
std::uint64_t count_cells_in_folder(const std::string& folder, const std::string& state);

/// A page of text.
std::string status_text(const FolderStatus& status);
/// One line of JSON.
std::string status_json(const FolderStatus& status);

}  // namespace seldon::analysis

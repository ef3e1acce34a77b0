#pragma once
// STORE.packs.jsonl: one line of JSON for each lease that has ended, and for each start and end of a run.
// Lines are only ever appended; like STORE.live.json the file serves people only.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/lease_end.h"

namespace seldon::store {

/// Seconds of a pack's cells, each summed.
struct PackSeconds {
  double selection = 0, safety = 0, evaluation = 0;
  bool operator==(const PackSeconds&) const = default;
};

struct PackRow {
  double start = 0, end = 0;  ///< of the lease, seconds since the epoch by rank 0's clock
  int rank = 0;
  std::string host;
  std::string model;  ///< its name
  double fraction = 0;
  std::uint32_t first_trial = 0, width = 1, attempt = 1;
  std::uint32_t wanted = 0, done = 0, failed = 0;  ///< cells
  LeaseEnd how = LeaseEnd::finished;
  std::optional<PackSeconds> seconds;
  bool operator==(const PackRow&) const = default;
};

/// A run on this store begins or ends.
struct RunMark {
  double time = 0;  ///< seconds since the epoch
  bool begins = true;
  std::string host;            ///< of rank 0
  std::string job;             ///< empty where there is none
  std::uint32_t restarts = 0;  ///< of that job
  std::uint32_t workers = 0;   ///< that were started with it
  bool operator==(const RunMark&) const = default;
};

/// Beside the file that the path leads to, as the lock is: links do not matter.
std::string pack_rows_path(const std::string& store_path);

/// The row as one line of JSON, its newline included.
void append_line(std::string& text, const PackRow& row);
void append_line(std::string& text, const RunMark& row);

struct PackRows {
  std::vector<PackRow> packs;  ///< in the order of the file: by their ends
  std::vector<RunMark> runs;
  std::uint64_t unreadable = 0;  ///< lines that were left out, such as one that a full disk has cut short
};

/// InputError where there is no such file, or it cannot be read.
PackRows read_pack_rows(const std::string& store_path);

}  // namespace seldon::store

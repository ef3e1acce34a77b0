#pragma once
// STORE.live.json: what a run tells about itself while it goes on, for whoever looks at the store. It serves
// people only: no result, and nothing that a later run does, depends on it.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/cell.h"

namespace seldon::store {

struct LivePack {
  std::string model;  ///< its name
  double fraction = 0;
  std::uint32_t first_trial = 0;
  std::uint32_t width = 1;
  bool operator==(const LivePack&) const = default;
};

struct LiveWorker {
  int rank = 0;
  std::string host;
  std::string phase;             ///< "starting", "idle", "busy" ...: one word, in lower case
  std::optional<LivePack> pack;  ///< under its lease
  double seconds = 0;            ///< in this phase, or with this pack
  std::uint64_t done = 0;        ///< cells recorded from it since this start
  std::uint64_t failed = 0;      ///< cells that ended there with an exception
  bool operator==(const LiveWorker&) const = default;
};

/// Times are seconds since the epoch by the clock of the run's host.
struct LiveStatus {
  std::string job;                  ///< the launcher's or scheduler's; empty where there is none
  std::uint32_t restarts = 0;       ///< of that job
  std::string host;                 ///< of rank 0, as are
  std::int64_t pid = 0;             ///< and
  std::uint64_t process_start = 0;  ///< in ticks after boot, as /proc/PID/stat has it
  double heartbeat = 0;             ///< when this was written
  double started = 0;               ///< when this run began
  std::optional<double> ends_at;    ///< the end of the job's wall-time
  std::array<std::uint64_t, 6> cells_by_state{};  ///< by CellState
  std::uint64_t cells = 0;
  double rate = 0;                              ///< cells recorded per second over the last minute
  std::optional<double> seconds_left;           ///< a guess
  std::vector<LiveWorker> workers;              ///< at most `live_workers_listed` are written
  std::uint64_t workers_in_all = 0;             ///< 0: as many as are listed here
  std::map<std::string, std::uint64_t> phases;  ///< of all workers; empty: of those that are listed
  std::string reason;                           ///< why nothing runs; empty while something does
  std::optional<int> exit_code;                 ///< the run has ended with it
  bool operator==(const LiveStatus&) const = default;
};

inline constexpr std::size_t live_workers_listed = 1000;
inline constexpr double live_seconds_between_writes = 2;
/// A run whose heartbeat is older is taken for dead, where nothing else is known of it.
inline constexpr double live_seconds_until_silent = 60;

/// One line of JSON: what the file holds.
std::string to_json(const LiveStatus& status);

/// Beside the file that the path leads to, as the lock is: links do not matter.
std::string live_status_path(const std::string& store_path);

/// Writes STORE.live.json under a temporary name and renames it, so that a reader sees the old one or the new
/// one. Nothing is synced. The first failure is a warning in the log, later ones are silent: no failure here
/// ends a run. To be called by the holder of the store's lock only.
class LiveStatusFile {
 public:
  explicit LiveStatusFile(const std::string& store_path) : path_(live_status_path(store_path)) {}
  void write(const LiveStatus& status);

 private:
  std::string path_;
  bool warned_ = false;
};

/// What the last run told; nothing where there is no such file. InputError, saying which and why, where the
/// file cannot be read or holds something else.
std::optional<LiveStatus> read_live_status(const std::string& store_path);

}  // namespace seldon::store

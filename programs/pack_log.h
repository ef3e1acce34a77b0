#pragma once
// Appends to STORE.packs.jsonl, from which `seldon-report timeline` draws who worked when.

#include <string>
#include <unordered_map>

#include "core/record.h"
#include "store/pack_rows.h"

namespace seldon::programs {

/// Rows are gathered and written together, whole lines at a time. The first failure is a warning in the log,
/// then nothing more is written: no failure here ends a run.
class PackLog {
 public:
  explicit PackLog(const std::string& store_path);
  PackLog(const PackLog&) = delete;
  PackLog& operator=(const PackLog&) = delete;
  /// Writes what is left.
  ~PackLog();

  void run_begins(store::RunMark run);
  void run_ends(store::RunMark run);
  /// A cell's seconds count for the pack that its worker has in hand.
  void cell_recorded(const RunInfo& run);
  /// Completes the row by the seconds of its cells.
  void pack_ended(store::PackRow row);
  /// To be called often, with a steady clock's seconds: writes every half second.
  void write_now_and_then(double now);
  void write();

  static constexpr double seconds_between_writes = 0.5;
  static constexpr std::size_t bytes_between_writes = 64 * 1024;

 private:
  void give_up(const std::string& why);

  std::string path_;
  int descriptor_ = -1;  // none: nothing is written (any more)
  std::string lines_;
  double next_write_ = 0;
  std::unordered_map<int, store::PackSeconds> seconds_;  // by rank, of the packs under way
};

}  // namespace seldon::programs

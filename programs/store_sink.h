#pragma once
// The store as the orchestrator sees it.

#include <functional>
#include <future>
#include <string>
#include <vector>

#include "orchestrator/orchestrator.h"
#include "store/store.h"

namespace seldon::programs {

class StoreSink final : public orchestrator::RecordSink {
 public:
  explicit StoreSink(store::Writer& writer);
  /// Waits for a sync that is under way.
  ~StoreSink() override = default;

  void set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                  const Suspicion& suspicion) override {
    writer_.set_states(keys, state, attempt, suspicion);
  }
  bool write(const CellReport& report) override;

  /// Starts to sync the store in a thread of its own if the last sync is `seconds_between_syncs` ago. What
  /// went wrong with the last one is thrown here.
  void sync_now_and_then(double now);
  /// Syncs and waits for it.
  void sync();

  static constexpr double seconds_between_syncs = 10;

 private:
  store::Writer& writer_;
  std::vector<std::size_t> outcome_offsets_;  // by model
  std::future<void> syncing_;
  double next_sync_ = 0;
};

/// What the store at `path` knows of each of its cells.
std::function<orchestrator::CellStart(CellKey)> cell_starts(const std::string& path);

}  // namespace seldon::programs

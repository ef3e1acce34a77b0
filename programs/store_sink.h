#pragma once
// The store as the orchestrator sees it.

#include <functional>
#include <future>
#include <string>
#include <vector>

#include "orchestrator/orchestrator.h"
#include "programs/pack_log.h"
#include "store/store.h"

namespace seldon::programs {

/// Seconds since 1970.
double epoch_seconds();

class StoreSink final : public orchestrator::RecordSink {
 public:
  StoreSink(store::Writer& writer, PackLog& pack_log, double seconds_between_syncs);
  /// Waits for a sync that is under way.
  ~StoreSink() override = default;

  void lease(std::span<const CellKey> keys, std::uint32_t attempt, const Suspicion& suspicion,
             const std::string& host) override {
    writer_.set_states(keys, CellState::leased, attempt, suspicion, host);
  }
  void set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                  const Suspicion& suspicion) override {
    writer_.set_states(keys, state, attempt, suspicion);
  }
  bool write(const CellReport& report) override;
  void pack_ended(const orchestrator::PackEnd& end) override;

  /// To be called often: starts to sync the store in a thread of its own if the last one is long enough ago.
  /// What went wrong there is thrown by the first call after it.
  void sync_now_and_then(double now);
  /// Syncs and waits for it.
  void sync();

 private:
  store::Writer& writer_;
  PackLog& pack_log_;
  double seconds_between_syncs_;
  std::vector<std::size_t> outcome_offsets_;  // by model
  std::future<void> syncing_;
  double next_sync_ = 0;
};

/// What the store at `path` knows from earlier runs.
struct StoreFacts {
  std::function<orchestrator::CellStart(CellKey)> start;  ///< of each cell
  std::vector<std::vector<double>>
      seconds;  ///< [model][fraction]: mean of a recorded cell; NaN where there is none
};
StoreFacts store_facts(const std::string& path);

}  // namespace seldon::programs

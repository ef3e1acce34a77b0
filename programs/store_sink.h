#pragma once
// The store as the orchestrator sees it.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/orchestrator.h"
#include "programs/pack_log.h"
#include "programs/tally.h"
#include "store/store.h"

namespace seldon::programs {

/// Seconds since 1970.
double epoch_seconds();

class StoreSink final : public orchestrator::RecordSink {
 public:
  StoreSink(store::Writer& writer, PackLog& pack_log, Tally& tally);

  void lease(std::span<const CellKey> keys, std::uint32_t attempt, const Suspicion& suspicion,
             const std::string& host) override {
    changed_ = true;
    writer_.set_states(keys, CellState::leased, attempt, suspicion, host);
  }
  void set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                  const Suspicion& suspicion) override {
    changed_ = true;
    writer_.set_states(keys, state, attempt, suspicion);
  }
  bool write(const CellReport& report) override;
  void pack_ended(const orchestrator::PackEnd& end) override;

  store::Writer& writer() { return writer_; }
  /// Whether anything was written since the last time that this was asked.
  bool take_changed() { return std::exchange(changed_, false); }

 private:
  store::Writer& writer_;
  PackLog& pack_log_;
  Tally& tally_;
  std::vector<std::size_t> outcome_offsets_;  // by model
  bool changed_ = false;
};

/// What the store at `path` knows from earlier runs.
struct StoreFacts {
  std::function<orchestrator::CellStart(CellKey)> start;  ///< of each cell
  std::vector<std::vector<double>>
      seconds;  ///< [model][fraction]: mean of a recorded cell; NaN where there is none
};
/// `tally` gets every record that is there.
StoreFacts store_facts(const std::string& path, Tally& tally);

}  // namespace seldon::programs

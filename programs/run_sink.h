#pragma once
// The stores of a run as the orchestrator sees them: one for each experiment.

#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <utility>
#include <vector>

#include "programs/store_sink.h"

namespace seldon::programs {

/// Hands each call to the store of its experiment. What a store throws is told to `failed`, once, and from
/// then on nothing more is written there; the other stores go on. Where `failed` throws, so does the call.
class RunSink final : public orchestrator::RecordSink {
 public:
  using Failed = std::function<void(std::uint32_t experiment, const std::exception_ptr& error)>;

  /// `stores` by the index of their experiment; they must outlive this.
  RunSink(std::vector<StoreSink*> stores, double seconds_between_syncs, Failed failed);
  /// Waits for a sync that is under way.
  ~RunSink() override = default;

  void lease(std::span<const CellKey> keys, std::uint32_t attempt, const Suspicion& suspicion,
             const std::string& host) override;
  void set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                  const Suspicion& suspicion) override;
  bool write(const CellReport& report) override;
  void pack_ended(const orchestrator::PackEnd& end) override;

  /// To be called often: starts to sync the stores in a thread of its own if the last time is long enough
  /// ago. What went wrong there is told by the first call after it.
  void sync_now_and_then(double now);
  /// Syncs and waits for it.
  void sync();

 private:
  struct Failure {
    std::uint32_t experiment;
    std::exception_ptr error;
  };
  template <class Call>
  void guarded(std::uint32_t experiment, const Call& call);
  std::vector<std::uint32_t> take_changed();
  std::vector<Failure> sync_all(const std::vector<std::uint32_t>& experiments) const;
  void tell(const std::vector<Failure>& failures);
  void fail(std::uint32_t experiment, const std::exception_ptr& error);

  std::vector<StoreSink*> stores_;
  double seconds_between_syncs_;
  Failed failed_;
  std::vector<bool> broken_;  // [experiment]
  std::future<std::vector<Failure>> syncing_;
  double next_sync_ = 0;
};

}  // namespace seldon::programs

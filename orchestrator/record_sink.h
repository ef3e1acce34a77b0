#pragma once
// Where the orchestrator puts what it knows.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/cell.h"
#include "core/lease_end.h"
#include "core/pack_runner.h"
#include "core/transport.h"

namespace seldon::orchestrator {

/// How a lease ended, for the statistics.
struct PackEnd {
  Pack pack;
  Peer peer = 0;
  std::string host;
  std::uint32_t attempt = 0;
  double started = 0, ended = 0;  ///< on the orchestrator's clock
  std::uint32_t wanted = 0;       ///< cells that were asked for
  std::uint32_t done = 0, failed = 0;
  LeaseEnd how = LeaseEnd::finished;
};

/// Where records go: the store, or a list in tests. What it throws ends the run.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  /// The cells are about to leave for a worker on `host`: they become LEASED, and that is in the kernel on
  /// return.
  virtual void lease(std::span<const CellKey> keys, std::uint32_t attempt, const Suspicion& suspicion,
                     const std::string& host) {
    static_cast<void>(host);
    set_states(keys, CellState::leased, attempt, suspicion);
  }
  virtual void set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                          const Suspicion& suspicion) = 0;
  /// The run has been asked to end. What ends these leases from now on, be it a kill, counts for nothing;
  /// cells that are done before are recorded as ever.
  virtual void excuse(std::span<const CellKey> keys, std::uint32_t attempt, const Suspicion& suspicion) {
    set_states(keys, CellState::preempted, attempt, suspicion);
  }
  /// True if the record is of a cell that returned a solution (for the live line). A second record of a DONE
  /// cell must be equal: the sink compares, and throws InternalError where it is not.
  virtual bool write(const CellReport& report) = 0;
  /// A lease has ended; all its cells have been told before.
  virtual void pack_ended(const PackEnd& end) { static_cast<void>(end); }
};

}  // namespace seldon::orchestrator

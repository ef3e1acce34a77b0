#pragma once
// What the orchestrator is told: the work, what workers need, and how patient to be.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/cell.h"
#include "core/messages.h"
#include "core/record.h"
#include "core/transport.h"

namespace seldon::orchestrator {

/// What is known of a cell when the run starts.
struct CellStart {
  CellState state = CellState::pending;
  std::uint32_t attempt = 0;   ///< of the last lease, 0 if there was none
  std::uint32_t failures = 0;  ///< tries that have failed
  bool solution = false;
  Suspicion suspicion = {};  ///< as the store holds it
  std::string host = {};     ///< where it ran last, empty if that is not known
};

/// The work. The longest packs are handed out first; among equals, in this order.
struct Plan {
  std::vector<Pack> packs;
  std::vector<double> costs;        ///< of each pack, in any unit: a first guess of what takes how long
  std::vector<std::string> models;  ///< names, by model index
  std::vector<bool> together =
      {};  ///< [model] a pack takes as long for one of its cells as for all; missing: no
  /// [model][fraction] mean seconds of one cell in earlier runs; NaN or missing where unknown.
  std::vector<std::vector<double>> known_seconds = {};
  std::function<CellStart(CellKey)> start = [](CellKey) { return CellStart{}; };
};

/// What each worker needs before it can work.
struct Supply {
  std::uint32_t experiment = 0;
  std::string config;
  SharedBytes data;
  std::string node;                           ///< the orchestrator's own; see message::Hello
  std::optional<message::SharedPlace> place;  ///< where the data lies in this node's memory
  bool share = true;                          ///< whether workers of other nodes are to share one copy
  std::string version, numerics;              ///< that workers must have; see message::Hello
};

struct Limits {
  double start_seconds = 120;    ///< from one sign of life of a starting worker to the next
  double lease_seconds = 120;    ///< without a heartbeat, then the pack goes to another worker
  std::uint32_t max_tries = 3;   ///< of a cell that ends with an exception
  std::uint32_t max_deaths = 3;  ///< of workers that nothing but one cell can have caused, then it is FAILED
  std::optional<std::uint64_t> max_fails;  ///< more cells than that FAILED for good in this run end it
  std::optional<double> cell_seconds;      ///< a pack may take so long for each cell that it computes
  std::optional<double> ends_at;           ///< on the clock: when the job is cut off
  bool fault_tolerant = false;             ///< a worker's death does not end the job
};

}  // namespace seldon::orchestrator

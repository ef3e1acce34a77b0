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

struct Limits {
  double start_seconds = 120;    ///< from one sign of life of a starting worker to the next
  double lease_seconds = 120;    ///< without a heartbeat, then the pack goes to another worker
  std::uint32_t max_tries = 3;   ///< of a cell that ends with an exception
  std::uint32_t max_deaths = 3;  ///< of workers that nothing but one cell can have caused, then it is FAILED
  /// More cells of an experiment than that FAILED for good in this run end the experiment.
  std::optional<std::uint64_t> max_fails;
  std::optional<double> cell_seconds;  ///< a pack may take so long for each cell that it computes
  std::optional<double> ends_at;       ///< on the clock: when the job is cut off
  bool fault_tolerant = false;         ///< a worker's death does not end the job
};

/// What of the work is one experiment's own.
struct ExperimentPlan {
  std::string name = {};                 ///< for log records, where there are several experiments
  std::vector<std::string> models = {};  ///< names, by model index
  /// [model] a pack takes as long for one of its cells as for all; missing: no.
  std::vector<bool> together = {};
  /// [model] workers that a pack takes at once, as a group; missing: 1.
  std::vector<std::uint32_t> ranks = {};
  /// [model][fraction] mean seconds of one cell in earlier runs; NaN or missing where unknown.
  std::vector<std::vector<double>> known_seconds = {};
  std::function<CellStart(CellKey)> start = [](CellKey) { return CellStart{}; };
  /// Its own max_tries, max_deaths, max_fails and cell_seconds; none: the run's.
  std::optional<Limits> limits = {};
};

/// The work: packs of one experiment or of several, in one list. The longest are handed out first; among
/// equals, in this order.
struct Plan {
  std::vector<Pack> packs;
  std::vector<double> costs;  ///< of each pack, in any unit that is the same for all: a first guess
  std::vector<ExperimentPlan> experiments = std::vector<ExperimentPlan>(1);  ///< by Pack::experiment
};

/// What a worker needs before it can run packs of one experiment.
struct ExperimentSupply {
  std::string config = {};
  SharedBytes data = {};
  /// A hash of the data's content: experiments with equal keys share one copy. Empty: it is this
  /// experiment's alone.
  std::string data_key = {};
  /// Where the data lies in this node's memory; that of the first experiment with its key counts.
  std::optional<message::SharedPlace> place = {};
  /// That workers must have to be given its packs; see message::Hello. Empty: not asked.
  std::string accelerator = {};
};

/// What workers need, and have to be.
struct Supply {
  std::vector<ExperimentSupply> experiments = std::vector<ExperimentSupply>(1);  ///< as in the plan
  std::string node;               ///< the orchestrator's own; see message::Hello
  bool share = true;              ///< whether workers of other nodes are to share one copy of the data
  std::string version, numerics;  ///< that workers must have; see message::Hello
};

}  // namespace seldon::orchestrator

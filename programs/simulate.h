#pragma once
// `seldon simulate`: how long an experiment would take on a cluster, and what would be lost there. Neither
// MPI nor a device is touched.

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "core/error.h"
#include "orchestrator/plan.h"
#include "store/store.h"

namespace seldon::programs {

/// The experiment, and the options as they were typed; an empty text means that the option was not given.
/// Durations are as duration.h reads them.
struct SimulateRequest {
  store::Header header;            ///< its packs are what is run
  std::vector<double> pack_costs;  ///< of header.packs, in seconds
  std::vector<bool> together;      ///< [model] a pack computes all its cells at once (PlanFacts::together)
  orchestrator::Limits limits;     ///< as for `seldon run`

  int workers = 0;           ///< --workers N
  int workers_per_node = 1;  ///< --workers-per-node N
  std::string store;         ///< --store FILE.h5: cells take what they took there
  std::string cell_time;     ///< --cell-time D: mean of a cell; the plan's costs are scaled to it
  double spread = 0.25;      ///< --spread S: sigma of the lognormal law of cells of one model and fraction
  double misjudged = 0;      ///< --misjudged S: sigma of a lognormal factor between each model and its plan

  std::string mtbf;                  ///< --mtbf D: mean time between the deaths of one worker
  std::string node_mtbf;             ///< --node-mtbf D: the same of a node with all its workers
  bool survive_node_losses = false;  ///< --survive-node-losses: a lost node does not end the job
  bool no_ulfm = false;              ///< --no-ulfm: a worker's death ends the job
  std::string hangs;  ///< --hangs D[:LENGTH]: mean time between hangs of one worker, and their mean length
  std::string stragglers;     ///< --stragglers SHARE:FACTOR: so many workers take so many times longer
  std::string late;           ///< --late SHARE:D: so many workers come up to D late
  int bad_nodes = 0;          ///< --bad-nodes N: every cell fails there
  double failures = 0;        ///< --failures SHARE: tries that end with an exception
  std::uint32_t killers = 0;  ///< --killers N: cells that kill whoever runs them

  std::string time;              ///< --time D: limit of a job
  std::string grace = "5m";      ///< --grace D: before its end a job drains
  std::string preempt;           ///< --preempt D: mean time until a job is preempted
  std::string queue = "10m";     ///< --queue D: between two jobs
  std::uint32_t restarts = 100;  ///< --restarts N

  std::uint64_t seed = 1;  ///< --seed N
};

/// Simulates the experiment without faults and, where any are asked for, with them, and prints what came of
/// it beside the ideal and the Seldonian Toolkit's static chunks. `complete` if every cell ended DONE or
/// FAILED, `incomplete` if not. InputError for what the user must mend.
ExitCode simulate(const SimulateRequest& request, std::ostream& out);

}  // namespace seldon::programs

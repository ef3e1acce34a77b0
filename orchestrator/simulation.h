#pragma once
// How long an experiment would take on a cluster, and what would be lost there: the real Orchestrator on a
// simulated clock, transport and record sink. Every run also checks the orchestrator's promises
// (simulated_store.h).

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "orchestrator/orchestrator.h"
#include "orchestrator/simulated_cluster.h"

namespace seldon::orchestrator {

/// The jobs that an experiment is run in, one after the other; what is recorded carries over.
struct JobOptions {
  double seconds = never;          ///< the time limit of a job
  double grace_seconds = 300;      ///< before it, the job is told to drain
  double preempted_every = never;  ///< mean time until a job is preempted, told grace_seconds before
  double queue_seconds = 600;      ///< from the end of a job to the start of the next
  std::uint32_t restarts = 100;
  std::uint32_t idle_jobs = 2;  ///< so many in a row that got nowhere end the chain
};

struct SimulationReport {
  bool complete = false;  ///< every cell is DONE or FAILED
  std::string why_not;    ///< where it is not
  std::uint64_t cells = 0, done = 0, failed = 0;
  std::uint32_t jobs = 0, preemptions = 0, broken_jobs = 0;
  double makespan = 0;  ///< seconds from the start of the first job to the last record, queues included
  double queued = 0;    ///< of it, between jobs
  double useful = 0;    ///< worker-seconds that ended in a record
  std::uint64_t leases = 0, retries = 0, repeats = 0, failed_tries = 0, late = 0;
  SimulatedCluster::Counts cluster;  ///< summed over the jobs

  /// Worker-seconds of work that no record came of.
  double lost() const { return cluster.computed > useful ? cluster.computed - useful : 0; }
  /// Of the time that workers lived in jobs.
  double utilisation() const { return cluster.alive > 0 ? useful / cluster.alive : 0; }
};

/// Puts something between the orchestrator and its record sink: tests show that a broken promise is seen.
using Tamper = std::function<std::unique_ptr<RecordSink>(RecordSink&)>;

/// Runs the experiment to its end: until nothing is left, the restarts are used up, or jobs in a row have
/// neither recorded a cell nor come closer to the one that kills them. Throws InternalError where the
/// orchestrator breaks a promise, InputError for impossible options.
SimulationReport simulate(const SimulatedWork& work, const ClusterOptions& cluster, const JobOptions& jobs,
                          Limits limits, const Tamper& tamper = {});

/// Seconds of each cell, by CellGrid::index: the pack's estimate, spread lognormally about its mean.
std::vector<double> spread_seconds(std::span<const Pack> packs, std::span<const double> costs, double spread,
                                   std::uint64_t seed);

/// What no schedule can beat: all work divided by all workers' speeds, or the longest pack.
struct Ideal {
  double work = 0;          ///< seconds of one usual worker
  double by_work = 0;       ///< seconds on all of them
  double longest_pack = 0;  ///< seconds on a usual worker
  double makespan() const { return by_work > longest_pack ? by_work : longest_pack; }
};
Ideal ideal(const SimulatedWork& work, const ClusterOptions& cluster);

/// The makespan under the Seldonian Toolkit's scheduling (Experiments 0.2.5) on the same cells and workers,
/// without faults, which it does not survive. Models run one after the other. Trials of a Seldonian model, in
/// the order of data fractions, are cut into consecutive chunks of (trials // workers), each of which one
/// process takes whole (trial_arg_chunker, ProcessPoolExecutor.map); baselines' trials go one by one to
/// whoever is free.
double static_chunks_makespan(const SimulatedWork& work, const ClusterOptions& cluster);

}  // namespace seldon::orchestrator

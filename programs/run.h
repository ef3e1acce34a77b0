#pragma once
// `seldon run`: where orchestrator, transport, worker and store meet. What computes comes in from outside, so
// that tests run the same program with an engine that costs nothing.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/collective.h"
#include "core/error.h"
#include "core/pack_runner.h"
#include "core/transport.h"
#include "orchestrator/orchestrator.h"
#include "store/store.h"

namespace seldon::programs {

/// What rank 0 knows of an experiment before anything runs.
struct Experiment {
  store::Header header;
  std::vector<double> pack_costs;  ///< of header.packs, in any unit
  std::vector<bool> together;  ///< [model] a pack takes as long for one of its cells as for all; missing: no
  std::vector<std::uint32_t> ranks;  ///< [model] workers that run a pack together; missing: 1
  std::string accelerator;           ///< the GPU that workers must have; empty: none
  SharedBytes data;
  orchestrator::Limits limits;  ///< run() sets ends_at and fault_tolerant
  double grace_seconds = 60;    ///< for running packs, once the run is asked to end
};

/// Differences of two identities but for the ignored keys, a line each (experiment/config.h has the one for
/// configs).
using IdentityDifference = std::function<std::vector<std::string>(
    const std::string& store, const std::string& config, std::span<const std::string> ignored)>;

/// One of `count` parts of an experiment: the packs whose index is `index` modulo `count`.
struct Shard {
  std::uint32_t index = 0, count = 1;
};

/// One experiment of a sweep.
struct SweepEntry {
  std::string name;                                                  ///< its store is NAME.h5 in the folder
  std::string config;                                                ///< path, for people
  std::vector<std::string> values;                                   ///< of the swept keys, for people
  std::function<Experiment(const std::string& store_path)> prepare;  ///< what it throws is its own trouble
};

/// Several experiments in one run.
struct SweepPlan {
  std::string path;               ///< of the sweep's file
  std::vector<std::string> keys;  ///< that are swept
  std::vector<SweepEntry> entries;
};

/// A worker's place, and what brings it together with others.
struct WorkerContext {
  int rank = 0;
  std::uint32_t local_rank = 0;         ///< which of the workers of its node it is
  CollectiveFactory* groups = nullptr;  ///< null: there are no others
};

struct RunRequest {
  std::string store_path;       ///< of a sweep: the folder
  std::string log_folder;       ///< empty: logs go to the terminal alone
  std::string numerics;         ///< what numbers depend on here; a rank with other ones is taken out
  bool mixed_hardware = false;  ///< go on with a store whose numerics differ
  bool retry_failed = false;    ///< cells that failed in every try get all of their tries again
  bool extend = false;          ///< the store may hold fewer trials or fractions: it is made larger
  bool take_over = false;       ///< write the store although another process seems to do so
  bool alone = false;           ///< one process is meant, whatever the launcher says
  std::optional<Shard> shard;
  double seconds_between_syncs = 10;  ///< of the store to the disk
  double seconds_for_start = 120;     ///< for MPI to start, then the process ends
  std::optional<double> seconds;  ///< that the job may take; none: as SLURM_JOB_END_TIME says, or for ever

  // Called by rank 0 alone.
  std::function<std::optional<SweepPlan>()> sweep = [] { return std::nullopt; };  ///< none: one experiment,
  std::function<Experiment()> prepare;                                            ///< which is this
  IdentityDifference identity_difference;
  std::function<std::unique_ptr<PackRunner>(const std::string& config, std::span<const std::byte> data,
                                            const WorkerContext& context)>
      make_runner;
  /// The GPUs of this worker's node, by their model; empty: there are none. Called by workers.
  std::function<std::string()> accelerator = [] { return std::string(); };

  // For benches, called by rank 0: the store is open and the first pack can go; all is recorded, not yet
  // synced.
  std::function<void()> at_start = [] {};
  std::function<void(const orchestrator::Snapshot&)> at_end = [](const orchestrator::Snapshot&) {};
};

/// Runs the experiment, or those of a sweep, or what is missing of them: in this process alone, or, started
/// by mpirun or srun, as one of the ranks. Returns complete or incomplete; everything else is thrown.
ExitCode run(const RunRequest& request);

/// The rank that the launcher has given this process, before MPI is asked: 0 where there is no launcher.
int launched_rank();

}  // namespace seldon::programs

#pragma once
// The engine behind the worker's protocol, and what rank 0 prepares before anything runs.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/cell.h"
#include "core/pack_runner.h"
#include "core/record.h"
#include "experiment/description.h"
#include "experiment/plan.h"
#include "worker/data_sets.h"
#include "worker/settle.h"

namespace seldon::worker {

/// The experiment as the store's header wants it; programs/ copies it over, since this room knows no store.
struct ExperimentHeader {
  struct Constraint {
    std::string name, expression, decision, bound;
    double delta = 0;
  };
  struct Model {
    std::string name, kind;
    RecordShape shape;
  };
  std::string name;
  std::uint64_t seed = 0;
  std::uint32_t n_trials = 0;
  std::vector<double> data_fracs;
  std::vector<std::uint64_t> rows;
  std::uint64_t total_rows = 0;
  std::string config, identity, numerics;
  std::vector<Constraint> constraints;
  std::vector<Model> models;
  std::vector<Pack> packs;
};

struct Prepared {
  experiment::Description description;
  std::shared_ptr<const std::vector<std::byte>>
      data;  ///< for the workers: the table and the rows of the trials
  ExperimentHeader header;
  experiment::Plan plan;
  experiment::PlanFacts facts;     ///< all but store_bytes
  std::string accelerator;         ///< the GPU that workers must have; empty: none
  std::vector<double> pack_costs;  ///< seconds, a guess, in the order of header.packs
};

/// What of an existing store matters to a run that goes on with it.
struct StoreFound {
  std::string config, identity;  ///< as its header has them
};

struct PrepareOptions {
  /// Settle what the config leaves open, as `store` has it, or by looking for GPUs and measuring on them
  /// (docs/config.md, "Settled once"). Otherwise no device is touched, and the plan is a guess where it would
  /// depend on that.
  bool settle = false;
  std::optional<StoreFound> store;
  std::function<Machine()> machine = this_machine;
  Measurements* known = nullptr;  ///< shared by the experiments of a sweep
  DataSets* data = nullptr;       ///< likewise
};

/// Reads the config and the data, checks all that can be wrong, and plans. InputError for what the user must
/// mend.
Prepared prepare(const std::string& config_path, std::span<const std::string> overrides,
                 const PrepareOptions& options = {});
/// The same of a config that was read.
Prepared prepare(experiment::Description description, const PrepareOptions& options = {});

/// A worker's place.
struct WorkerPlace {
  int rank = 0;
  std::uint32_t index_on_node = 0;  ///< among the workers of its node: which GPU it takes
  /// Brings it together with others to run a pack of a network; null: it runs packs alone. Must outlive the
  /// runner.
  CollectiveFactory* groups = nullptr;
  std::function<Machine()> machine = this_machine;
};

/// What runs packs, from the config's text and the data as `prepare` made them. The data must outlive the
/// runner.
std::unique_ptr<PackRunner> make_runner(const std::string& config_text, std::span<const std::byte> data,
                                        const WorkerPlace& place);

/// What numbers may depend on besides config and data, as a JSON object: the processor's level and LibTorch.
std::string numerics();

/// `seldon run --once`: each model on all rows, no resampling; prints the outcome with every bound, writes
/// the trace and, where there is a solution, the file NAME.solution.json under `out_folder`.
void run_once(const std::string& config_path, std::span<const std::string> overrides,
              const std::string& out_folder, std::ostream& out,
              const std::function<Machine()>& machine = this_machine);

/// `seldon predict`: scores and decisions of new rows by a stored solution, as CSV. On the device that the
/// solution's config names; where there is no GPU, on the CPU.
void predict(const std::string& solution_path, const std::string& data_path, std::ostream& out,
             const std::function<Machine()>& machine = this_machine);

}  // namespace seldon::worker

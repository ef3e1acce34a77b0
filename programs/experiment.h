#pragma once
// An experiment of a config file, as `seldon check` and `seldon run` need it.

#include <span>
#include <string>

#include "programs/run.h"
#include "store/store.h"
#include "worker/engine_runner.h"

namespace seldon::programs {

/// The worker's view of the experiment in the store's words.
store::Header to_store_header(const worker::ExperimentHeader& header);

/// Reads and checks everything, and refuses a store larger than [store] max_bytes.
worker::Prepared prepare(const std::string& config_path, std::span<const std::string> overrides,
                         const worker::PrepareOptions& options = {});
/// The same of a config that was read.
worker::Prepared prepare(experiment::Description description, const worker::PrepareOptions& options = {});

/// For a run: what the config leaves open is settled as the store has it, if there is one, else by what this
/// machine has.
worker::PrepareOptions settle_for(const std::string& store_path);

/// For a store that is there already: its config and data could be read once. Throws IncompleteError if a
/// file cannot be opened now, since then this machine lacks it, and another start may go on elsewhere.
void require_files(const std::string& config_path, std::span<const std::string> overrides);
/// The same of one file, and of the data of a config that was read.
void require_file(const std::string& path);
void require_data(const experiment::Description& description);

/// What `seldon run` needs of it.
Experiment to_experiment(worker::Prepared prepared);

}  // namespace seldon::programs

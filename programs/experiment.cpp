#include "programs/experiment.h"

#include <cerrno>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "experiment/config.h"
#include "worker/node_data.h"

namespace seldon::programs {

store::Header to_store_header(const worker::ExperimentHeader& from) {
  store::Header to;
  to.name = from.name;
  to.seed = from.seed;
  to.n_trials = from.n_trials;
  to.data_fracs = from.data_fracs;
  to.rows = from.rows;
  to.total_rows = from.total_rows;
  to.config = from.config;
  to.identity = from.identity;
  to.numerics = from.numerics;
  for (const auto& constraint : from.constraints)
    to.constraints.push_back(
        {constraint.name, constraint.expression, constraint.decision, constraint.bound, constraint.delta});
  for (const auto& model : from.models) to.models.push_back({model.name, model.kind, model.shape});
  to.packs = from.packs;
  to.version = SELDON_VERSION;
  return to;
}

worker::PrepareOptions settle_for(const std::string& store_path) {
  worker::PrepareOptions options;
  options.settle = true;
  if (!store::name_taken(store_path)) return options;
  try {
    const store::Reader reader(store_path);
    options.store = {reader.header().config, reader.header().identity};
  } catch (const InputError&) {
    // No store at all: what opens it for writing says so.
  }
  return options;
}

worker::Prepared prepare(const std::string& config_path, std::span<const std::string> overrides,
                         const worker::PrepareOptions& options) {
  return programs::prepare(experiment::load_config(config_path, overrides), options);
}

worker::Prepared prepare(experiment::Description description, const worker::PrepareOptions& options) {
  worker::Prepared prepared = worker::prepare(std::move(description), options);
  prepared.facts.store_bytes = store::size_on_disk(to_store_header(prepared.header));
  const std::uint64_t limit = prepared.description.store_max_bytes;
  if (prepared.facts.store_bytes > limit)
    throw InputError(prepared.description.where,
                     "the store would take " + std::to_string(prepared.facts.store_bytes) +
                         " bytes, but store.max_bytes is " + std::to_string(limit) +
                         "; raise it, or keep less (histograms, trace, parameters, trials, fractions)");
  return prepared;
}

void require_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    throw IncompleteError(
        "'" + path + "' cannot be opened on " + worker::host_name() + ": " +
        std::generic_category().message(errno) +
        "; the store was begun where it could; make the file readable here, or run the same "
        "command on another machine");
  ::close(descriptor);
}

void require_files(const std::string& config_path, std::span<const std::string> overrides) {
  require_file(config_path);
  require_data(experiment::load_config(config_path, overrides));
}

void require_data(const experiment::Description& description) {
  for (const std::string& path : {description.data.path.value, description.resample.indices.value})
    if (!path.empty()) require_file(description.resolve(path));
}

Experiment to_experiment(worker::Prepared prepared) {
  Experiment experiment;
  experiment.header = to_store_header(prepared.header);
  experiment.pack_costs = std::move(prepared.pack_costs);
  const experiment::RunSection& run = prepared.description.run;
  experiment.limits.start_seconds = run.start_seconds;
  experiment.limits.lease_seconds = run.lease_seconds;
  experiment.limits.cell_seconds = run.cell_timeout;
  experiment.limits.max_tries = run.max_tries;
  experiment.limits.max_deaths = run.max_deaths;
  experiment.limits.max_fails = run.max_fails;
  experiment.grace_seconds = run.grace_seconds;
  experiment.together = prepared.facts.together;
  experiment.ranks = prepared.facts.workers;
  experiment.accelerator = prepared.accelerator;
  const auto view = std::span<const std::byte>(*prepared.data);
  experiment.data = SharedBytes(std::move(prepared.data), view);
  return experiment;
}

}  // namespace seldon::programs

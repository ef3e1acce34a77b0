// `seldon run` with the fake engine: fake_run STORE [--trials N] ...

#include <algorithm>

#include <CLI/CLI.hpp>

#include "experiment/config.h"
#include "programs/errors.h"
#include "programs/run.h"
#include "tests/programs/fake_engine.h"
#include "tests/programs/fake_faults.h"

namespace {

using namespace seldon;

struct Arguments {
  fake::Engine engine;
  programs::RunRequest request;
  orchestrator::Limits limits;
  double grace_seconds = 60;
  std::vector<std::uint32_t> shard;  // index, count
  std::vector<std::string> deaths;
  bool bad_config = false;
  std::uint32_t sweep = 0;                 // experiments, of the seeds from 1 on; 0: one, that of --seed
  std::vector<std::uint32_t> bad_seeds;    // experiments of the sweep whose config is bad
  std::vector<std::uint32_t> far_seeds;    // whose data are not on this machine
  std::vector<std::uint32_t> throw_seeds;  // of which a trial fails
  std::int64_t bad_rank = -1;
};

void add_experiment(CLI::App& app, fake::Engine& engine) {
  app.add_option("--trials", engine.trials);
  app.add_option("--fractions", engine.fractions);
  app.add_option("--width", engine.width);
  app.add_option("--seed", engine.seed);
  app.add_option("--microseconds", engine.microseconds, "that a cell takes");
  app.add_option("--data-bytes", engine.data_bytes);
  app.add_flag("--width-matters", engine.width_matters);
  app.add_option("--ranks", engine.ranks, "that run a pack together");
}

void add_misbehaviour(CLI::App& app, Arguments& arguments) {
  fake::Engine& engine = arguments.engine;
  app.add_option("--throws-at", engine.throws_at);
  app.add_flag("--throws-packs", engine.throws_packs);
  app.add_flag("--whole", engine.whole);
  app.add_option("--drift", engine.drift);
  app.add_option("--exception-at", engine.exceptions_at, "trials of the first model at the first fraction");
  app.add_option("--segfault-at", engine.segfaults_at, "likewise");
  app.add_option("--hang-at", engine.hangs_at, "likewise");
  app.add_option("--stop-at", engine.stops_at, "likewise");
  app.add_option("--member", engine.member, "of a group, who does these but for exceptions");
  app.add_option("--times", engine.misbehaves_times, "how often these misbehave; 0: always");
  app.add_option(
      "--die-at", arguments.deaths,
      "POINT[:COUNT[:RANK[:MICROSECONDS]]]: a death at a point (core/fault_point.h), or so long after");
  app.add_option("--journal", engine.journal,
                 "file that tells each misbehaviour and death before it happens");
  app.add_flag("--bad-config", arguments.bad_config);
  app.add_option("--sweep", arguments.sweep, "so many experiments, of seeds from 1 on; STORE is a folder");
  app.add_option("--bad-seed", arguments.bad_seeds);
  app.add_option("--far-seed", arguments.far_seeds);
  app.add_option("--throw-seed", arguments.throw_seeds);
  app.add_option("--bad-rank", arguments.bad_rank, "the rank whose engine cannot be built");
}

void add_run(CLI::App& app, Arguments& arguments) {
  programs::RunRequest& request = arguments.request;
  app.add_option("store", request.store_path)->required();
  app.add_option("--log-dir", request.log_folder);
  app.add_flag("--retry-failed", request.retry_failed);
  app.add_option("--lease-seconds", arguments.limits.lease_seconds);
  app.add_option("--start-seconds", arguments.limits.start_seconds);
  app.add_option("--mpi-start-seconds", request.seconds_for_start);
  app.add_option("--cell-timeout", arguments.limits.cell_seconds);
  app.add_option("--max-fails", arguments.limits.max_fails);
  app.add_option("--grace", arguments.grace_seconds);
  app.add_option("--seconds", request.seconds, "that the job may take");
  app.add_option("--shard", arguments.shard, "I/N")->delimiter('/')->expected(2);
  app.add_option("--sync-seconds", request.seconds_between_syncs);
  app.add_flag("--extend", request.extend);
  app.add_flag("--take-over", request.take_over);
  app.add_flag("--alone", request.alone);
}

bool holds(const std::vector<std::uint32_t>& seeds, std::uint32_t seed) {
  return std::ranges::find(seeds, seed) != seeds.end();
}

programs::Experiment built(const Arguments& arguments, const fake::Engine& engine) {
  programs::Experiment experiment = fake::experiment(engine);
  experiment.limits = arguments.limits;
  experiment.grace_seconds = arguments.grace_seconds;
  return experiment;
}

programs::SweepPlan sweep(const Arguments& arguments) {
  programs::SweepPlan plan{"fake.toml", {"experiment.seed"}, {}};
  for (std::uint32_t seed = 1; seed <= arguments.sweep; ++seed) {
    fake::Engine engine = arguments.engine;
    engine.seed = seed;
    if (holds(arguments.throw_seeds, seed)) engine.throws_at = 1;
    const auto prepare = [&arguments, engine, seed](const std::string&) {
      if (holds(arguments.bad_seeds, seed)) throw InputError({"fake.toml", 3}, "this seed is bad");
      if (holds(arguments.far_seeds, seed)) throw IncompleteError("the data are not here");
      return built(arguments, engine);
    };
    plan.entries.push_back({"seed-" + std::to_string(seed), "fake.toml", {std::to_string(seed)}, prepare});
  }
  return plan;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app;
  add_run(app, arguments);
  add_experiment(app, arguments.engine);
  add_misbehaviour(app, arguments);
  CLI11_PARSE(app, argc, argv);

  const fake::Engine& engine = arguments.engine;
  programs::RunRequest& request = arguments.request;
  if (!arguments.shard.empty()) request.shard = {arguments.shard[0], arguments.shard[1]};
  request.prepare = [&] {
    if (arguments.bad_config) throw InputError({"fake.toml", 3}, "the config is bad");
    return built(arguments, engine);
  };
  if (arguments.sweep > 0) request.sweep = [&] { return sweep(arguments); };
  request.identity_difference = experiment::identity_difference;
  request.make_runner = [&](const std::string& config, std::span<const std::byte> data,
                            const programs::WorkerContext& context) {
    if (context.rank == arguments.bad_rank) throw InternalError("this rank has no engine");
    return fake::make_runner(config, data, context.groups);
  };
  try {
    std::vector<fake::Death> deaths;
    for (const std::string& text : arguments.deaths) deaths.push_back(fake::Death::parse(text));
    fake::arm(deaths, programs::launched_rank(), engine.journal);
    return static_cast<int>(programs::run(request));
  } catch (...) {
    return static_cast<int>(programs::report(std::current_exception()));
  }
}

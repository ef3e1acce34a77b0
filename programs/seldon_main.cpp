#include "programs/seldon_main.h"

#include <charconv>
#include <exception>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "experiment/config.h"
#include "experiment/plan.h"
#include "experiment/sweep.h"
#include "programs/duration.h"
#include "programs/errors.h"
#include "programs/experiment.h"
#include "programs/run.h"
#include "programs/simulate.h"
#include "programs/submit.h"
#include "programs/sweep.h"
#include "worker/engine_runner.h"

namespace seldon::programs {
namespace {

struct Arguments {
  std::string config, store, log_folder, out_folder, retry, solution, data;
  std::vector<std::string> overrides;
  bool once = false, mixed_hardware = false, extend = false, take_over = false, alone = false;
  std::optional<Shard> shard;
  std::optional<double> seconds;
  SubmitRequest job;
  SimulateRequest simulation;
};

ExitCode check(const Arguments& arguments) {
  if (experiment::is_sweep(arguments.config)) {
    check_sweep(arguments.config, arguments.overrides, std::cout);
    return ExitCode::complete;
  }
  const auto prepared = prepare(arguments.config, arguments.overrides);
  std::cout << experiment::describe(prepared.description, prepared.plan, prepared.facts);
  return ExitCode::complete;
}

/// "1/4": the second quarter is shard 1 of 4.
Shard parse_shard(const std::string& text) {
  Shard shard;
  const char* const end = text.data() + text.size();
  const auto [slash, error] = std::from_chars(text.data(), end, shard.index);
  if (error == std::errc() && slash != end && *slash == '/') {
    const auto [rest, second_error] = std::from_chars(slash + 1, end, shard.count);
    if (second_error == std::errc() && rest == end && shard.index < shard.count) return shard;
  }
  throw CLI::ValidationError("--shard", "'" + text + "' is not I/N with 0 <= I < N; write 0/4 to 3/4");
}

/// An option that takes a duration; `seconds` gets it.
void add_duration(CLI::App& command, const std::string& flag, std::optional<double>& seconds,
                  const std::string& what) {
  command
      .add_option(
          flag,
          [flag, &seconds](const CLI::results_t& given) {
            seconds = parse_duration(given.front());
            if (!seconds)
              throw CLI::ValidationError(
                  flag, "'" + given.front() + "' is no time; write 90s, 30m, 1.5h, 2d or 1-12:00:00");
            return true;
          },
          what)
      ->type_name("TIME");
}

ExitCode start_run(const Arguments& arguments) {
  if (arguments.once) {
    const std::string folder = arguments.out_folder.empty() ? "." : arguments.out_folder;
    worker::run_once(arguments.config, arguments.overrides, folder, std::cout);
    return ExitCode::complete;
  }
  RunRequest request;
  request.store_path = arguments.store;
  request.log_folder = arguments.log_folder;
  request.numerics = worker::numerics();
  request.mixed_hardware = arguments.mixed_hardware;
  request.retry_failed = !arguments.retry.empty();
  request.extend = arguments.extend;
  request.take_over = arguments.take_over;
  request.alone = arguments.alone;
  request.shard = arguments.shard;
  request.seconds = arguments.seconds;
  request.sweep = [&] { return plan_sweep(arguments.config, arguments.store, arguments.overrides); };
  request.prepare = [&] {
    if (store::name_taken(arguments.store)) require_files(arguments.config, arguments.overrides);
    return to_experiment(
        programs::prepare(arguments.config, arguments.overrides, settle_for(arguments.store)));
  };
  request.identity_difference = experiment::identity_difference;
  request.make_runner = [](const std::string& config, std::span<const std::byte> data,
                           const WorkerContext& context) {
    return worker::make_runner(config, data, {context.rank, context.local_rank, context.groups});
  };
  request.accelerator = [] { return worker::this_machine().name; };
  return run(request);
}

ExitCode submit_job(Arguments& arguments) {
  SubmitRequest& request = arguments.job;
  request.config_path = arguments.config;
  request.store_path = arguments.store;
  request.overrides = arguments.overrides;
  request.log_folder = arguments.log_folder;
  request.sweep = experiment::is_sweep(arguments.config);
  if (!request.sweep) require_single(arguments.store);
  request.check = [&] {
    if (request.sweep) return check_sweep(arguments.config, arguments.overrides, std::cerr);
    return prepare(arguments.config, arguments.overrides).description.threads_per_worker;
  };
  return submit(request);
}

ExitCode start_simulation(Arguments& arguments) {
  if (experiment::is_sweep(arguments.config))
    throw InputError(
        Location{arguments.config, 0},
        "seldon simulate takes the config of one experiment, and this is a sweep; simulate one of "
        "its experiments (seldon check lists them), by its config and --set KEY=VALUE");
  Experiment experiment = to_experiment(prepare(arguments.config, arguments.overrides));
  SimulateRequest& request = arguments.simulation;
  request.header = std::move(experiment.header);
  request.pack_costs = std::move(experiment.pack_costs);
  request.together = std::move(experiment.together);
  request.limits = experiment.limits;
  return simulate(request, std::cout);
}

ExitCode predict(const Arguments& arguments) {
  worker::predict(arguments.solution, arguments.data, std::cout);
  return ExitCode::complete;
}

void add_config(CLI::App& command, Arguments& arguments) {
  command
      .add_option("CONFIG", arguments.config,
                  "the experiment, or a sweep of several (TOML; docs/config.md, docs/sweeps.md)")
      ->required();
  command
      .add_option("--set", arguments.overrides, "KEY=VALUE: overrides one key, e.g. experiment.n_trials=4")
      ->allow_extra_args(false);
}

/// A flag that stands for one key of the config.
void add_override(CLI::App& command, const std::string& flag, const std::string& key, Arguments& arguments,
                  const std::string& what) {
  command
      .add_option(
          flag,
          [&arguments, key](const CLI::results_t& given) {
            arguments.overrides.push_back(key + "=" + given.front());
            return true;
          },
          what + "; the same as --set " + key + "=...")
      ->type_name("NUMBER");
}

void add_submit(CLI::App& command, Arguments& arguments) {
  SubmitRequest& job = arguments.job;
  add_config(command, arguments);
  command
      .add_option("--store", arguments.store, "the HDF5 file that takes the records; of a sweep, the folder")
      ->required();
  command.add_option("--nodes", job.nodes, "of one job")->required()->check(CLI::PositiveNumber);
  command.add_option("--gpus-per-node", job.gpus_per_node, "one worker for each");
  command.add_option("--tasks-per-node", job.tasks_per_node,
                     "workers on each node (default: one per GPU, without GPUs one per core)");
  command.add_option("--time", job.time, "of one job, as Slurm reads it: 12:00:00, 2-0");
  command.add_option("--partition", job.partition);
  command.add_option("--account", job.account);
  command.add_option("--job-name", job.job_name);
  command
      .add_option("--sbatch", job.sbatch_options, "a further option of sbatch, such as --sbatch=--qos=long")
      ->allow_extra_args(false);
  command.add_option("--env", job.env_file, "shell commands that each job runs first, such as module load");
  command.add_option("--grace", job.grace_seconds, "seconds before its end at which a job is asked to drain");
  command.add_option("--launcher", job.launcher, "mpirun (default), or srun with the system's own MPI")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, JobLauncher>{{"mpirun", JobLauncher::mpirun}, {"srun", JobLauncher::srun}}));
  command.add_option("--log-dir", arguments.log_folder, "each rank writes its log here");
  command.add_flag("--dry-run", job.dry_run, "print the job script, submit nothing");
  command.add_option("RUN_FLAGS", job.run_flags, "after --: further flags of seldon run");
}

void add_simulate(CLI::App& command, Arguments& arguments) {
  SimulateRequest& world = arguments.simulation;
  add_config(command, arguments);
  const auto text = [&](const char* flag, std::string& value, const char* form, const char* what) {
    command.add_option(flag, value, what)->type_name(form);
  };
  const auto number = [&](const char* flag, auto& value, const char* what) {
    command.add_option(flag, value, what)->capture_default_str();
  };
  command.add_option("--workers", world.workers, "of the cluster")->required();
  number("--workers-per-node", world.workers_per_node, "that are lost together with their node");
  add_override(command, "--trials", "experiment.n_trials", arguments,
               "trials of each model and data fraction");
  text("--store", world.store, "FILE.h5", "cells take what they took there");
  text("--cell-time", world.cell_time, "TIME",
       "mean of a cell, such as 30s; the plan's costs are scaled to it");
  number("--spread", world.spread, "sigma of the lognormal law of the cells of one model and fraction");
  number("--misjudged", world.misjudged, "sigma of a lognormal factor between each model and its plan");
  text("--mtbf", world.mtbf, "TIME", "mean time between the deaths of one worker, such as 12h");
  text("--node-mtbf", world.node_mtbf, "TIME", "the same of a node with all its workers");
  command.add_flag("--survive-node-losses", world.survive_node_losses, "a lost node does not end the job");
  command.add_flag("--no-ulfm", world.no_ulfm, "a worker's death ends the job");
  text("--hangs", world.hangs, "TIME[:LENGTH]",
       "mean time between hangs of one worker, and their mean length");
  text("--stragglers", world.stragglers, "SHARE:FACTOR", "so many workers take so many times longer");
  text("--late", world.late, "SHARE:TIME", "so many workers come up to so late");
  number("--bad-nodes", world.bad_nodes, "nodes on which every cell fails");
  number("--failures", world.failures, "share of tries that end with an exception");
  number("--killers", world.killers, "cells that kill whoever runs them");
  text("--time", world.time, "TIME", "limit of a job");
  number("--grace", world.grace, "before its end a job drains");
  text("--preempt", world.preempt, "TIME", "mean time until a job is preempted");
  number("--queue", world.queue, "between two jobs");
  number("--restarts", world.restarts, "jobs after the first, at most");
  number("--seed", world.seed, "of everything that is drawn");
}

/// Refuses what the parser cannot know to be wrong.
void check_run_arguments(const Arguments& arguments) {
  if (arguments.once == !arguments.store.empty())
    throw CLI::ParseError(
        "run needs either --store FILE.h5, for an experiment (a folder for a sweep), or --once, for one data "
        "set",
        CLI::ExitCodes::RequiredError);
  if (!arguments.once && !arguments.out_folder.empty())
    throw CLI::ParseError("--out belongs to --once; the records of an experiment go to --store FILE.h5",
                          CLI::ExitCodes::ExtrasError);
  if (arguments.once &&
      (!arguments.log_folder.empty() || arguments.mixed_hardware || !arguments.retry.empty() ||
       arguments.extend || arguments.shard || arguments.seconds || arguments.take_over))
    throw CLI::ParseError(
        "--log-dir, --mixed-hardware, --retry, --extend, --shard, --time and --take-over belong "
        "to --store, not to --once",
        CLI::ExitCodes::ExtrasError);
}

/// All ranks read the same command line; the first one speaks.
int explain(const CLI::App& app, const CLI::ParseError& error) {
  const bool asked = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success);  // --help, --version
  if (launched_rank() == 0) {
    if (asked)
      app.exit(error);
    else
      std::cerr << "seldon: error: " << error.what() << "\nseldon --help tells what there is.\n";
  }
  return static_cast<int>(asked ? ExitCode::complete : ExitCode::bad_input);
}

}  // namespace

int seldon_main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Seldonian experiments on clusters", "seldon");
  app.set_version_flag("--version", "seldon " SELDON_VERSION);
  app.require_subcommand(1);

  auto* check_command = app.add_subcommand("check", "validate a config and print the plan");
  add_config(*check_command, arguments);

  auto* run_command =
      app.add_subcommand("run", "run an experiment, or what is missing of it; also under mpirun");
  add_config(*run_command, arguments);
  run_command->add_option("--store", arguments.store,
                          "the HDF5 file that takes the records; of a sweep, the folder");
  run_command->add_option("--log-dir", arguments.log_folder, "each rank writes its log here");
  run_command->add_flag("--mixed-hardware", arguments.mixed_hardware,
                        "go on with a store that was begun where numbers come out differently");
  run_command
      ->add_option("--retry", arguments.retry, "failed: cells that failed in every try are tried again")
      ->check(CLI::IsMember({"failed"}));
  run_command->add_flag("--extend", arguments.extend,
                        "the store holds fewer trials or fractions than the config: make it larger");
  run_command
      ->add_option(
          "--shard",
          [&](const CLI::results_t& given) {
            arguments.shard = parse_shard(given.front());
            return true;
          },
          "I/N: only the packs whose index is I modulo N, into a store of their own")
      ->type_name("I/N");
  add_duration(
      *run_command, "--time", arguments.seconds,
      "that the job may take; hands out nothing that cannot end before (default: SLURM_JOB_END_TIME)");
  add_override(*run_command, "--cell-timeout", "run.cell_timeout", arguments, "seconds that a cell may take");
  add_override(*run_command, "--max-fails", "run.max_fails", arguments,
               "end the run when more cells than that have failed for good");
  add_override(*run_command, "--grace", "run.grace_seconds", arguments,
               "seconds for running packs when the run is asked to end");
  run_command->add_flag("--take-over", arguments.take_over,
                        "write the store although another process seems to do so");
  run_command->add_flag("--alone", arguments.alone,
                        "one process is meant, although a launcher seems to start several");
  run_command->add_flag("--once", arguments.once, "train each model once, on all rows");
  run_command->add_option("--out", arguments.out_folder,
                          "--once writes solutions and traces here (default: .)");
  run_command->callback([&] { check_run_arguments(arguments); });

  auto* submit_command = app.add_subcommand("submit", "write a job script for Slurm and submit it");
  add_submit(*submit_command, arguments);

  auto* simulate_command =
      app.add_subcommand("simulate", "how long an experiment takes on a cluster, with what goes wrong there");
  add_simulate(*simulate_command, arguments);

  auto* predict_command = app.add_subcommand("predict", "score new rows by a solution of run --once, as CSV");
  predict_command->add_option("SOLUTION", arguments.solution)->required();
  predict_command->add_option("DATA", arguments.data, "CSV, .gz too")->required();

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return explain(app, error);
  }
  try {
    const bool one_process =
        *check_command || *submit_command || *simulate_command || *predict_command || arguments.once;
    if (one_process && launched_rank() > 0) return 0;  // the first of the launched processes does it
    if (*check_command) return static_cast<int>(check(arguments));
    if (*simulate_command) return static_cast<int>(start_simulation(arguments));
    if (*submit_command) return static_cast<int>(submit_job(arguments));
    if (*run_command) return static_cast<int>(start_run(arguments));
    return static_cast<int>(predict(arguments));
  } catch (...) {
    return static_cast<int>(report(std::current_exception()));
  }
}

}  // namespace seldon::programs

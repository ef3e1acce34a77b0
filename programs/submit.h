#pragma once
// `seldon submit`: a job script for Slurm, beside the store, and its submission. Needs neither MPI nor a
// device.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"

namespace seldon::programs {

/// What starts the ranks within the job.
enum class JobLauncher { mpirun, srun };

struct SubmitRequest {
  std::string config_path;
  std::string store_path;              ///< of a sweep: the folder, made where it is missing
  bool sweep = false;                  ///< the config is a sweep: the job's own files are in its folder
  std::vector<std::string> overrides;  ///< KEY=VALUE, of --set
  std::vector<std::string> run_flags;  ///< further arguments of `seldon run`, as they are

  std::uint32_t nodes = 1;
  std::optional<std::uint32_t> gpus_per_node;
  std::optional<std::uint32_t> tasks_per_node;  ///< workers; default: one per GPU, without GPUs one per core
  std::string time;  ///< of one job, as Slurm reads it ("90", "12:00:00", "2-0"); empty: the partition's own
  std::string partition, account, job_name;  ///< empty: Slurm's defaults; the job is called after the config
  std::vector<std::string> sbatch_options;   ///< further ones, such as "--qos=long"
  std::uint32_t grace_seconds = 120;         ///< before the end Slurm asks the job to drain
  JobLauncher launcher = JobLauncher::mpirun;
  std::string env_file;    ///< sourced by the job before anything runs; empty: none
  std::string log_folder;  ///< of `seldon run --log-dir`; empty: none
  bool dry_run = false;    ///< print the script, write and submit nothing

  /// Of `seldon`, with `seldon-report` beside it; empty: the running program's own.
  std::string program;
  /// Validates the config as `seldon check` does and returns the threads of one worker.
  std::function<std::uint32_t()> check;
};

/// The script that is submitted, a page of bash (slurm/job.sh filled in). Paths are made absolute. Throws
/// InputError for what Slurm or a shell could not take.
std::string job_script(const SubmitRequest& request, std::uint32_t threads_per_worker);

/// Checks the config, writes STORE.sbatch and hands it to sbatch, or prints it for a dry run. Throws
/// InputError if the config is bad or sbatch refuses.
ExitCode submit(const SubmitRequest& request);

}  // namespace seldon::programs

#include "programs/launch.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <optional>

#include "core/error.h"

namespace seldon::programs {
namespace {

/// The first of these variables that holds a number.
std::optional<int> number(const Lookup& lookup, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* text = lookup(name);
    if (!text) continue;
    int value = 0;
    const char* end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, value);
    if (error == std::errc() && stop == end && value >= 0) return value;
  }
  return std::nullopt;
}

/// How many processes a Slurm job was given room for. Without -n it is one for each node.
int job_processes(const Lookup& lookup) {
  if (const auto tasks = number(lookup, {"SLURM_NTASKS", "SLURM_NPROCS"})) return *tasks;
  const int nodes = number(lookup, {"SLURM_JOB_NUM_NODES", "SLURM_NNODES"}).value_or(1);
  return nodes * number(lookup, {"SLURM_NTASKS_PER_NODE"}).value_or(1);
}

std::string processes(int count) {
  return std::to_string(count) + " processes";
}

std::string launch_lines(int count) {
  const std::string n = std::to_string(count);
  return "'mpirun -n " + n +
         " seldon run ...', with the mpirun of the MPI that this program was built with, or " +
         "'srun --mpi=pmix -n " + n + " seldon run ...' where that MPI is the system's own";
}

}  // namespace

bool LaunchFacts::has_mpi() const {
  return launcher == Launcher::mpirun || launcher == Launcher::process_mi || launcher == Launcher::srun_pmix;
}

LaunchFacts launch_facts(const Lookup& lookup) {
  // From the innermost launcher outwards: the ranks of an mpirun within a job see the job's variables too,
  // and on other nodes those of the step that holds mpirun's daemons.
  if (const auto rank = number(lookup, {"OMPI_COMM_WORLD_RANK"}))
    return {Launcher::mpirun, number(lookup, {"OMPI_COMM_WORLD_SIZE"}).value_or(1), *rank};
  if (const auto rank = number(lookup, {"PMI_RANK"}))
    return {Launcher::process_mi, number(lookup, {"PMI_SIZE", "SLURM_STEP_NUM_TASKS"}).value_or(1), *rank};
  const auto step_tasks = number(lookup, {"SLURM_STEP_NUM_TASKS"});
  if (const auto rank = number(lookup, {"PMIX_RANK"}))
    return {Launcher::srun_pmix, step_tasks.value_or(1), *rank};
  if (step_tasks && number(lookup, {"SLURM_STEP_ID"}))
    return {Launcher::srun, *step_tasks, number(lookup, {"SLURM_PROCID"}).value_or(0)};
  if (number(lookup, {"SLURM_JOB_ID"}))
    return {Launcher::slurm_script, std::max(job_processes(lookup), 1), 0};
  return {};
}

LaunchFacts launch_facts() {
  return launch_facts([](const char* name) { return std::getenv(name); });
}

void check_launch(const LaunchFacts& facts, bool alone) {
  if (facts.processes <= 1) return;
  const std::string count = processes(facts.processes);
  if (facts.launcher == Launcher::slurm_script) {
    if (alone) return;
    throw InputError("this Slurm job has room for " + count +
                     ", but the program was started without a launcher and is one process; start it by " +
                     launch_lines(facts.processes) + ", or say --alone if one process is meant");
  }
  if (alone)
    throw InputError("--alone means one process, but the launcher started " + count +
                     ", each of which would run the whole experiment; leave the launcher or --alone away");
  if (facts.launcher == Launcher::srun)
    throw InputError("srun started " + count +
                     " that know nothing of each other, because it was told no --mpi; start them by " +
                     launch_lines(facts.processes));
}

void check_joined(const LaunchFacts& facts, int mpi_size, const std::string& library) {
  if (facts.processes <= 1 || mpi_size > 1) return;
  const std::string why =
      ", but for " + library +
      ", with which this program runs, each is alone: the launcher belongs to another MPI, or "
      "this MPI cannot talk to it; start them by ";
  throw InputError("the launcher started " + processes(facts.processes) + why +
                   launch_lines(facts.processes));
}

}  // namespace seldon::programs

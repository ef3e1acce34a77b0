#pragma once
// Who started this process, and as one of how many, as the environment tells it before MPI_Init. A wrong
// launcher gives every process the impression of being rank 0 of 1: it must never make several masters on one
// store.

#include <functional>
#include <string>

namespace seldon::programs {

/// Like std::getenv: the value of a variable, or null.
using Lookup = std::function<const char*(const char*)>;

enum class Launcher {
  none,          ///< nobody: a plain command
  mpirun,        ///< Open MPI's mpirun
  process_mi,    ///< something that speaks PMI: MPICH's and Intel's mpirun, srun --mpi=pmi2
  srun_pmix,     ///< srun --mpi=pmix, or another that speaks PMIx
  srun,          ///< srun without any MPI
  slurm_script,  ///< nobody, within a Slurm job: the job script, or a shell of salloc
};

struct LaunchFacts {
  Launcher launcher = Launcher::none;
  /// That the launcher started; of a job script, that the job was given room for.
  int processes = 1;
  /// Of this process, 0 where there is no launcher.
  int rank = 0;

  /// True where MPI is to be asked: there is a launcher, and it is one that MPI can talk to.
  bool has_mpi() const;
};

/// Variables that hold no number count as absent.
LaunchFacts launch_facts(const Lookup& lookup);
/// Of this process.
LaunchFacts launch_facts();

/// Before MPI_Init. Throws InputError, with the line that starts the program as it was probably meant, if
/// several processes were asked for and MPI cannot join them. `alone`: one process was meant.
void check_launch(const LaunchFacts& facts, bool alone);

/// After MPI_Init: throws InputError if the launcher started several processes and MPI, of which `library` is
/// the name, knows of `mpi_size` only.
void check_joined(const LaunchFacts& facts, int mpi_size, const std::string& library);

}  // namespace seldon::programs

# Sourced by the scripts beside it: strict mode, the project's root, messages, and how MPI is started.
# shellcheck shell=bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '\n==> %s\n' "$*"; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# A unit that includes LibTorch takes up to 2 GB to compile: as many jobs as cores, but no more than memory allows.
jobs=$(nproc)
memory_jobs=$(($(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo) / 2000000))
[ "$memory_jobs" -ge 1 ] || memory_jobs=1
[ "$jobs" -le "$memory_jobs" ] || jobs=$memory_jobs

# Open MPI starts as root (containers, CI) only when told twice, and shares memory between processes by a call that
# containers forbid. One thread per rank unless a config says otherwise.
if [ "$(id -u)" = 0 ]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  export PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
export OMPI_MCA_btl_vader_single_copy_mechanism=none
export OMPI_MCA_rmaps_base_oversubscribe=1
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# run_ranks N PROGRAM ARGUMENT...: the program on N ranks of this machine, whatever its number of cores.
run_ranks() {
  local ranks=$1
  shift
  mpirun -n "$ranks" --oversubscribe "$@"
}

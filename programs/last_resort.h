#pragma once
// The end of what would otherwise hang for ever: this process (core/last_resort.h), or the whole job.

#include <vector>

#include "core/last_resort.h"
#include "core/process.h"

namespace seldon::programs {

/// For a rank that nobody can reach, on another node: asks the launcher that has started this process (Open
/// MPI's, on this node) to end the job, with SIGTERM. It kills every rank, the stopped ones too, and this one
/// within tenths of a second: whatever is to be kept must be safe before. The launcher's status is then its
/// own, whatever this process would have returned: of Open MPI 5.0.11 1, or 0 if only its daemon is on this
/// node. False if there is none.
bool end_launcher();

/// The same from a process that is left behind and outlives this one, if the launcher is still there after so
/// many seconds; one that heeds no SIGTERM is killed. Once it has ended, so are those of `ranks`, of this
/// node, that are still there: stopped ones would outlive it. Measured with Open MPI 5.0.11: once workers
/// have died, the launcher hangs in one of fifteen runs although every rank has ended; that of 4.1.4 may hang
/// after MPI_Abort.
void end_launcher_after(double seconds, const std::vector<Process>& ranks);

}  // namespace seldon::programs

#pragma once
// What the outside asks of a run by signals (docs/cluster.md):
//   SIGUSR1            drain: hand out nothing more, let running packs end; the second one cancels them
//   SIGTERM, SIGINT    alone in one process: as SIGUSR1; the third one of all ends the process at once.
//                      Under a launcher, which kills within a second: mark, sync, end. Open MPI 4 sends
//                      SIGTERM also when a rank has died; a worker answers by giving its pack back
// Handlers only count; rank 0 looks between messages.

namespace seldon::programs {

/// How a process of a run takes signals.
enum class SignalRole {
  alone,         ///< the only process
  orchestrator,  ///< rank 0 under a launcher
  worker,        ///< another rank: rank 0 decides, and the launcher kills
};

/// To be called first of all: SIGUSR1's default is to kill.
void catch_signals(SignalRole role);

/// A worker's: SIGTERM or SIGINT has come.
bool told_to_end();

enum class Asked { nothing, drain, cancel, terminate };

/// The gravest thing that has been asked so far.
Asked asked_by_signal();

}  // namespace seldon::programs

#pragma once
// What the orchestrator tells of itself.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/cell.h"
#include "core/transport.h"

namespace seldon::orchestrator {

struct ModelProgress {
  std::string name;
  std::uint64_t cells = 0, done = 0, failed = 0, solutions = 0;
};

/// How far one of several experiments is.
struct ExperimentProgress {
  std::string name;
  std::uint64_t cells = 0, done = 0, failed = 0;
  std::uint64_t recorded_now = 0;  ///< done since this start
  double worker_seconds_left = 0;  ///< of work, a guess by costs; NaN before anything is recorded
  bool too_many_failed = false;    ///< ended by Limits::max_fails
  std::string ended = {};          ///< why what is left of it is not done in this run; empty: it goes on
  std::vector<ModelProgress> models;

  bool complete() const { return done == cells; }
};

/// A glance at the run; what is counted is of all experiments together.
struct Snapshot {
  std::uint64_t cells = 0, done = 0, failed = 0;
  std::uint64_t recorded_now = 0;     ///< done since this start
  std::uint64_t judged_now = 0;       ///< that this start suspects more than before, or has given up
  double seconds = 0;                 ///< since this start
  double seconds_left = 0;            ///< a guess by costs; NaN before anything is recorded
  std::uint64_t suspects = 0;         ///< cells left that may be what kills workers
  std::uint64_t preempted = 0;        ///< times that a cell was taken back in this run
  bool too_many_failed = false;       ///< an experiment was ended by Limits::max_fails
  bool out_of_time = false;           ///< no pack that is left fits before the end of the job
  std::uint64_t late = 0;             ///< answers rejected because their lease had ended
  int workers = 0;                    ///< that are ready
  std::vector<ModelProgress> models;  ///< of all experiments, in their order
  std::vector<ExperimentProgress> experiments;  ///< by Pack::experiment

  bool complete() const { return done == cells; }
};

enum class WorkerPhase {
  starting,   ///< has said nothing, or is being supplied
  idle,       ///< wants work
  busy,       ///< holds a lease
  suspended,  ///< its lease has ended unanswered; works again once it says that it is through
  barred,     ///< alive, but gets nothing more: what it computes fails, and succeeds elsewhere
  gone,       ///< dead or faulty, or has left
};
std::string_view name_of(WorkerPhase phase);

struct WorkerStatus {
  Peer peer = 0;
  std::string host;  ///< empty before it has said hello
  WorkerPhase phase = WorkerPhase::starting;
  std::optional<Pack> pack = {};        ///< while it is busy
  double since = 0;                     ///< when it entered this phase, on the clock
  std::uint64_t cells = 0, failed = 0;  ///< recorded of it, and ended with an exception, in this run
};

}  // namespace seldon::orchestrator

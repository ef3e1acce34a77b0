#pragma once
// The worker's side of the conversation in core/messages.h. It knows no engine: what computes comes in as a
// factory.

#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>

#include "core/clock.h"
#include "core/last_resort.h"
#include "core/messages.h"
#include "core/pack_runner.h"
#include "core/transport.h"

namespace seldon::worker {

/// Builds what runs packs from the config's text and the data, which outlives the runner. `local_rank`: which
/// of the workers of its node this one is.
using RunnerFactory = std::function<std::unique_ptr<PackRunner>(
    const std::string& config, std::span<const std::byte> data, std::uint32_t local_rank)>;

/// Seconds since some fixed moment, never going back.
using Clock = std::function<double()>;
using seldon::steady_seconds;

/// Whether this process has been told to end by someone else than rank 0 (SIGTERM).
using ToldToEnd = std::function<bool()>;

/// When a worker takes itself or rank 0 for hung, in seconds; infinity: never. Time in which the whole job is
/// suspended does not count.
struct Patience {
  /// With itself: between two looks at its messages, which it takes at every tick of the engine and while it
  /// waits. Far longer than any honest step, such as evaluating a network on all rows, or building the
  /// runner.
  double own = 20 * 60;
  /// How it then ends its process, with `incomplete`: see Ending.
  Ending ending = Ending::status;
  /// With a rank 0 that says nothing, which says something every minute (orchestrator/dismiss.h) once it has
  /// read all data and opened the store; before its first word three times as long.
  double with_rank_0 = std::numeric_limits<double>::infinity();
  /// What is done then, before this process ends.
  std::function<void()> end_job = [] {};
};

/// Of several experiments a worker keeps the runners that it used last, and their data. It drops others, and
/// says so, when there are more, or they hold more memory than that (PackRunner::memory).
struct Keeping {
  std::size_t runners = 64;
  std::uint64_t bytes = std::uint64_t{4} << 30;
};

/// Says hello and works until told to stop; returns the exit code that came with the order. What the factory
/// throws is sent to the orchestrator, which may go on with other experiments; what a pack throws becomes
/// FAILED reports of its cells; neither ends the conversation. A worker that is told to end gives its pack
/// back, which tells rank 0 that it has not died of it. If the orchestrator dies the process ends at once,
/// before MPI_Finalize, which would hang: with the exit code of the order if it was told to stop, else
/// `incomplete`. So it does if it has lost its patience.
ExitCode serve(
    Transport& transport, Peer orchestrator, const message::Hello& hello, const RunnerFactory& make_runner,
    const Clock& clock = steady_seconds, const ToldToEnd& told_to_end = [] { return false; },
    const Patience& patience = {}, const Keeping& keeping = {});

}  // namespace seldon::worker

#pragma once
// The worker's side of the conversation in core/messages.h. It knows no engine: what computes comes in as a
// factory.

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/messages.h"
#include "core/pack_runner.h"
#include "core/transport.h"

namespace seldon::worker {

/// Builds what runs packs from the config's text and the data, which outlives the runner.
using RunnerFactory =
    std::function<std::unique_ptr<PackRunner>(const std::string& config, std::span<const std::byte> data)>;

/// Seconds since some fixed moment, never going back.
using Clock = std::function<double()>;
double steady_seconds();

/// Whether this process has been told to end by someone else than rank 0 (SIGTERM).
using ToldToEnd = std::function<bool()>;

/// Says hello and works until told to stop; returns the exit code that came with the order. What the factory
/// throws is sent to the orchestrator, what a pack throws becomes FAILED reports of its cells; neither ends
/// the conversation. A worker that is told to end gives its pack back, which tells rank 0 that it has not
/// died of it. If the orchestrator dies the process ends at once, before MPI_Finalize, which would hang: with
/// the exit code of the order if it was told to stop, else `incomplete`.
ExitCode serve(
    Transport& transport, Peer orchestrator, const message::Hello& hello, const RunnerFactory& make_runner,
    const Clock& clock = steady_seconds, const ToldToEnd& told_to_end = [] { return false; });

}  // namespace seldon::worker

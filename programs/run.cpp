#include "programs/run.h"

#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

#include <spdlog/spdlog.h>

#include "collective/groups.h"
#include "core/backoff.h"
#include "core/fault_point.h"
#include "core/log_context.h"
#include "core/process.h"
#include "orchestrator/dismiss.h"
#include "programs/errors.h"
#include "programs/job.h"
#include "programs/last_resort.h"
#include "programs/launch.h"
#include "programs/logging.h"
#include "programs/signals.h"
#include "transport/in_process.h"
#include "transport/mpi.h"
#include "worker/protocol.h"

namespace seldon::programs {
namespace {

constexpr double seconds_for_goodbyes = 10;  // then a worker is killed, or the whole job ended
constexpr double seconds_for_mpi_to_end = 60;
/// That a launcher may take to end once all of so many ranks have.
double seconds_for_launcher(int ranks) {
  return 10 + ranks / 100.0;
}

constexpr double seconds_without_rank_0 = 10 * 60;
// Where a death ends the job, rank 0 goes on without a worker that hangs, unless it hangs itself.
constexpr double seconds_of_a_hang_without_fault_tolerance = 2 * 60 * 60;

message::Hello introduce(const RunRequest& request) {
  return {worker::host_name(),  worker::node_name(), SELDON_VERSION, request.numerics, {},
          request.accelerator()};
}

// ---- rank 0 -------------------------------------------------------------------------------------------

/// Under a launcher that is about to kill: not a word to anyone, no MPI_Finalize.
[[noreturn]] void leave_at_once(ExitCode code, const transport::MpiSession& session) {
  spdlog::default_logger()->flush();
  // If this rank alone was told to end, the others must notice.
  if (session.fault_tolerant()) session.abort(static_cast<int>(code));
  std::_Exit(static_cast<int>(code));
}

/// Whether a worker lives, told without asking it. With fault tolerance its death would be known; else only
/// processes of this node can be looked at.
bool still_there(const orchestrator::RollCall& peers, bool fault_tolerant, Peer peer) {
  if (fault_tolerant) return !peers.lost(peer);
  const auto& entry = peers.entry(peer);
  return entry.node == worker::node_name() && find_process(entry.process.pid) == entry.process;
}

/// The workers of this node that have said who they are.
std::vector<Process> workers_here(const orchestrator::RollCall& peers) {
  std::vector<Process> found;
  for (Peer peer = 0; peer < peers.size(); ++peer)
    if (const auto& entry = peers.entry(peer); entry.process.pid != 0 && entry.node == worker::node_name())
      found.push_back(entry.process);
  return found;
}

bool any_lost(const Transport& peers) {
  for (Peer peer = 0; peer < peers.size(); ++peer)
    if (peers.lost(peer)) return true;
  return false;
}

ExitCode orchestrate(const RunRequest& request, const transport::MpiSession& session) {
  transport::Mpi mpi(session);
  orchestrator::RollCall peers(mpi);
  ExitCode code = ExitCode::internal;
  try {
    set_up_logging(0, request.log_folder, isatty(STDERR_FILENO) != 0);
    Job job(request, session.fault_tolerant());
    job.start(peers, true, [&](Peer peer) { return still_there(peers, session.fault_tolerant(), peer); });
    for (Backoff backoff; !job.finished();) job.turn() ? backoff.reset() : backoff.pause();
    code = job.conclude();
  } catch (...) {
    code = report(std::current_exception());  // at once: the launcher may cut off what is said later
  }
  if (asked_by_signal() == Asked::terminate) leave_at_once(code, session);
  const bool all_gone =
      session.fault_tolerant()
          ? orchestrator::dismiss_or_kill(peers, code, seconds_for_goodbyes, worker::steady_seconds,
                                          worker::node_name())
          : orchestrator::dismiss(peers, code, seconds_for_goodbyes, worker::steady_seconds);
  // A launcher may hang after MPI_Abort, and after deaths.
  if (!all_gone || (session.fault_tolerant() && any_lost(peers)))
    end_launcher_after(seconds_for_launcher(peers.size()), workers_here(peers));
  if (!all_gone) {
    spdlog::error("a worker does not answer; the job is ended without it");
    spdlog::default_logger()->flush();
    // Where deaths are survived the others have left, and only the launcher waits.
    if (!session.fault_tolerant()) session.abort(static_cast<int>(code));
    end_launcher();
  }
  return code;
}

// ---- the others ---------------------------------------------------------------------------------------

ExitCode work(const RunRequest& request, Transport& transport, CollectiveFactory* groups,
              const worker::Patience& patience) {
  const Peer orchestrator = 0;
  return worker::serve(
      transport, orchestrator, introduce(request),
      [&](const std::string& config, std::span<const std::byte> data, std::uint32_t local_rank) {
        return request.make_runner(config, data, {transport.self(), local_rank, groups});
      },
      worker::steady_seconds, told_to_end, patience);
}

worker::Patience patience_of_a_rank(bool fault_tolerant) {
  worker::Patience patience;
  patience.with_rank_0 = seconds_without_rank_0;
  patience.end_job = [] { end_launcher(); };
  if (fault_tolerant)
    patience.ending = Ending::signal;
  else
    patience.own = seconds_of_a_hang_without_fault_tolerance;
  return patience;
}

/// A worker whose log file cannot be opened still works. Whether the folder is good at all, rank 0 judges.
void set_up_worker_logging(const RunRequest& request, int rank) {
  const bool terminal = isatty(STDERR_FILENO) != 0;
  try {
    set_up_logging(rank, request.log_folder, terminal);
  } catch (const InputError& error) {
    set_up_logging(rank, "", terminal);
    spdlog::warn("no log file on {}: {}", worker::host_name(), error.what());
  }
}

/// What a rank throws ends the whole job: without this rank the others could not even finalise MPI.
ExitCode run_as_rank(const RunRequest& request, const transport::MpiSession& session,
                     CollectiveFactory& groups) {
  try {
    if (session.rank() == 0) return orchestrate(request, session);
    set_up_worker_logging(request, session.rank());
    transport::Mpi mpi(session);
    const ExitCode told = work(request, mpi, &groups, patience_of_a_rank(session.fault_tolerant()));
    // Rank 0's exit status speaks for the run. At the first other one mpirun would kill the rest, rank 0 too;
    // where deaths are survived it kills nobody, and it reports the workers' status if rank 0 dies in its
    // last moments.
    return session.fault_tolerant() ? told : ExitCode::complete;
  } catch (...) {
    const ExitCode code = report(std::current_exception());
    // What a worker finds wrong may be so on its node alone.
    session.abort(static_cast<int>(session.rank() == 0 ? code : ExitCode::incomplete));
  }
}

// ---- alone --------------------------------------------------------------------------------------------

/// One process in both roles: the worker, whenever it looks for messages, turns the orchestrator.
ExitCode run_alone(const RunRequest& request) {
  set_up_logging(0, request.log_folder, isatty(STDERR_FILENO) != 0);
  transport::InProcess hub(2);
  Job job(request, false);
  job.start(hub.end(0), false, [](Peer) { return true; });
  if (job.finished()) return job.conclude();

  std::exception_ptr failure;
  bool over = false;
  hub.before_poll(1, [&] {
    if (over) return;
    // What fails here must not pass through the engine, which would take it for a failure of its own.
    try {
      const LogScope not_the_packs("");
      job.turn();
      over = job.finished();
    } catch (...) {
      failure = std::current_exception();
      over = true;
    }
    if (over) message::send(hub.end(0), 1, message::Stop{});
  });
  work(request, hub.end(1), nullptr, {});
  if (failure) std::rethrow_exception(failure);
  return job.conclude();
}

}  // namespace

int launched_rank() {
  return launch_facts().rank;
}

ExitCode run(const RunRequest& request) {
  const LaunchFacts facts = launch_facts();
  check_launch(facts, request.alone);
  const bool with_mpi = facts.has_mpi() && !request.alone;
  catch_signals(!with_mpi         ? SignalRole::alone
                : facts.rank == 0 ? SignalRole::orchestrator
                                  : SignalRole::worker);
  if (!with_mpi) return run_alone(request);

  // A rank that dies before MPI is up leaves the others waiting for it; one that is stopped, at the end.
  std::optional<LastResort> guard;
  guard.emplace(request.seconds_for_start, ExitCode::incomplete,
                "MPI does not start: another rank may have died before it was up");
  const transport::MpiSession session;
  pass("run.mpi-is-up");
  std::optional<collective::Groups> groups;
  if (session.size() > 1) groups.emplace();  // waits for all ranks once more
  guard.reset();
  check_joined(facts, session.size(), transport::loaded_library());
  const ExitCode code = groups ? run_as_rank(request, session, *groups) : run_alone(request);
  // All is said and safe: whoever hangs now ends as if it had not.
  guard.emplace(seconds_for_mpi_to_end, code, "MPI does not end: another rank may hang");
  return code;
}

}  // namespace seldon::programs

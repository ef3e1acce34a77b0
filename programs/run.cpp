#include "programs/run.h"

#include <csignal>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>

#include <spdlog/spdlog.h>

#include "core/backoff.h"
#include "orchestrator/dismiss.h"
#include "programs/errors.h"
#include "programs/live_line.h"
#include "programs/logging.h"
#include "programs/store_sink.h"
#include "transport/in_process.h"
#include "transport/mpi.h"
#include "worker/node_data.h"
#include "worker/protocol.h"

namespace seldon::programs {
namespace {

constexpr double seconds_for_goodbyes = 30;

// ---- the world around ---------------------------------------------------------------------------------

std::optional<int> number_in_environment(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const char* value = std::getenv(name)) return std::atoi(value);
  return std::nullopt;
}

/// What mpirun and srun --mpi tell a process before MPI_Init; nothing where there is no launcher, and then
/// MPI, which takes a second to start, is left alone.
std::optional<int> rank_by_launcher() {
  return number_in_environment({"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"});
}

volatile std::sig_atomic_t stop_requested = 0;

/// From here on the first SIGINT or SIGTERM asks for a clean end; a second one ends at once.
void catch_stop_signals() {
  struct sigaction action = {};
  action.sa_handler = [](int) { stop_requested = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

message::Hello introduce(const RunRequest& request) {
  return {worker::host_name(), worker::node_name(), SELDON_VERSION, request.numerics};
}

// ---- the store ----------------------------------------------------------------------------------------

void refuse_differences(const RunRequest& request, const store::Header& held, const store::Header& wanted) {
  std::string differences;
  for (const std::string& line : request.identity_difference(held.identity, wanted.identity, {}))
    differences += "\n  " + line;
  if (!differences.empty())
    throw InputError("'" + request.store_path + "' holds another experiment:" + differences +
                     "\nname another --store, or make the config agree");
  if (held.numerics != wanted.numerics) {
    for (const std::string& line : request.identity_difference(held.numerics, wanted.numerics, {}))
      differences += "\n  " + line;
    if (!request.mixed_hardware)
      throw InputError("'" + request.store_path +
                       "' was begun where numbers come out differently:" + differences +
                       "\ngo on where it was begun, or accept the mixture with --mixed-hardware");
    spdlog::warn("numbers of two kinds will stand in this store:{}", differences);
  }
  if (held.models != wanted.models || held.constraints != wanted.constraints ||
      held.n_trials != wanted.n_trials || held.data_fracs.size() != wanted.data_fracs.size())
    throw InputError("'" + request.store_path + "' was made by version " + held.version +
                     " of this program, whose records look different; name another --store");
}

store::Writer open_store(const RunRequest& request, const store::Header& wanted) {
  if (!store::name_taken(request.store_path)) return store::Writer::create(request.store_path, wanted);
  store::Writer writer = store::Writer::open(request.store_path);
  refuse_differences(request, writer.header(), wanted);
  writer.lose_torn_records();
  if (request.retry_failed)
    if (const auto failed = writer.retry_failed()) spdlog::info("{} failed cells are tried again", failed);
  return writer;
}

// ---- rank 0 -------------------------------------------------------------------------------------------

/// An experiment between its store and its workers.
class Job {
 public:
  explicit Job(const RunRequest& request)
      : request_(request),
        experiment_(request.prepare()),
        writer_(open_store(request, experiment_.header)),
        sink_(writer_),
        live_line_(isatty(STDERR_FILENO) != 0) {}

  /// Workers that reach `transport` get to work. `other_ranks`: some are other processes, here or on other
  /// nodes, and those of one node share a copy of the data.
  void start(Transport& transport, bool other_ranks);
  bool turn();
  bool finished() const { return orchestrator_->finished(); }
  /// The store is safe, the last word is said.
  ExitCode conclude();

 private:
  orchestrator::Plan plan() const;

  const RunRequest& request_;
  Experiment experiment_;
  store::Writer writer_;
  StoreSink sink_;
  LiveLine live_line_;
  std::unique_ptr<worker::NodeData> node_data_;
  std::unique_ptr<orchestrator::Orchestrator> orchestrator_;
};

orchestrator::Plan Job::plan() const {
  orchestrator::Plan plan;
  plan.packs = writer_.header()
                   .packs;  // the cut that was made when the store was created, whatever the config says now
  if (plan.packs == experiment_.header.packs)
    plan.costs = experiment_.pack_costs;
  else
    for (const Pack& pack : plan.packs) plan.costs.push_back(pack.width);
  for (const auto& model : writer_.header().models) plan.models.push_back(model.name);
  plan.start = cell_starts(request_.store_path);
  return plan;
}

void Job::start(Transport& transport, bool other_ranks) {
  const message::Hello own = introduce(request_);
  orchestrator::Supply supply;
  supply.config = experiment_.header.config;
  supply.data = std::exchange(experiment_.data, {});
  supply.node = own.node;
  supply.version = own.version;
  supply.numerics = own.numerics;
  supply.share = other_ranks;
  if (other_ranks) {
    try {
      node_data_ = std::make_unique<worker::NodeData>(supply.data.view());
      supply.place = node_data_->place();
      supply.data = node_data_->bytes();
    } catch (const IncompleteError& error) {
      spdlog::warn("no shared memory for the data ({}); it is sent to a rank of this node instead",
                   error.what());
    }
  }
  orchestrator_ = std::make_unique<orchestrator::Orchestrator>(plan(), std::move(supply), request_.limits,
                                                               transport, sink_, worker::steady_seconds);
  const auto snapshot = orchestrator_->snapshot();
  if (snapshot.complete())
    spdlog::info("'{}' has all {} cells already; nothing to do", request_.store_path, snapshot.cells);
  else if (snapshot.done + snapshot.failed > 0)
    spdlog::info("going on with '{}': {} of {} cells are there", request_.store_path, snapshot.done,
                 snapshot.cells);
  else
    spdlog::info("{} cells in {} packs for '{}'", snapshot.cells, writer_.header().packs.size(),
                 request_.store_path);
  catch_stop_signals();
  request_.at_start();
}

bool Job::turn() {
  if (stop_requested) {
    stop_requested = 0;
    spdlog::warn("asked to stop");
    orchestrator_->stop();
  }
  const bool busy = orchestrator_->turn();
  const double now = worker::steady_seconds();
  sink_.sync_now_and_then(now);
  live_line_.show(*orchestrator_, now);
  return busy;
}

ExitCode Job::conclude() {
  live_line_.clear();
  const auto snapshot = orchestrator_->snapshot();
  request_.at_end(snapshot);
  sink_.sync();
  if (snapshot.complete()) {
    if (snapshot.recorded_now > 0)
      spdlog::info("complete in {}: {}", duration(snapshot.seconds), describe(snapshot));
    return ExitCode::complete;
  }
  const auto undone = snapshot.cells - snapshot.done - snapshot.failed;
  if (snapshot.failed > 0)
    spdlog::error(
        "{} cells failed in every try; their messages are in the store; run it with --retry failed to try "
        "them "
        "again",
        snapshot.failed);
  if (undone > 0) spdlog::error("{} cells are missing; the same command goes on with them", undone);
  return ExitCode::incomplete;
}

ExitCode orchestrate(const RunRequest& request, const transport::MpiSession& session) {
  transport::Mpi mpi(session);
  ExitCode code = ExitCode::internal;
  try {
    Job job(request);
    job.start(mpi, true);
    for (Backoff backoff; !job.finished();) job.turn() ? backoff.reset() : backoff.pause();
    code = job.conclude();
  } catch (...) {
    code = report(std::current_exception());  // at once: the launcher may cut off what is said later
  }
  if (!orchestrator::dismiss(mpi, code, seconds_for_goodbyes, worker::steady_seconds)) {
    spdlog::error("a worker does not answer; the job is ended without it");
    session.abort(static_cast<int>(code));
  }
  return code;
}

// ---- the others ---------------------------------------------------------------------------------------

ExitCode work(const RunRequest& request, Transport& transport) {
  const Peer orchestrator = 0;
  return worker::serve(transport, orchestrator, introduce(request),
                       [&](const std::string& config, std::span<const std::byte> data) {
                         return request.make_runner(config, data, transport.self());
                       });
}

/// What any rank throws ends the whole job: without this rank the others could not even finalise MPI.
ExitCode run_as_rank(const RunRequest& request, const transport::MpiSession& session) {
  try {
    set_up_logging(session.rank(), request.log_folder, isatty(STDERR_FILENO) != 0);
    if (session.rank() == 0) return orchestrate(request, session);
    transport::Mpi mpi(session);
    work(request, mpi);
    // Rank 0's exit status speaks for the run. At the first other one mpirun would kill the rest, rank 0 too.
    return ExitCode::complete;
  } catch (...) {
    session.abort(static_cast<int>(report(std::current_exception())));
  }
}

// ---- alone --------------------------------------------------------------------------------------------

/// One process in both roles: the worker, whenever it looks for messages, turns the orchestrator.
ExitCode run_alone(const RunRequest& request) {
  set_up_logging(0, request.log_folder, isatty(STDERR_FILENO) != 0);
  transport::InProcess hub(2);
  Job job(request);
  job.start(hub.end(0), false);
  if (job.finished()) return job.conclude();

  std::exception_ptr failure;
  bool over = false;
  hub.before_poll(1, [&] {
    if (over) return;
    // What fails here must not pass through the engine, which would take it for a failure of its own.
    try {
      job.turn();
      over = job.finished();
    } catch (...) {
      failure = std::current_exception();
      over = true;
    }
    if (over) message::send(hub.end(0), 1, message::Stop{});
  });
  work(request, hub.end(1));
  if (failure) std::rethrow_exception(failure);
  return job.conclude();
}

}  // namespace

int launched_rank() {
  return rank_by_launcher().value_or(0);
}

ExitCode run(const RunRequest& request) {
  if (!rank_by_launcher()) return run_alone(request);
  const transport::MpiSession session;
  if (session.size() > 1) return run_as_rank(request, session);
  if (number_in_environment({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}).value_or(1) > 1)
    throw InputError(
        "the launcher started several processes, but MPI knows of one only: the launcher belongs to another "
        "MPI "
        "than this program; use the mpirun of the MPI that it was built with");
  return run_alone(request);
}

}  // namespace seldon::programs

#include "programs/job.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <unistd.h>
#include <utility>

#include <spdlog/spdlog.h>

#include "core/backoff.h"
#include "core/fault_point.h"
#include "core/process.h"
#include "programs/open_store.h"
#include "worker/protocol.h"

namespace seldon::programs {
namespace {

constexpr double longest_pause = 2;  // seconds between two turns, else this process was held up

/// Open MPI 4 leaves ranks a second after SIGTERM. A step of a network takes some tenths of that.
constexpr double seconds_to_give_back = 0.7;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// Seconds until the job ends, as the command line or Slurm says.
std::optional<double> seconds_to_end(const RunRequest& request) {
  if (request.seconds) return request.seconds;
  const char* end = std::getenv("SLURM_JOB_END_TIME");
  if (!end) return std::nullopt;
  char* rest = nullptr;
  const double moment = std::strtod(end, &rest);
  if (rest == end || *rest != 0 || !std::isfinite(moment))
    throw InputError("SLURM_JOB_END_TIME is '" + std::string(end) +
                     "', which is no moment in seconds since 1970; unset it, or say --time");
  return moment - epoch_seconds();
}

/// What a cell of each model and fraction costs, by the plan that was made of the config.
std::map<std::pair<std::uint32_t, std::uint32_t>, double> cell_costs(const Experiment& experiment) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, double> costs;
  for (std::size_t i = 0; i < experiment.header.packs.size(); ++i) {
    const Pack& pack = experiment.header.packs[i];
    costs[{pack.model, pack.fraction}] = experiment.pack_costs[i] / pack.width;
  }
  return costs;
}

}  // namespace

void Rate::add(double now, std::uint64_t recorded) {
  marks_.emplace_back(now, recorded);
  while (marks_.size() > 2 && marks_.front().first < now - 60) marks_.pop_front();
}

double Rate::per_second() const {
  if (marks_.size() < 2) return 0;
  const auto [first, before] = marks_.front();
  const auto [last, after] = marks_.back();
  return static_cast<double>(after - before) / (last - first);
}

Job::Job(const RunRequest& request, bool fault_tolerant)
    : request_(request),
      experiment_(request.prepare()),
      writer_(open_store(request, experiment_.header)),
      pack_log_(request.store_path),
      sink_(writer_, pack_log_, request.seconds_between_syncs),
      live_line_(isatty(STDERR_FILENO) != 0),
      live_status_file_(request.store_path) {
  experiment_.limits.fault_tolerant = fault_tolerant;
  if (const auto seconds = seconds_to_end(request))
    experiment_.limits.ends_at = worker::steady_seconds() + *seconds;
}

orchestrator::Plan Job::plan() {
  const store::Header& header = writer_.header();
  const auto costs = cell_costs(experiment_);
  orchestrator::Plan plan;
  // The cut that was made when the store was created, whatever the config says now.
  for (std::size_t i = 0; i < header.packs.size(); ++i) {
    if (request_.shard && i % request_.shard->count != request_.shard->index) continue;
    const Pack& pack = header.packs[i];
    const auto cost = costs.find({pack.model, pack.fraction});
    plan.packs.push_back(pack);
    plan.costs.push_back(pack.width * (cost == costs.end() ? 1 : cost->second));
  }
  packs_ = plan.packs;
  plan.together = experiment_.together;
  for (const auto& model : header.models) plan.models.push_back(model.name);
  StoreFacts facts = store_facts(request_.store_path);
  plan.start = std::move(facts.start);
  plan.known_seconds = std::move(facts.seconds);
  return plan;
}

void Job::start(Transport& transport, bool other_ranks, std::function<bool(Peer)> alive) {
  alive_ = std::move(alive);
  orchestrator::Supply supply;
  supply.config = experiment_.header.config;
  supply.data = std::exchange(experiment_.data, {});
  supply.node = worker::node_name();
  supply.version = SELDON_VERSION;
  supply.numerics = request_.numerics;
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
  orchestrator_ = std::make_unique<orchestrator::Orchestrator>(plan(), std::move(supply), experiment_.limits,
                                                               transport, sink_, worker::steady_seconds);
  const auto snapshot = orchestrator_->snapshot();
  if (snapshot.complete())
    spdlog::info("'{}' has all {} cells already; nothing to do", request_.store_path, snapshot.cells);
  else if (snapshot.done + snapshot.failed > 0)
    spdlog::info("going on with '{}': {} of {} cells are there", request_.store_path, snapshot.done,
                 snapshot.cells);
  else
    spdlog::info("{} cells in {} packs for '{}'", snapshot.cells, packs_.size(), request_.store_path);
  run_.host = worker::host_name();
  run_.job = environment("SLURM_JOB_ID");
  run_.restarts = static_cast<std::uint32_t>(std::atoi(environment("SLURM_RESTART_COUNT").c_str()));
  run_.workers = static_cast<std::uint32_t>(transport.size() - 1);
  run_.time = epoch_seconds();
  pack_log_.run_begins(run_);
  live_status_file_.write(live_status(std::nullopt));
  request_.at_start();
}

bool Job::turn() {
  heed_signals();
  const double now = worker::steady_seconds();
  if (now - last_turn_ > longest_pause) orchestrator_->stood_still(now - last_turn_);
  last_turn_ = now;
  const bool busy = orchestrator_->turn();
  sink_.sync_now_and_then(now);
  pack_log_.write_now_and_then(now);
  live_line_.show(*orchestrator_, now);
  if (now >= next_live_status_) {
    next_live_status_ = now + store::live_seconds_between_writes;
    rate_.add(now, orchestrator_->snapshot().recorded_now);
    live_status_file_.write(live_status(std::nullopt));
  }
  return busy;
}

bool Job::finished() const {
  return orchestrator_->finished();
}

/// Each grade of request is heeded once.
void Job::heed_signals() {
  const Asked asked = asked_by_signal();
  if (asked <= heeded_) return;
  heeded_ = asked;
  switch (asked) {
    case Asked::nothing:
      break;
    case Asked::drain:
      spdlog::warn("asked to end: packs that run have {} s to finish, new ones are not handed out",
                   experiment_.grace_seconds);
      orchestrator_->drain(experiment_.grace_seconds);
      pass("run.draining");
      break;
    case Asked::cancel:
      spdlog::warn("asked again: packs that run are dropped");
      orchestrator_->stop();
      break;
    case Asked::terminate:
      end_at_once();
      break;
  }
}

/// The launcher kills in a moment. First what cannot have killed anyone, then what is given back in time.
void Job::end_at_once() {
  orchestrator_->preempt(alive_);
  sink_.sync();
  // With fault tolerance it is known who lives.
  const double end =
      worker::steady_seconds() + (experiment_.limits.fault_tolerant ? 0 : seconds_to_give_back);
  for (Backoff backoff; worker::steady_seconds() < end;)
    orchestrator_->turn() ? backoff.reset() : backoff.pause();
  sink_.sync();
  spdlog::warn("told to end at once: what was running is marked and runs again with the next start");
}

std::array<std::uint64_t, 6> Job::counts_by_state() const {
  std::array<std::uint64_t, 6> counts{};
  for (const Pack& pack : packs_)
    for (std::uint32_t slot = 0; slot < pack.width; ++slot)
      ++counts[static_cast<std::size_t>(writer_.state(pack.cell(slot)))];
  return counts;
}

store::LiveStatus Job::live_status(std::optional<ExitCode> code) const {
  const double now = worker::steady_seconds(), epoch = epoch_seconds();
  const auto snapshot = orchestrator_->snapshot();
  store::LiveStatus status;
  status.job = run_.job;
  status.restarts = run_.restarts;
  status.host = run_.host;
  status.pid = getpid();
  status.process_start = this_process().started;
  status.heartbeat = epoch;
  status.started = run_.time;
  if (experiment_.limits.ends_at) status.ends_at = epoch + *experiment_.limits.ends_at - now;
  status.cells = snapshot.cells;
  status.cells_by_state = counts_by_state();
  status.rate = rate_.per_second();
  if (std::isfinite(snapshot.seconds_left)) status.seconds_left = snapshot.seconds_left;
  for (const auto& worker : orchestrator_->roster()) status.workers.push_back(live_worker(worker, now));
  status.reason = orchestrator_->why_idle();
  if (code) status.exit_code = static_cast<int>(*code);
  return status;
}

store::LiveWorker Job::live_worker(const orchestrator::WorkerStatus& worker, double now) const {
  store::LiveWorker live;
  live.rank = worker.peer;
  live.host = worker.host;
  live.phase = name_of(worker.phase);
  live.seconds = now - worker.since;
  live.done = worker.cells;
  live.failed = worker.failed;
  const store::Header& header = writer_.header();
  if (const auto& pack = worker.pack)
    live.pack = {header.models[pack->model].name, header.data_fracs[pack->fraction], pack->first_trial,
                 pack->width};
  return live;
}

ExitCode Job::conclude() {
  live_line_.clear();
  const auto snapshot = orchestrator_->snapshot();
  request_.at_end(snapshot);
  sink_.sync();
  const ExitCode code = snapshot.complete() ? ExitCode::complete : ExitCode::incomplete;
  // An estimate, which this run has proved wrong if it recorded anything.
  const auto hopeless =
      snapshot.complete() || snapshot.recorded_now > 0 ? std::nullopt : orchestrator_->hopeless();
  live_status_file_.write(live_status(hopeless ? ExitCode::bad_input : code));
  run_.time = epoch_seconds();
  pack_log_.run_ends(run_);
  if (hopeless) throw InputError(*hopeless);
  if (code == ExitCode::complete) {
    if (snapshot.recorded_now > 0)
      spdlog::info("complete in {}: {}", duration(snapshot.seconds), describe(snapshot));
    return code;
  }
  if (snapshot.failed > 0)
    spdlog::error(
        "{} cells failed for good; `seldon-report status {}` shows why; with --retry failed they are "
        "tried again",
        snapshot.failed, request_.store_path);
  if (const std::string reason = orchestrator_->why_idle(); !reason.empty()) spdlog::error("{}", reason);
  if (const auto undone = snapshot.cells - snapshot.done - snapshot.failed; undone > 0)
    spdlog::error("{} cells are missing; the same command goes on with them", undone);
  return code;
}

}  // namespace seldon::programs

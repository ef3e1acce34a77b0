#include "programs/job.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <numeric>
#include <unistd.h>
#include <utility>

#include <spdlog/spdlog.h>

#include "core/backoff.h"
#include "core/fault_point.h"
#include "core/process.h"
#include "core/sha256.h"
#include "worker/protocol.h"

namespace seldon::programs {
namespace {

constexpr double seconds_between_member_statuses = 20;  // of hundreds of experiments, perhaps
constexpr double seconds_between_summaries = 60;

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
      members_(open()),
      sink_(
          [this] {
            std::vector<StoreSink*> sinks;
            for (const auto& member : members_) sinks.push_back(&member->sink());
            return sinks;
          }(),
          request.seconds_between_syncs,
          [this](std::uint32_t member, const std::exception_ptr& error) { member_failed(member, error); }),
      live_line_(isatty(STDERR_FILENO) != 0),
      live_status_file_(sweep_ ? store::sweep_base(request.store_path) : request.store_path) {
  choose_limits(fault_tolerant);
  run_.host = worker::host_name();
  run_.job = environment("SLURM_JOB_ID");
  run_.restarts = static_cast<std::uint32_t>(std::atoi(environment("SLURM_RESTART_COUNT").c_str()));
  run_.time = epoch_seconds();
  if (members_.empty()) refuse_all();
}

/// No experiment of the sweep can start.
void Job::refuse_all() {
  sweep_->write_summary(members_, false);
  const ExitCode code = sweep_->code(members_);
  live_status_file_.write(live_status(code));
  throw Error(code,
              "no experiment of the sweep can start; '" + sweep_->summary_path() + "' says why of each");
}

std::vector<std::unique_ptr<Member>> Job::open() {
  std::vector<std::unique_ptr<Member>> members;
  auto plan = request_.sweep();
  if (!plan) {
    members.push_back(std::make_unique<Member>("", request_, request_.prepare()));
    return members;
  }
  sweep_ = std::make_unique<SweepRun>(request_, std::move(*plan));
  return sweep_->open();
}

/// Where experiments differ in what can be one only, the more patient one counts.
void Job::choose_limits(bool fault_tolerant) {
  if (!members_.empty()) limits_ = members_.front()->experiment().limits;
  for (const auto& member : members_) {
    const Experiment& experiment = member->experiment();
    limits_.start_seconds = std::max(limits_.start_seconds, experiment.limits.start_seconds);
    limits_.lease_seconds = std::max(limits_.lease_seconds, experiment.limits.lease_seconds);
    grace_seconds_ = std::max(grace_seconds_, experiment.grace_seconds);
  }
  limits_.fault_tolerant = fault_tolerant;
  if (const auto seconds = seconds_to_end(request_)) limits_.ends_at = worker::steady_seconds() + *seconds;
}

orchestrator::Plan Job::plan() {
  orchestrator::Plan plan;
  plan.experiments.clear();
  for (std::uint32_t i = 0; i < members_.size(); ++i) members_[i]->add_to(plan, i);
  return plan;
}

orchestrator::Supply Job::supply(bool other_ranks) {
  orchestrator::Supply supply;
  supply.node = worker::node_name();
  supply.version = SELDON_VERSION;
  supply.numerics = request_.numerics;
  supply.share = other_ranks;
  supply.experiments.clear();
  std::map<const std::byte*, std::string> keys;
  for (const auto& member : members_) {
    Experiment& experiment = member->experiment();
    orchestrator::ExperimentSupply own;
    own.config = experiment.header.config;
    own.accelerator = experiment.accelerator;
    own.data = std::exchange(experiment.data, {});
    if (members_.size() > 1) {
      std::string& key = keys[own.data.view().data()];
      if (key.empty()) key = sha256_hex(own.data.view());
      own.data_key = key;
    }
    supply.experiments.push_back(std::move(own));
  }
  if (other_ranks) share_data(supply);
  return supply;
}

/// One copy of each data set for the ranks of this node.
void Job::share_data(orchestrator::Supply& supply) {
  std::map<std::string, const worker::NodeData*> placed;
  try {
    for (auto& experiment : supply.experiments) {
      const worker::NodeData*& place = placed[experiment.data_key];
      if (!place) {
        node_data_.push_back(std::make_unique<worker::NodeData>(experiment.data.view()));
        place = node_data_.back().get();
      }
      experiment.place = place->place();
      experiment.data = place->bytes();
    }
  } catch (const IncompleteError& error) {
    spdlog::warn("no shared memory for the data ({}); it is sent to a rank of this node instead",
                 error.what());
  }
}

void Job::start(Transport& transport, bool other_ranks, std::function<bool(Peer)> alive) {
  alive_ = std::move(alive);
  auto supplies = supply(other_ranks);
  orchestrator_ = std::make_unique<orchestrator::Orchestrator>(plan(), std::move(supplies), limits_,
                                                               transport, sink_, worker::steady_seconds);
  tell_start();
  run_.workers = static_cast<std::uint32_t>(transport.size() - 1);
  run_.time = epoch_seconds();
  for (const auto& member : members_) member->pack_log().run_begins(run_);
  write_live(worker::steady_seconds());
  request_.at_start();
}

void Job::tell_start() {
  const auto snapshot = orchestrator_->snapshot();
  std::size_t packs = 0;
  for (const auto& member : members_) packs += member->packs().size();
  const std::string& store = request_.store_path;
  if (sweep_)
    spdlog::info("{} experiments for '{}', {} of them complete: {} cells in {} packs, {} cells are there",
                 sweep_->size(), store, sweep_->complete(members_), snapshot.cells, packs,
                 snapshot.done + snapshot.failed);
  else if (snapshot.complete())
    spdlog::info("'{}' has all {} cells already; nothing to do", store, snapshot.cells);
  else if (snapshot.done + snapshot.failed > 0)
    spdlog::info("going on with '{}': {} of {} cells are there", store, snapshot.done, snapshot.cells);
  else
    spdlog::info("{} cells in {} packs for '{}'", snapshot.cells, packs, store);
}

bool Job::turn() {
  heed_signals();
  const double now = worker::steady_seconds();
  if (now - last_turn_ > longest_pause) orchestrator_->stood_still(now - last_turn_);
  last_turn_ = now;
  const bool busy = orchestrator_->turn();
  sink_.sync_now_and_then(now);
  end_failed_members();
  for (const auto& member : members_) member->pack_log().write_now_and_then(now);
  live_line_.show(*orchestrator_, now);
  if (now >= next_live_status_) write_live(now);
  return busy;
}

/// What the run and each experiment tell of themselves; of the experiments of a sweep less often.
void Job::write_live(double now) {
  next_live_status_ = now + store::live_seconds_between_writes;
  rate_.add(now, orchestrator_->snapshot().recorded_now);
  live_status_file_.write(live_status(std::nullopt));
  if (!sweep_) return;
  if (now >= next_member_status_) {
    next_member_status_ = now + seconds_between_member_statuses;
    for (const auto& member : members_) member->live_file().write(live_status({member.get()}, std::nullopt));
  }
  if (now >= next_summary_) {
    next_summary_ = now + seconds_between_summaries;
    sweep_->write_summary(members_, true);
  }
}

void Job::member_failed(std::uint32_t member, const std::exception_ptr& error) {
  if (!sweep_) std::rethrow_exception(error);
  sweep_->trouble(members_[member]->name(), error);
  failed_members_.push_back(member);
}

/// Not at once: the sink is called by the orchestrator.
void Job::end_failed_members() {
  for (const std::uint32_t member : std::exchange(failed_members_, {}))
    orchestrator_->end(member, "its store takes no more records");
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
                   grace_seconds_);
      orchestrator_->drain(grace_seconds_);
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
  const double end = worker::steady_seconds() + (limits_.fault_tolerant ? 0 : seconds_to_give_back);
  for (Backoff backoff; worker::steady_seconds() < end;)
    orchestrator_->turn() ? backoff.reset() : backoff.pause();
  sink_.sync();
  spdlog::warn("told to end at once: what was running is marked and runs again with the next start");
}

store::LiveStatus Job::live_status(std::optional<ExitCode> code) const {
  std::vector<const Member*> all;
  for (const auto& member : members_) all.push_back(member.get());
  return live_status(all, code);
}

store::LiveStatus Job::live_status(const std::vector<const Member*>& of, std::optional<ExitCode> code) const {
  const double now = worker::steady_seconds(), epoch = epoch_seconds();
  store::LiveStatus status;
  status.job = run_.job;
  status.restarts = run_.restarts;
  status.host = run_.host;
  status.pid = getpid();
  status.process_start = this_process().started;
  status.heartbeat = epoch;
  status.started = run_.time;
  if (limits_.ends_at) status.ends_at = epoch + *limits_.ends_at - now;
  for (const Member* member : of) {
    const auto counts = member->counts_by_state();
    for (std::size_t state = 0; state < counts.size(); ++state) {
      status.cells_by_state[state] += counts[state];
      status.cells += counts[state];
    }
  }
  // Whoever reads the file must not think that nothing is missing.
  if (sweep_ && of.size() == members_.size()) {
    const auto unopened = sweep_->to_be_opened();
    status.cells += unopened;
    status.cells_by_state[static_cast<std::size_t>(CellState::pending)] += unopened;
  }
  if (orchestrator_) {
    if (of.size() == members_.size()) {
      status.rate = rate_.per_second();
      const auto left = orchestrator_->snapshot().seconds_left;
      if (std::isfinite(left)) status.seconds_left = left;
    }
    for (const auto& worker : orchestrator_->roster())
      if (!worker.pack || std::ranges::find(of, members_[worker.pack->experiment].get()) != of.end())
        status.workers.push_back(live_worker(worker, now));
    status.reason = orchestrator_->why_idle();
  }
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
  if (const auto& pack = worker.pack) {
    const Member& member = *members_[pack->experiment];
    const std::string of = member.name().empty() ? "" : member.name() + ": ";
    live.pack = {of + member.header().models[pack->model].name, member.header().data_fracs[pack->fraction],
                 pack->first_trial, pack->width};
  }
  return live;
}

ExitCode Job::conclude() {
  live_line_.clear();
  const auto snapshot = orchestrator_->snapshot();
  request_.at_end(snapshot);
  sink_.sync();
  // An estimate, which this run has proved wrong if it recorded anything.
  const auto hopeless =
      snapshot.complete() || snapshot.recorded_now > 0 ? std::nullopt : orchestrator_->hopeless();
  ExitCode code = sweep_                ? sweep_->code(members_)
                  : snapshot.complete() ? ExitCode::complete
                                        : ExitCode::incomplete;
  // Of a sweep another experiment may have to be opened yet, or have broken a promise.
  const bool all_hopeless =
      hopeless && (!sweep_ || (code == ExitCode::incomplete && sweep_->to_be_opened() == 0));
  if (all_hopeless) code = ExitCode::bad_input;
  live_status_file_.write(live_status(code));  // first of all: a launcher may be about to kill
  if (sweep_) conclude_sweep();
  run_.time = epoch_seconds();
  for (const auto& member : members_) member->pack_log().run_ends(run_);
  if (all_hopeless) throw InputError(*hopeless);
  if (hopeless) spdlog::error("{}", *hopeless);
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

/// The last word on each experiment, in its own files and in those of the folder.
void Job::conclude_sweep() {
  sweep_->write_manifest();
  sweep_->write_summary(members_, false);
  const std::size_t complete = sweep_->complete(members_);
  if (complete < sweep_->size())
    spdlog::error("{} of {} experiments are not complete; '{}' lists them", sweep_->size() - complete,
                  sweep_->size(), sweep_->summary_path());
  for (const auto& member : members_) {
    const auto counts = member->counts_by_state();
    const auto done = counts[static_cast<std::size_t>(CellState::done)];
    const auto all = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    member->live_file().write(
        live_status({member.get()}, done == all ? ExitCode::complete : ExitCode::incomplete));
  }
}

}  // namespace seldon::programs

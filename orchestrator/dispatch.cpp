// What brings work and workers together.

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "orchestrator/orchestrator.h"

namespace seldon::orchestrator {
namespace {

using Pool = Crew::Pool;

constexpr std::size_t most_looks = 16;    // at waiting tasks, for one that a worker may run
constexpr double estimate_slack = 1.1;    // packs of one group differ
constexpr double margin_fraction = 0.05;  // of a job, left free at its end
constexpr double most_margin = 30;        // seconds

}  // namespace

/// Those of the pack's cells that wait to run together, if any.
void Orchestrator::enqueue(std::size_t pack) {
  if (!experiments_[ledger_.pack(pack).experiment].ended.empty()) return;
  const auto waiting = ledger_.together(pack).size();
  if (waiting == 0) return;
  if (ledger_.tried(pack))
    retries_.push_back({pack, std::nullopt});
  else
    queue_.push(pack, costs_.group(ledger_.pack(pack)), costs_.computed(ledger_.pack(pack), waiting));
}

void Orchestrator::enqueue(std::size_t pack, std::uint32_t slot) {
  if (!experiments_[ledger_.pack(pack).experiment].ended.empty()) return;
  (ledger_.exclusive(pack, slot) ? exclusives_ : singles_).push_back({pack, slot});
}

void Orchestrator::hand_out() {
  for (const Peer peer : health_.take_acquitted()) crew_.hold(peer, health_.on_probation(peer));
  if (stopping_ || grace_ends_) return;
  while (hand_out_one(true)) {
  }
  // Rules that prefer one worker to another must not keep work from all of them.
  const auto nobody = [&] {
    return crew_.in(WorkerPhase::busy) == 0 && crew_.in(WorkerPhase::starting) == 0 &&
           crew_.in(WorkerPhase::idle) > 0 && !ledger_.complete();
  };
  if (nobody()) hand_out_one(false);
  const bool stuck = nobody();
  nobody_can_ = stuck && !someone_may_run_what_is_left();
  const bool out_of_time = stuck && !nobody_can_;
  if (out_of_time && !limits_.ends_at) throw InternalError("cells are left that no idle worker can be given");
  if (out_of_time && !out_of_time_) hopeless_ = find_hopeless();
  out_of_time_ = out_of_time;
}

bool Orchestrator::someone_may_run_what_is_left() const {
  for (std::uint32_t number = 0; number < experiments_.size(); ++number) {
    if (ledger_.closed(number) || ledger_.missing_of(number) == 0) continue;
    for (Kind kind = 0; kind < crew_.kinds(); ++kind)
      if (crew_.usable(kind) > 0 && able(kind, number)) return true;
  }
  return false;
}

bool Orchestrator::hand_out_one(bool strict) {
  if (crew_.in(WorkerPhase::idle) == 0 || exclusive_runs_) return false;
  if (hand_out_task(retries_, strict) || hand_out_from_queue(strict)) return true;
  if (!queue_.empty() || !retries_.empty()) return false;
  if (hand_out_task(singles_, strict)) return true;
  return singles_.empty() && bookings_.empty() && crew_.in(WorkerPhase::busy) == 0 &&
         hand_out_task(exclusives_, strict);
}

bool Orchestrator::hand_out_task(std::deque<Task>& tasks, bool strict) {
  const auto last =
      tasks.begin() + static_cast<std::ptrdiff_t>(strict ? std::min(tasks.size(), most_looks) : tasks.size());
  for (auto task = tasks.begin(); task != last; ++task) {
    const auto peer = worker_for(*task, strict);
    if (!peer) continue;
    const Task taken = *task;
    tasks.erase(task);
    give(*peer, taken);
    return true;
  }
  return false;
}

std::optional<Peer> Orchestrator::worker_for(const Task& task, bool strict) const {
  const auto may = [&](Peer peer) { return !strict || health_.may_run(peer, task.pack); };
  const bool fits = estimate(task) <= seconds_for_a_pack();
  for (const Pool pool : {Pool::unused, Pool::used, Pool::held}) {
    if (pool != Pool::unused && !fits) continue;
    if (const auto peer = pick(pool, experiment(task), may)) return peer;
  }
  return std::nullopt;
}

bool Orchestrator::has_idle(Pool pool) const {
  for (Kind kind = 0; kind < crew_.kinds(); ++kind)
    if (crew_.has_idle(pool, kind)) return true;
  return false;
}

bool Orchestrator::has_idle(Pool pool, std::uint32_t experiment) const {
  for (Kind kind = 0; kind < crew_.kinds(); ++kind)
    if (able(kind, experiment) && crew_.has_idle(pool, kind)) return true;
  return false;
}

/// One that knows the experiment, if that is seen at once.
std::optional<Peer> Orchestrator::pick(Pool pool, std::uint32_t experiment,
                                       const std::function<bool(Peer)>& may) const {
  const auto knows = [&](Peer peer) { return crew_[peer].knows.contains(experiment) && may(peer); };
  for (const bool knowing : {true, false})
    for (Kind kind = 0; kind < crew_.kinds(); ++kind)
      if (able(kind, experiment))
        if (const auto peer = crew_.pick(pool, kind, knowing ? knows : may)) return peer;
  return std::nullopt;
}

bool Orchestrator::hand_out_from_queue(bool strict) {
  const auto anyone = [](Peer) { return true; };
  for (const Pool pool : {Pool::unused, Pool::used, Pool::held}) {
    if (queue_.empty() || !has_idle(pool) || (pool == Pool::held && strict)) continue;
    const auto may = [&](Family family) { return has_idle(pool, costs_.experiment(family)); };
    auto pack = queue_.pop_longest(seconds_for_a_pack(), may);
    // The first pack of a worker goes out in any case: estimates can be wrong, and the job has nothing better
    // to do.
    if (!pack && pool == Pool::unused) pack = queue_.pop_shortest(may);
    if (!pack) continue;
    const Task task{*pack, std::nullopt};
    give(*pick(pool, experiment(task), anyone), task);
    return true;
  }
  return false;
}

/// How long a pack may be expected to take if it is to end before the job does.
double Orchestrator::seconds_for_a_pack() const {
  if (!limits_.ends_at || !costs_.learnt()) return std::numeric_limits<double>::infinity();
  const double margin = std::min(most_margin, margin_fraction * (*limits_.ends_at - started_));
  return (*limits_.ends_at - margin - now_) / estimate_slack;
}

double Orchestrator::estimate(const Task& task) const {
  const Pack& pack = ledger_.pack(task.pack);
  const std::size_t wanted = task.slot ? 1 : ledger_.together(task.pack).size();
  return costs_.estimate(costs_.group(pack)) * costs_.computed(pack, wanted);
}

bool Orchestrator::exclusive(const Task& task) const {
  return task.slot && (ledger_.exclusive(task.pack, *task.slot) || crew_.size() == 2);
}

/// At once, or as soon as the worker is supplied for the experiment.
void Orchestrator::give(Peer peer, const Task& task) {
  if (crew_[peer].knows.contains(experiment(task)))
    lease(peer, task);
  else
    book(peer, task);
}

void Orchestrator::book(Peer peer, const Task& task) {
  bookings_[++last_booking_] = {task, peer};
  crew_[peer].booking = last_booking_;
  exclusive_runs_ = exclusive(task);
  learn(peer, experiment(task));
}

/// The worker is ready.
void Orchestrator::fulfil_booking(Peer peer) {
  const auto found = bookings_.find(crew_[peer].booking);
  if (found == bookings_.end()) return;
  if (stopping_ || grace_ends_) return cancel_booking(peer);
  const Task task = found->second.task;
  bookings_.erase(found);
  crew_[peer].booking = 0;
  lease(peer, task);
}

void Orchestrator::cancel_booking(Peer peer) {
  const auto found = bookings_.find(crew_[peer].booking);
  if (found == bookings_.end()) return;
  const Task task = found->second.task;
  bookings_.erase(found);
  crew_[peer].booking = 0;
  if (exclusive(task)) exclusive_runs_ = false;
  put_back(task);
}

void Orchestrator::put_back(const Task& task) {
  if (task.slot)
    enqueue(task.pack, *task.slot);
  else
    enqueue(task.pack);
}

void Orchestrator::lease(Peer peer, const Task& task) {
  Worker& worker = crew_[peer];
  Lease lease;
  lease.number = ++last_lease_;
  lease.pack = task.pack;
  lease.wanted = task.slot ? std::vector{*task.slot} : ledger_.together(task.pack);
  lease.singly = task.slot.has_value();
  lease.exclusive = exclusive(task);
  lease.started = now_;
  lease.stood_still = stood_still_;
  // Known to the store before the pack leaves: a worker that takes this process down with it is on record.
  lease.attempt = ledger_.lease(lease.pack, lease.wanted, lease.exclusive, worker.host);
  exclusive_runs_ = lease.exclusive;

  const Pack& pack = ledger_.pack(lease.pack);
  message::send(
      transport_, peer,
      message::Assign{
          lease.number, pack, lease.attempt, {lease.wanted, ledger_.filled(lease.pack, lease.wanted)}});
  worker.heard = now_;
  worker.lease = std::move(lease);
  enter(peer, WorkerPhase::busy);
  if (const auto seconds = ledger_.limits(pack.experiment).cell_seconds)
    crew_.limit(peer, now_ + *seconds * costs_.computed(pack, worker.lease.wanted.size()));
}

}  // namespace seldon::orchestrator

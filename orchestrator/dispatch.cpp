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
  const auto waiting = ledger_.together(pack).size();
  if (waiting == 0) return;
  if (ledger_.tried(pack))
    retries_.push_back({pack, std::nullopt});
  else
    queue_.push(pack, costs_.group(ledger_.pack(pack)), costs_.computed(ledger_.pack(pack), waiting));
}

void Orchestrator::enqueue(std::size_t pack, std::uint32_t slot) {
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
  const bool out_of_time = nobody();
  if (out_of_time && !limits_.ends_at) throw InternalError("cells are left that no idle worker can be given");
  if (out_of_time && !out_of_time_) hopeless_ = find_hopeless();
  out_of_time_ = out_of_time;
}

bool Orchestrator::hand_out_one(bool strict) {
  if (crew_.in(WorkerPhase::idle) == 0 || exclusive_runs_) return false;
  if (hand_out_task(retries_, strict) || hand_out_from_queue(strict)) return true;
  if (!queue_.empty() || !retries_.empty()) return false;
  if (hand_out_task(singles_, strict)) return true;
  return singles_.empty() && crew_.in(WorkerPhase::busy) == 0 && hand_out_task(exclusives_, strict);
}

bool Orchestrator::hand_out_task(std::deque<Task>& tasks, bool strict) {
  const auto last =
      tasks.begin() + static_cast<std::ptrdiff_t>(strict ? std::min(tasks.size(), most_looks) : tasks.size());
  for (auto task = tasks.begin(); task != last; ++task) {
    const auto peer = worker_for(*task, strict);
    if (!peer) continue;
    const Task taken = *task;
    tasks.erase(task);
    lease(*peer, taken);
    return true;
  }
  return false;
}

std::optional<Peer> Orchestrator::worker_for(const Task& task, bool strict) const {
  const auto may = [&](Peer peer) { return !strict || health_.may_run(peer, task.pack); };
  const bool fits = estimate(task) <= seconds_for_a_pack();
  for (const Pool pool : {Pool::unused, Pool::used, Pool::held}) {
    if (!crew_.has_idle(pool) || (pool != Pool::unused && !fits)) continue;
    if (const auto peer = crew_.pick(pool, may)) return peer;
  }
  return std::nullopt;
}

bool Orchestrator::hand_out_from_queue(bool strict) {
  const auto anyone = [](Peer) { return true; };
  for (const Pool pool : {Pool::unused, Pool::used, Pool::held}) {
    if (queue_.empty() || !crew_.has_idle(pool) || (pool == Pool::held && strict)) continue;
    auto pack = queue_.pop_longest(seconds_for_a_pack());
    // The first pack of a worker goes out in any case: estimates can be wrong, and the job has nothing better
    // to do.
    if (!pack && pool == Pool::unused) pack = queue_.pop_shortest();
    if (!pack) continue;
    lease(*crew_.pick(pool, anyone), {*pack, std::nullopt});
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

void Orchestrator::lease(Peer peer, const Task& task) {
  Worker& worker = crew_[peer];
  Lease lease;
  lease.number = ++last_lease_;
  lease.pack = task.pack;
  lease.wanted = task.slot ? std::vector{*task.slot} : ledger_.together(task.pack);
  lease.singly = task.slot.has_value();
  lease.exclusive = lease.singly && (ledger_.exclusive(task.pack, *task.slot) || crew_.size() == 2);
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
  if (limits_.cell_seconds)
    crew_.limit(peer, now_ + *limits_.cell_seconds * costs_.computed(pack, worker.lease.wanted.size()));
}

}  // namespace seldon::orchestrator

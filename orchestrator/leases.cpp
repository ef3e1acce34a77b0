// How leases end: well, badly, or not at all.

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "orchestrator/orchestrator.h"

namespace seldon::orchestrator {

/// The lease that `peer` leads is over and its cells have been told what becomes of them: whatever is left
/// queues up again.
void Orchestrator::end_lease(Peer peer, LeaseEnd how) {
  crew_[peer].lease.over = true;
  const Lease lease = crew_[peer].lease;
  const Pack& pack = ledger_.pack(lease.pack);
  if (lease.exclusive) exclusive_runs_ = false;
  sink_.pack_ended({pack, peer, crew_[peer].host, lease.attempt, lease.started, now_,
                    static_cast<std::uint32_t>(lease.wanted.size()), lease.done, lease.failed, how});

  if (how == LeaseEnd::finished && lease.done == lease.wanted.size())
    for (const Group group :
         costs_.learn(costs_.group(pack), costs_.computed(pack, lease.done), now_ - lease.started))
      queue_.reorder(group);

  const auto apart = ledger_.apart(lease.pack);
  for (const std::uint32_t slot : lease.wanted)
    if (std::ranges::binary_search(apart, slot)) enqueue(lease.pack, slot);
  if (!lease.singly) enqueue(lease.pack);

  Health::Verdict verdict;
  if (lease.done > 0)
    verdict = health_.succeeded(lease.members, lease.pack);
  else if (how == LeaseEnd::finished)
    verdict = health_.failed(lease.members, {lease.pack, lease.wanted, lease.number}, lease.last_message);
  const bool decided = how != LeaseEnd::finished && how != LeaseEnd::preempted;
  if (decided || ledger_.missing(lease.pack) == 0) health_.forget(lease.pack);
  bar(verdict, peer);
}

/// The lease of this busy worker's group has ended already: it only has to say that it is through.
bool Orchestrator::over(Peer peer) const {
  const Lease& lease = crew_[leader(peer)].lease;
  return lease.number != crew_[peer].lease.number || lease.over;
}

/// The lease has ended before its time: the others of its group drop the pack, and work again once they say
/// so.
void Orchestrator::release_members(const Lease& lease, Peer except) {
  for (const Peer member : lease.members) {
    if (member == except || !live(member, lease.number)) continue;
    message::send(transport_, member, message::Cancel{lease.number});
    // Or whoever does not lead would never be found out.
    health_.leave(member, true);
    enter(member, WorkerPhase::suspended);
    last_suspended_ = now_;
  }
}

void Orchestrator::fail(Peer peer, std::uint32_t slot, CellReport report, bool in_company) {
  Worker& worker = crew_[peer];
  ++worker.failed;
  ++worker.lease.failed;
  worker.lease.last_message = report.run.message;
  ledger_.fail(worker.lease.pack, slot, std::move(report), in_company);
}

/// Every cell of the worker's lease that is still LEASED fails.
void Orchestrator::fail_unreported(Peer peer, const std::string& message, bool timed_out) {
  const Lease lease = crew_[peer].lease;
  for (const std::uint32_t slot : lease.wanted) {
    if (ledger_.state(lease.pack, slot) != CellState::leased) continue;
    CellReport report{ledger_.pack(lease.pack).cell(slot), CellState::failed, {}, {}};
    report.run.rank = peer;
    report.run.host = crew_[peer].host;
    report.run.message = message;
    fail(peer, slot, std::move(report), timed_out && lease.wanted.size() > 1);
    if (timed_out) ledger_.set_apart(lease.pack, slot);
  }
}

/// The busy worker is to drop its pack, and so are the others of its group; nothing counts.
void Orchestrator::take_back(Peer peer) {
  const Lease own = crew_[peer].lease;
  const Peer first = leader(peer);
  if (!over(peer)) {
    ledger_.take_back(own.pack, crew_[first].lease.wanted);
    end_lease(first, LeaseEnd::preempted);
  }
  if (live(peer, own.number)) {
    message::send(transport_, peer, message::Cancel{own.number});
    enter(peer, WorkerPhase::suspended);
  }
  release_members(own, peer);
}

/// The worker no longer counts, or not for now; what it held goes to others.
void Orchestrator::lose(Peer peer, WorkerPhase phase, LeaseEnd how, const std::string& why) {
  const WorkerPhase before = crew_[peer].phase;
  if (before == WorkerPhase::gone) return;
  spdlog::warn("{} {}", name(peer), why);
  cancel_booking(peer);
  if (before == WorkerPhase::busy) {
    const Lease own = crew_[peer].lease;
    if (!over(peer)) {
      const Peer first = leader(peer);
      const std::vector<std::uint32_t> wanted = crew_[first].lease.wanted;
      if (how == LeaseEnd::preempted) {
        ledger_.take_back(own.pack, wanted);
      } else {
        const bool suspect = own.singly && ledger_.is_suspect(own.pack, wanted.front());
        ledger_.lose(own.pack, wanted, suspect, peer, crew_[peer].host);
      }
      end_lease(first, how);
      release_members(own, peer);
    }
  }
  enter(peer, phase);
  if (phase == WorkerPhase::suspended) last_suspended_ = now_;
  if (phase == WorkerPhase::gone || before == WorkerPhase::starting)
    for (DataSet& data : data_sets_)
      for (const Peer waiting : data.nodes.leave(peer, crew_[peer].node)) supply(waiting);
  if (before == WorkerPhase::starting && how != LeaseEnd::preempted && crew_[peer].learning)
    blame_set_up(peer, *crew_[peer].learning, name(peer) + " " + why);
}

void Orchestrator::time_out(Peer peer) {
  if (over(peer)) return take_back(peer);
  const Lease lease = crew_[peer].lease;
  const auto cells = costs_.computed(ledger_.pack(lease.pack), lease.wanted.size());
  const std::string message =
      fmt::format("not done after {:.0f} s ({} {} of at most {:g} s: --cell-timeout)", now_ - lease.started,
                  cells, cells == 1 ? "cell" : "cells",
                  ledger_.limits(ledger_.pack(lease.pack).experiment).cell_seconds.value_or(0));
  spdlog::warn("{}: {} {}", name(peer), ledger_.describe(ledger_.pack(lease.pack)), message);
  fail_unreported(peer, message, true);
  message::send(transport_, peer, message::Cancel{lease.number});
  end_lease(peer, LeaseEnd::timed_out);
  enter(peer, WorkerPhase::suspended);
  last_suspended_ = now_;
  release_members(lease, peer);
}

/// Takes out who is proven guilty, and gives back the tries that this cost. The lease of `through` has just
/// ended: there is nothing to take back.
void Orchestrator::bar(const Health::Verdict& verdict, Peer through) {
  if (verdict.guilty.empty()) return;
  const Worker& first = crew_[verdict.guilty.front()];
  spdlog::warn("{} is taken out: everything fails there and succeeds elsewhere; the last message was: {}",
               verdict.node ? fmt::format("the node {} with {} workers", first.host, verdict.guilty.size())
                            : name(verdict.guilty.front()),
               verdict.last_message);
  std::set<std::uint64_t> refunded;  // leases: members of one group may be guilty together
  for (const Peer peer : verdict.guilty) {
    const WorkerPhase phase = crew_[peer].phase;
    if (phase == WorkerPhase::gone || phase == WorkerPhase::barred) continue;
    const auto failures = health_.failures(peer);
    for (const Health::Failure& failure : failures)
      if (refunded.insert(failure.lease).second)
        ledger_.refund(failure.pack, failure.slots, crew_[peer].host);
    if (phase == WorkerPhase::busy && peer != through) take_back(peer);
    cancel_booking(peer);
    enter(peer, WorkerPhase::barred);
  }
}

// ---- silence and death --------------------------------------------------------------------------

bool Orchestrator::check_deadlines() {
  bool any = false;
  while (const auto peer = crew_.pop_over_limit(now_)) {
    Lease& lease = crew_[*peer].lease;
    if (const double idle = stood_still_ - std::exchange(lease.stood_still, stood_still_); idle > 0) {
      crew_.limit(*peer, now_ + idle);
      continue;
    }
    time_out(*peer);
    any = true;
  }
  while (const auto peer = crew_.pop_due(now_)) {
    Worker& worker = crew_[*peer];
    // While another of its node gets the data, it is that one that has to speak.
    if (worker.phase == WorkerPhase::starting && worker.learning &&
        data_of(*worker.learning).nodes.waits(*peer, worker.node))
      worker.heard = now_;
    worker.heard = std::max(worker.heard, stood_still_until_);
    if (worker.heard + patience(*peer) > now_) {
      crew_.watch(*peer, worker.heard + patience(*peer));  // it has been heard since: look again later
      continue;
    }
    any = true;
    lose(*peer, WorkerPhase::suspended, LeaseEnd::silent,
         fmt::format(
             "has been silent for {:.0f} s{}", now_ - worker.heard,
             worker.phase == WorkerPhase::busy ? "; its pack goes to another worker" : " while starting"));
  }
  return any;
}

bool Orchestrator::check_losses() {
  bool any = false;
  while (const auto peer = transport_.poll_loss()) {
    lose(*peer, WorkerPhase::gone, LeaseEnd::lost, "has died");
    any = true;
  }
  return any;
}

void Orchestrator::enter(Peer peer, WorkerPhase phase) {
  if (std::exchange(crew_[peer].relearns, phase == WorkerPhase::starting && health_.ready(peer)))
    --relearning_;
  relearning_ += crew_[peer].relearns;
  crew_.enter(peer, phase, now_);
  if (phase == WorkerPhase::starting || phase == WorkerPhase::busy)
    crew_.watch(peer, crew_[peer].heard + patience(peer));
  health_.expect(crew_.in(WorkerPhase::starting)-relearning_);
  if (phase == WorkerPhase::idle) {
    health_.join(peer, crew_[peer].node);
    crew_.hold(peer, health_.on_probation(peer));
  } else if (phase != WorkerPhase::busy && !crew_[peer].relearns) {
    health_.leave(peer);
  }
}

double Orchestrator::patience(Peer peer) const {
  return crew_[peer].phase == WorkerPhase::starting ? limits_.start_seconds : limits_.lease_seconds;
}

}  // namespace seldon::orchestrator

#include "orchestrator/crew.h"

#include <limits>

namespace seldon::orchestrator {
namespace {

constexpr int most_looks = 8;

}  // namespace

Crew::Crew(int size, Peer self, double now)
    : workers_(static_cast<std::size_t>(size)),
      held_(static_cast<std::size_t>(size)),
      deadlines_(static_cast<std::size_t>(size)),
      limits_(static_cast<std::size_t>(size)) {
  phases_[static_cast<std::size_t>(WorkerPhase::starting)] = workers_.size();
  usable_[0] = workers_.size();
  for (Peer peer = 0; peer < size; ++peer) {
    (*this)[peer].heard = now;
    enter(peer, peer == self ? WorkerPhase::gone : WorkerPhase::starting, now);
  }
}

std::vector<Peer> Crew::all_in(WorkerPhase phase) const {
  std::vector<Peer> peers;
  for (Peer peer = 0; peer < size(); ++peer)
    if ((*this)[peer].phase == phase) peers.push_back(peer);
  return peers;
}

void Crew::enter(Peer peer, WorkerPhase phase, double now) {
  Worker& worker = (*this)[peer];
  if (worker.phase == WorkerPhase::idle) pool_of(peer).erase(spot(peer));
  deadlines_.clear(peer);
  limits_.clear(peer);
  --phases_[static_cast<std::size_t>(worker.phase)];
  ++phases_[static_cast<std::size_t>(phase)];
  usable_[worker.kind] -= is_usable(worker.phase);
  usable_[worker.kind] += is_usable(phase);
  worker.phase = phase;
  worker.since = now;
  if (phase == WorkerPhase::busy) worker.used = true;
  if (phase != WorkerPhase::idle) return;
  held_[static_cast<std::size_t>(peer)] = false;
  pool_of(peer).insert(spot(peer));
}

void Crew::set_kind(Peer peer, Kind kind) {
  Worker& worker = (*this)[peer];
  if (kind >= pools_.size()) {
    pools_.resize(kind + 1);
    usable_.resize(kind + 1);
  }
  if (worker.phase == WorkerPhase::idle) pool_of(peer).erase(spot(peer));
  usable_[worker.kind] -= is_usable(worker.phase);
  usable_[kind] += is_usable(worker.phase);
  worker.kind = kind;
  if (worker.phase == WorkerPhase::idle) pool_of(peer).insert(spot(peer));
}

void Crew::hold(Peer peer, bool held) {
  if ((*this)[peer].phase != WorkerPhase::idle) return;
  pool_of(peer).erase(spot(peer));
  held_[static_cast<std::size_t>(peer)] = held;
  pool_of(peer).insert(spot(peer));
}

std::optional<Peer> Crew::pick(Pool pool, Kind kind, const std::function<bool(Peer)>& may) const {
  const std::set<Spot>& spots = pool_of(pool, kind);
  auto spot = spots.begin();
  for (int look = 0; look < most_looks && spot != spots.end(); ++look) {
    if (may(spot->second)) return spot->second;
    spot = spots.lower_bound({spot->first + 1, std::numeric_limits<Peer>::min()});  // of another node
  }
  spot = spots.begin();
  for (int look = 0; look < most_looks && spot != spots.end(); ++look, ++spot)
    if (may(spot->second)) return spot->second;
  return std::nullopt;
}

void Crew::watch(Peer peer, double until) {
  deadlines_.set(peer, until);
}

void Crew::limit(Peer peer, double until) {
  limits_.set(peer, until);
}

Crew::Spot Crew::spot(Peer peer) {
  return {nodes_.emplace((*this)[peer].node, nodes_.size()).first->second, peer};
}

std::set<Crew::Spot>& Crew::pool_of(Peer peer) {
  const Pool pool = held_[static_cast<std::size_t>(peer)] ? Pool::held
                    : (*this)[peer].used                  ? Pool::used
                                                          : Pool::unused;
  return pools_[(*this)[peer].kind][static_cast<std::size_t>(pool)];
}

void Crew::Alarms::set(Peer peer, double time) {
  clear(peer);
  times_[static_cast<std::size_t>(peer)] = time;
  order_.emplace(time, peer);
}

void Crew::Alarms::clear(Peer peer) {
  auto& time = times_[static_cast<std::size_t>(peer)];
  if (time) order_.erase({*time, peer});
  time.reset();
}

std::optional<Peer> Crew::Alarms::pop(double now) {
  if (order_.empty() || order_.begin()->first > now) return std::nullopt;
  const Peer peer = order_.begin()->second;
  clear(peer);
  return peer;
}

}  // namespace seldon::orchestrator

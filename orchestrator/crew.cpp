#include "orchestrator/crew.h"

#include <limits>

namespace seldon::orchestrator {
namespace {

constexpr int most_looks = 8;

}  // namespace

Crew::Crew(int size, Peer self, double now)
    : workers_(static_cast<std::size_t>(size)),
      held_(static_cast<std::size_t>(size)),
      booked_(static_cast<std::size_t>(size)),
      deadlines_(static_cast<std::size_t>(size)),
      limits_(static_cast<std::size_t>(size)),
      ends_(static_cast<std::size_t>(size)) {
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
  if (worker.phase == WorkerPhase::idle) take_out(peer);
  deadlines_.clear(peer);
  limits_.clear(peer);
  ends_.clear(peer);
  --phases_[static_cast<std::size_t>(worker.phase)];
  ++phases_[static_cast<std::size_t>(phase)];
  usable_[worker.kind] -= is_usable(worker.phase);
  usable_[worker.kind] += is_usable(phase);
  worker.phase = phase;
  worker.since = now;
  if (phase == WorkerPhase::busy) worker.used = true;
  if (phase != WorkerPhase::idle) return;
  held_[static_cast<std::size_t>(peer)] = false;
  booked_[static_cast<std::size_t>(peer)] = false;
  put_in(peer);
}

void Crew::set_kind(Peer peer, Kind kind) {
  Worker& worker = (*this)[peer];
  if (kind >= pools_.size()) {
    pools_.resize(kind + 1);
    usable_.resize(kind + 1);
  }
  if (worker.phase == WorkerPhase::idle) take_out(peer);
  usable_[worker.kind] -= is_usable(worker.phase);
  usable_[kind] += is_usable(worker.phase);
  worker.kind = kind;
  if (worker.phase == WorkerPhase::idle) put_in(peer);
}

void Crew::hold(Peer peer, bool held) {
  if ((*this)[peer].phase != WorkerPhase::idle) return;
  take_out(peer);
  held_[static_cast<std::size_t>(peer)] = held;
  put_in(peer);
}

void Crew::book(Peer peer, bool booked) {
  if ((*this)[peer].phase != WorkerPhase::idle) return;
  take_out(peer);
  booked_[static_cast<std::size_t>(peer)] = booked;
  put_in(peer);
}

void Crew::take_out(Peer peer) {
  const Pool pool = pool_of(peer);
  const Kind kind = (*this)[peer].kind;
  pools_[kind].spots[static_cast<std::size_t>(pool)].erase(spot(peer));
  if (pool == Pool::unused || pool == Pool::used) count_free(kind, spot(peer).first, -1);
}

void Crew::put_in(Peer peer) {
  const Pool pool = pool_of(peer);
  const Kind kind = (*this)[peer].kind;
  pools_[kind].spots[static_cast<std::size_t>(pool)].insert(spot(peer));
  if (pool == Pool::unused || pool == Pool::used) count_free(kind, spot(peer).first, 1);
}

void Crew::count_free(Kind kind, std::size_t node, int more) {
  auto& nodes = pools_[kind].nodes;
  const auto count = free_.emplace(std::pair(kind, node), 0).first;
  if (count->second > 0) nodes.erase({count->second, node});
  count->second += static_cast<std::size_t>(more);
  if (count->second > 0)
    nodes.emplace(count->second, node);
  else
    free_.erase(count);
}

std::vector<Peer> Crew::pick_group(std::uint32_t count, const std::vector<Kind>& kinds,
                                   const std::vector<Pool>& pools, bool one_node,
                                   const std::function<bool(Peer)>& may) const {
  for (const Kind kind : kinds) {
    const auto& nodes = pools_[kind].nodes;
    auto node = nodes.lower_bound({count, 0});
    for (int look = 0; look < most_looks && node != nodes.end(); ++look, ++node)
      if (auto group = of_node(node->second, count, kinds, pools, may); group.size() == count) return group;
  }
  std::vector<Peer> group;
  if (one_node) return group;
  for (const Kind kind : kinds) {
    const auto& nodes = pools_[kind].nodes;
    const auto looks = most_looks + static_cast<int>(count);
    auto node = nodes.rbegin();
    for (int look = 0; look < looks && node != nodes.rend() && group.size() < count; ++look, ++node) {
      const auto missing = count - static_cast<std::uint32_t>(group.size());
      const auto some = of_node(node->second, missing, {kind}, pools, may);
      group.insert(group.end(), some.begin(), some.end());
    }
  }
  // Held ones are on no list of nodes.
  for (const Kind kind : kinds)
    for (const Pool pool : pools)
      if (pool == Pool::held)
        for (auto spot = pool_of(pool, kind).begin();
             spot != pool_of(pool, kind).end() && group.size() < count; ++spot)
          if (may(spot->second)) group.push_back(spot->second);
  if (group.size() < count) group.clear();
  return group;
}

/// At most so many.
std::vector<Peer> Crew::of_node(std::size_t node, std::uint32_t count, const std::vector<Kind>& kinds,
                                const std::vector<Pool>& pools, const std::function<bool(Peer)>& may) const {
  std::vector<Peer> peers;
  for (const Pool pool : pools)
    for (const Kind kind : kinds) {
      if (pool == Pool::held) continue;
      const auto& spots = pool_of(pool, kind);
      for (auto spot = spots.lower_bound({node, std::numeric_limits<Peer>::min()});
           spot != spots.end() && spot->first == node && peers.size() < count; ++spot)
        if (may(spot->second)) peers.push_back(spot->second);
    }
  return peers;
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

Crew::Pool Crew::pool_of(Peer peer) const {
  return booked_[static_cast<std::size_t>(peer)] ? Pool::booked
         : held_[static_cast<std::size_t>(peer)] ? Pool::held
         : (*this)[peer].used                    ? Pool::used
                                                 : Pool::unused;
}

void Crew::Alarms::visit(const std::function<bool(Peer, double)>& visit) const {
  for (const auto& [time, peer] : order_)
    if (!visit(peer, time)) return;
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

#include "orchestrator/health.h"

#include <algorithm>
#include <cmath>

namespace seldon::orchestrator {

void Health::join(Peer peer, const std::string& node) {
  Worker& worker = workers_[peer];
  if (worker.ready) return;
  worker.node = node;
  worker.ready = true;
  Node& home = nodes_[node];
  ready_nodes_ += home.ready.empty();
  home.ready.insert(peer);
  ++ready_workers_;
}

void Health::leave(Peer peer, bool returns) {
  const auto found = workers_.find(peer);
  if (found == workers_.end() || !found->second.ready) return;
  found->second.ready = false;
  if (!returns) clear(peer);
  Node& home = nodes_[found->second.node];
  home.ready.erase(peer);
  ready_nodes_ -= home.ready.empty();
  --ready_workers_;
}

bool Health::ready(Peer peer) const {
  const auto found = workers_.find(peer);
  return found != workers_.end() && found->second.ready;
}

Health::Verdict Health::failed(const std::vector<Peer>& group, const Failure& failure,
                               const std::string& message) {
  std::vector<Peer>& failed_on = failed_on_[failure.pack];
  bool explained = false;
  for (const Peer earlier : failed_on) {
    if (!elsewhere(earlier, group)) continue;
    explained = true;  // by the cells, as far as anyone can see
    if (workers_.at(earlier).undecided.contains(failure.pack)) clear(earlier);
  }
  Verdict verdict;
  for (const Peer peer : group) {
    Worker& worker = workers_.at(peer);
    ++worker.leases.failed, ++nodes_[worker.node].leases.failed, ++leases_.failed;
    if (std::ranges::find(failed_on, peer) == failed_on.end()) failed_on.push_back(peer);
    if (explained || !worker.ready) continue;
    worker.undecided.insert(failure.pack);
    worker.row.push_back(failure);
    worker.last_message = message;
    judge(peer, verdict);
  }
  return verdict;
}

Health::Verdict Health::succeeded(const std::vector<Peer>& group, std::size_t pack) {
  for (const Peer peer : group) {
    Worker& worker = workers_.at(peer);
    Node& home = nodes_[worker.node];
    ++worker.leases.succeeded, ++home.leases.succeeded, ++leases_.succeeded;
    home.guilty.clear();
    if (!worker.row.empty()) clear(peer);
  }
  Verdict verdict;
  const auto failed_on = failed_on_.find(pack);
  if (failed_on == failed_on_.end()) return verdict;
  for (const Peer earlier : failed_on->second) {
    Worker& accused = workers_.at(earlier);
    if (!accused.undecided.contains(pack) || !elsewhere(earlier, group)) continue;
    accused.undecided.erase(pack);
    accused.refuted.insert(pack);
    acquitted_.push_back(earlier);
    judge(earlier, verdict);
  }
  return verdict;
}

void Health::forget(std::size_t pack) {
  const auto failed_on = failed_on_.find(pack);
  if (failed_on == failed_on_.end()) return;
  for (const Peer peer : failed_on->second)
    if (workers_.at(peer).undecided.erase(pack) > 0) acquitted_.push_back(peer);
  failed_on_.erase(failed_on);
}

bool Health::on_probation(Peer peer) const {
  const auto found = workers_.find(peer);
  if (found == workers_.end() || found->second.undecided.empty()) return false;
  return ready_workers_ + expected_ > 1 && found->second.row.size() >= row_needed(found->second);
}

bool Health::may_run(Peer peer, std::size_t pack) const {
  const auto failed_on = failed_on_.find(pack);
  if (failed_on == failed_on_.end()) return true;
  std::set<std::string> bad_nodes;
  std::size_t bad_workers = 0;
  for (const Peer earlier : failed_on->second) {
    const Worker& worker = workers_.at(earlier);
    if (!nodes_.at(worker.node).ready.empty()) bad_nodes.insert(worker.node);
    bad_workers += worker.ready;
  }
  if (bad_nodes.size() < ready_nodes_ + (expected_ > 0)) return !bad_nodes.contains(workers_.at(peer).node);
  if (bad_workers < ready_workers_)
    return std::ranges::find(failed_on->second, peer) == failed_on->second.end();
  return true;
}

bool Health::elsewhere(Peer accused, const std::vector<Peer>& group) const {
  return std::ranges::all_of(group, [&](Peer peer) {
    return ready_nodes_ > 1 ? workers_.at(accused).node != workers_.at(peer).node : accused != peer;
  });
}

/// How many leases in a row must fail before that is no accident, by how often they fail elsewhere.
std::uint32_t Health::row_needed(const Worker& worker) const {
  const Count& inside = ready_nodes_ > 1 ? nodes_.at(worker.node).leases : worker.leases;
  const auto failed = static_cast<double>(leases_.failed - inside.failed);
  const auto succeeded = static_cast<double>(leases_.succeeded - inside.succeeded);
  const double rate = (failed + 1) / (failed + succeeded + 2);
  return std::max(shortest_row, static_cast<std::uint32_t>(std::ceil(std::log(chance) / std::log(rate))));
}

/// Its failures were no fault of its own, or it is no longer there.
void Health::clear(Peer peer) {
  Worker& worker = workers_.at(peer);
  worker.row.clear();
  worker.undecided.clear();
  worker.refuted.clear();
  acquitted_.push_back(peer);
}

void Health::judge(Peer accused, Verdict& verdict) {
  Worker& worker = workers_.at(accused);
  if (!worker.ready || worker.refuted.size() < refuted_until_guilty || worker.row.size() < row_needed(worker))
    return;
  Node& home = nodes_.at(worker.node);
  home.guilty.insert(accused);
  verdict.last_message = worker.last_message;
  verdict.node = ready_nodes_ > 1 && home.guilty.size() > 1;
  if (verdict.node)
    verdict.guilty.insert(verdict.guilty.end(), home.ready.begin(), home.ready.end());
  else
    verdict.guilty.push_back(accused);
}

}  // namespace seldon::orchestrator

#include "orchestrator/dismiss.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include <spdlog/spdlog.h>

#include "core/backoff.h"

namespace seldon::orchestrator {
namespace {

/// Who has been told to stop and has neither said Bye nor died.
using Staying = std::set<Peer>;

Staying tell_to_stop(Transport& transport, ExitCode code) {
  Staying staying;
  for (Peer peer = 0; peer < transport.size(); ++peer) {
    if (peer == transport.self() || transport.lost(peer)) continue;
    message::send(transport, peer, message::Stop{static_cast<std::int32_t>(code), true});
    staying.insert(peer);
  }
  return staying;
}

/// False if time is over and some still stay, or something is still on its way to them.
bool wait_for_leave(Transport& transport, Staying& staying, double seconds, const Clock& clock) {
  const double end = clock() + seconds;
  for (Backoff backoff; !staying.empty() || !transport.drained();) {
    if (const auto arrival = transport.poll()) {
      if (arrival->tag == static_cast<int>(message::Tag::bye)) staying.erase(arrival->from);
      backoff.reset();
      continue;
    }
    if (clock() >= end) return false;
    std::erase_if(staying, [&](Peer peer) { return transport.lost(peer); });
    backoff.pause();
  }
  return true;
}

/// Lets all go but those who still stay.
void release(Transport& transport, const Staying& staying, double seconds, const Clock& clock) {
  for (Peer peer = 0; peer < transport.size(); ++peer)
    if (peer != transport.self() && !staying.contains(peer))
      message::send(transport, peer, message::Release{});
  Staying nobody;
  wait_for_leave(transport, nobody, seconds, clock);
}

/// Has the process of `peer` killed by everyone of its node who is still there; only one of them will find
/// it.
void have_killed(RollCall& peers, Peer peer, const Staying& staying, const std::string& own_node,
                 const Killer& kill) {
  const RollCall::Entry& silent = peers.entry(peer);
  if (silent.process.pid == 0) {
    spdlog::error("rank {} has never said anything, and does not answer", peer);
    return;
  }
  spdlog::warn("rank {} ({}, process {}) does not answer, and is killed", peer, silent.host,
               silent.process.pid);
  if (silent.node == own_node) {
    kill(silent.process);
    return;
  }
  for (Peer other = 0; other < peers.size(); ++other)
    if (other != peers.self() && !staying.contains(other) && peers.entry(other).node == silent.node)
      message::send(peers, other, message::Kill{silent.process});
}

}  // namespace

RollCall::RollCall(Transport& transport, Clock clock)
    : transport_(transport),
      clock_(std::move(clock)),
      next_beat_(clock_() + seconds_between_beats),
      entries_(static_cast<std::size_t>(transport.size())) {}

void RollCall::send(Peer to, int tag, SharedBytes bytes) {
  if (tag == static_cast<int>(message::Tag::stop)) entries_[static_cast<std::size_t>(to)].told_to_stop = true;
  transport_.send(to, tag, std::move(bytes));
}

/// Only to those who listen: whoever is told to stop may be gone before the beat is there.
void RollCall::beat() {
  const double now = clock_();
  if (now < next_beat_) return;
  next_beat_ = now + seconds_between_beats;
  for (Peer peer = 0; peer < size(); ++peer)
    if (entry(peer).process.pid != 0 && !entry(peer).told_to_stop && !lost(peer))
      message::send(transport_, peer, message::Beat{});
}

std::optional<Transport::Arrival> RollCall::poll() {
  beat();
  auto arrival = transport_.poll();
  if (!arrival) return arrival;
  Entry& entry = entries_[static_cast<std::size_t>(arrival->from)];
  if (arrival->tag == static_cast<int>(message::Tag::hello)) {
    auto hello = message::decode<message::Hello>(arrival->bytes.view());
    entry.host = std::move(hello.host);
    entry.node = std::move(hello.node);
    entry.process = hello.process;
  } else if (arrival->tag == static_cast<int>(message::Tag::bye)) {
    entry.left = true;
  }
  return arrival;
}

bool dismiss(Transport& transport, ExitCode code, double seconds, const Clock& clock) {
  Staying staying = tell_to_stop(transport, code);
  if (!wait_for_leave(transport, staying, seconds, clock)) return false;
  release(transport, staying, seconds, clock);
  return true;
}

bool dismiss_or_kill(RollCall& peers, ExitCode code, double seconds, const Clock& clock,
                     const std::string& own_node, const Killer& kill) {
  Staying staying = tell_to_stop(peers, code);
  std::erase_if(staying, [&](Peer peer) { return peers.entry(peer).left; });
  if (!wait_for_leave(peers, staying, seconds, clock)) {
    const Staying silent = staying;
    for (const Peer peer : silent) have_killed(peers, peer, staying, own_node, kill);
    wait_for_leave(peers, staying, seconds, clock);
  }
  // Only now: a rank that is released can kill nobody any more.
  release(peers, staying, seconds, clock);
  return staying.empty();
}

}  // namespace seldon::orchestrator

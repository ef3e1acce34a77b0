#include "transport/in_process.h"

namespace seldon::transport {

InProcess::InProcess(int size) {
  ends_.reserve(static_cast<std::size_t>(size));
  for (Peer peer = 0; peer < size; ++peer) ends_.emplace_back(*this, peer);
}

void InProcess::before_poll(Peer peer, std::function<void()> turn) {
  ends_.at(static_cast<std::size_t>(peer)).before_poll_ = std::move(turn);
}

void InProcess::lose(Peer peer) {
  auto& end = ends_.at(static_cast<std::size_t>(peer));
  end.lost_ = true;
  end.inbox_.clear();
  for (auto& other : ends_)
    if (&other != &end) other.losses_.push_back(peer);
}

void InProcess::End::send(Peer to, int tag, SharedBytes bytes) {
  auto& other = hub_.ends_.at(static_cast<std::size_t>(to));
  if (!other.lost_ && !lost_) other.inbox_.push_back({self_, tag, std::move(bytes)});
}

std::optional<Transport::Arrival> InProcess::End::poll() {
  if (before_poll_) before_poll_();
  if (inbox_.empty()) return std::nullopt;
  Arrival arrival = std::move(inbox_.front());
  inbox_.pop_front();
  return arrival;
}

std::optional<Peer> InProcess::End::poll_loss() {
  if (losses_.empty()) return std::nullopt;
  const Peer peer = losses_.front();
  losses_.pop_front();
  return peer;
}

bool InProcess::End::lost(Peer peer) const {
  return hub_.ends_.at(static_cast<std::size_t>(peer)).lost_;
}

}  // namespace seldon::transport

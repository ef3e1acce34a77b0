#pragma once
// Peers in one process and one thread: for a run alone, and for tests.

#include <deque>
#include <functional>
#include <vector>

#include "core/transport.h"

namespace seldon::transport {

class InProcess {
 public:
  explicit InProcess(int size);
  InProcess(const InProcess&) = delete;
  InProcess& operator=(const InProcess&) = delete;

  /// The end of one peer; lives as long as this object.
  Transport& end(Peer peer) { return ends_.at(static_cast<std::size_t>(peer)); }
  /// Whatever `peer` polls, `turn` runs first: a worker that looks for messages turns its orchestrator.
  void before_poll(Peer peer, std::function<void()> turn);
  /// From now on `peer` counts as dead for everyone.
  void lose(Peer peer);

 private:
  class End final : public Transport {
   public:
    End(InProcess& hub, Peer self) : hub_(hub), self_(self) {}
    Peer self() const override { return self_; }
    int size() const override { return static_cast<int>(hub_.ends_.size()); }
    void send(Peer to, int tag, SharedBytes bytes) override;
    std::optional<Arrival> poll() override;
    bool lost(Peer peer) const override;
    std::optional<Peer> poll_loss() override;
    bool drained() const override { return true; }

   private:
    friend class InProcess;
    InProcess& hub_;
    Peer self_;
    bool lost_ = false;
    std::deque<Arrival> inbox_;
    std::deque<Peer> losses_;  // of others, not told yet
    std::function<void()> before_poll_;
  };

  std::vector<End> ends_;
};

}  // namespace seldon::transport

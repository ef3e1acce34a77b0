#pragma once
// The seam between those who talk (orchestrator, worker) and what moves their bytes (transport/: MPI,
// in-process).

#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "core/wire.h"

namespace seldon {

/// A rank: 0 orchestrates, the others work.
using Peer = int;

/// Bytes that live as long as anyone holds them, so that one copy can be on its way to many.
class SharedBytes {
 public:
  SharedBytes() = default;
  /// Takes the bytes over.
  SharedBytes(
      Bytes bytes) {  // NOLINT(google-explicit-constructor): every message is built as Bytes and then sent
    auto owned = std::make_shared<const Bytes>(std::move(bytes));
    view_ = *owned;
    owner_ = std::move(owned);
  }
  /// A view of bytes that `owner` keeps alive.
  SharedBytes(std::shared_ptr<const void> owner, std::span<const std::byte> view)
      : owner_(std::move(owner)), view_(view) {}

  std::span<const std::byte> view() const { return view_; }

 private:
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> view_;
};

/// Moves tagged bytes between peers and knows no message. Messages of one peer to another arrive in the order
/// in which they were sent. To be used by one thread.
class Transport {
 public:
  struct Arrival {
    Peer from = 0;
    int tag = 0;
    SharedBytes bytes;
  };

  virtual ~Transport() = default;
  virtual Peer self() const = 0;
  /// Peers are 0 .. size() - 1, oneself included.
  virtual int size() const = 0;
  /// Returns at once; `tag` lies in [0, 1000). What is sent to a lost peer vanishes.
  virtual void send(Peer to, int tag, SharedBytes bytes) = 0;
  /// The next message that is here in full; never waits. Also moves on what is still being sent.
  virtual std::optional<Arrival> poll() = 0;
  /// True once it is known that the peer has died.
  virtual bool lost(Peer peer) const = 0;
  /// A peer whose death has become known since the last call; each is told once.
  virtual std::optional<Peer> poll_loss() = 0;
  /// True when nothing that was sent is still on its way out of this process.
  virtual bool drained() const = 0;
};

}  // namespace seldon

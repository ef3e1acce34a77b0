#pragma once
// The transport over MPI: point to point only, since a collective is left half done by a rank that dies.

#include <deque>
#include <vector>

#include <mpi.h>

#include "core/transport.h"

namespace seldon::transport {

/// Owns MPI from MPI_Init_thread (MPI_THREAD_FUNNELED) to MPI_Finalize. At most one per process.
class MpiSession {
 public:
  MpiSession();
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  /// Ends the whole job with this exit code, without waiting for anyone: for when a rank no longer answers.
  [[noreturn]] void abort(int exit_code) const;

 private:
  int rank_ = 0, size_ = 1;
};

/// Messages above `chunk_bytes` travel in chunks of that size. Sends and receives never block; what is being
/// sent is kept until it has left. Errors of MPI are IncompleteErrors, since what is recorded stays and a new
/// start goes on.
class Mpi final : public Transport {
 public:
  explicit Mpi(const MpiSession& session, std::size_t chunk_bytes = std::size_t{64} << 20);
  /// Waits for nothing: see drained().
  ~Mpi() override;

  Peer self() const override { return rank_; }
  int size() const override { return size_; }
  void send(Peer to, int tag, SharedBytes bytes) override;
  std::optional<Arrival> poll() override;
  /// Always false: without fault tolerance MPI ends the whole job when a rank dies.
  bool lost(Peer) const override { return false; }
  std::optional<Peer> poll_loss() override { return std::nullopt; }
  bool drained() const override { return outgoing_.empty(); }

 private:
  struct Incoming {
    Peer from = 0;
    int tag = 0;
    Bytes bytes;
    std::size_t expected = 0;  ///< bytes of `bytes` for which a receive has been posted
    std::vector<MPI_Request> requests;
  };

  void post_send(Peer to, int tag, std::span<const std::byte> bytes, const SharedBytes& owner);
  void finish_sends();
  bool accept();
  void post_receive(Incoming& message, int count, MPI_Message piece);
  std::optional<Arrival> take_complete();

  int rank_, size_;
  std::size_t chunk_bytes_;
  std::deque<Incoming> incoming_;      // in order of arrival
  std::vector<MPI_Request> outgoing_;  // and, at the same index, what it sends
  std::vector<SharedBytes> held_;
};

}  // namespace seldon::transport

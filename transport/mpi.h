#pragma once
// The transport over MPI: point to point only, since a collective is left half done by a rank that dies.
//
// With Open MPI 5 under `mpirun --with-ft ulfm` (user-level failure mitigation) the death of a peer is no
// error: it is told by lost() and poll_loss(), and the others go on. With any other MPI, a dead rank ends the
// job.

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include <mpi.h>

#include "core/transport.h"

namespace seldon::transport {

/// The MPI that this program was compiled with and the one that it has loaded, for example "Open MPI
/// v5.0.11". Neither needs MPI_Init.
std::string compiled_library();
std::string loaded_library();

/// Throws InputError where `loaded` cannot stand in for `compiled`: versions 4 and 5 of Open MPI share the
/// name of their library file, so that the mpirun of the one silently gives its own to programs of the other.
void check_library(const std::string& compiled, const std::string& loaded);

/// Owns MPI from MPI_Init_thread (MPI_THREAD_FUNNELED) to MPI_Finalize, which waits for every rank that
/// lives. At most one per process. Throws InputError if another MPI is loaded than the one compiled with.
class MpiSession {
 public:
  MpiSession();
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  /// True if the launcher has switched on what lets a run survive the death of a rank.
  bool fault_tolerant() const { return fault_tolerant_; }
  /// Ends the whole job with this exit code, without waiting for anyone: for when a rank no longer answers.
  [[noreturn]] void abort(int exit_code) const;

 private:
  int rank_ = 0, size_ = 1;
  bool fault_tolerant_ = false;
};

/// Messages above `chunk_bytes` travel in chunks of that size. Sends and receives never block; what is being
/// sent is kept until it has left. Errors of MPI are IncompleteErrors, since what is recorded stays and a new
/// start goes on. Of a peer that dies, the messages that were here in full come first, then its loss is told;
/// what was here in part is dropped.
class Mpi final : public Transport {
 public:
  explicit Mpi(const MpiSession& session, std::size_t chunk_bytes = std::size_t{64} << 20);
  /// Waits for nothing: see drained().
  ~Mpi() override;

  Peer self() const override { return rank_; }
  int size() const override { return size_; }
  void send(Peer to, int tag, SharedBytes bytes) override;
  std::optional<Arrival> poll() override;
  /// A death becomes known in poll(). Always false without fault tolerance.
  bool lost(Peer peer) const override { return life_[static_cast<std::size_t>(peer)] == Life::lost; }
  std::optional<Peer> poll_loss() override;
  bool drained() const override { return outgoing_.empty(); }

 private:
  enum class Life : std::uint8_t { alive, dead, lost };  ///< lost: dead, and nothing more comes from it

  struct Incoming {
    Peer from = 0;
    int tag = 0;
    Bytes bytes;
    std::size_t expected = 0;  ///< bytes of `bytes` for which a receive has been posted
    std::vector<MPI_Request> requests = {};
    bool torn = false;  ///< the sender died while it was on its way
  };
  struct Outgoing {
    Peer to = 0;
    MPI_Request request = MPI_REQUEST_NULL;
    SharedBytes held;  ///< what the request reads
  };
  /// A request that a death has left behind. It may end late or never; until then its memory is kept.
  struct Abandoned {
    MPI_Request request = MPI_REQUEST_NULL;
    SharedBytes held;
  };

  void post_send(Peer to, int tag, std::span<const std::byte> bytes, const SharedBytes& owner);
  void finish_sends();
  bool accept();
  void post_receive(Incoming& message, int count, MPI_Message& piece);
  std::optional<Arrival> take_complete();
  bool complete(Incoming& message);

  bool alive(Peer peer) const { return life_[static_cast<std::size_t>(peer)] == Life::alive; }
  bool notice_deaths();
  void bury();
  void abandon(Incoming message);
  void abandon(Outgoing message);
  void finish_abandoned();

  int rank_, size_;
  std::size_t chunk_bytes_;
  std::deque<Incoming> incoming_;  // in order of arrival
  std::vector<Outgoing> outgoing_;
  std::vector<Abandoned> abandoned_;
  std::vector<Life> life_;   // by peer
  std::vector<Peer> dying_;  // dead, and not yet lost
  std::deque<Peer> losses_;  // not yet told
};

}  // namespace seldon::transport

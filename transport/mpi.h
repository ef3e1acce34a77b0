#pragma once
// The transport over MPI: point to point only, since a collective is left half done by a rank that dies.
//
// With Open MPI 5 under `mpirun --with-ft ulfm` (user-level failure mitigation) the death of a peer is no
// error: it is told by lost() and poll_loss(), and the others go on. With any other MPI, a dead rank ends the
// job.

#include <cstdint>
#include <deque>
#include <map>
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

/// Owns MPI from MPI_Init_thread (MPI_THREAD_FUNNELED) to the end of the process. The end is MPI_Finalize,
/// which waits for every rank; where deaths are survived it is none, since MPI_Finalize may then hang: nobody
/// waits for anybody, and to the others a rank that has ended is a lost one. At most one per process. Throws
/// InputError if another MPI is loaded than the one compiled with.
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
  /// Where deaths are survived it ends this rank in a way that the others are told of. Those that lose rank 0
  /// end too, and it is their exit code that the launcher reports.
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
  bool drained() const override { return outgoing_.requests.empty() && waiting_.empty(); }

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
  /// Requests under way, each with its peer and the memory that it uses.
  struct Pending {
    std::vector<MPI_Request> requests;
    std::vector<Peer> peers;
    std::vector<SharedBytes> held;
    std::map<Peer, int> of_peer;  ///< how many

    void add(MPI_Request request, Peer peer, SharedBytes bytes);
    void remove(std::size_t index);
    /// Removes those that are through, or whose peer has died.
    void finish();
    /// Lets go of all. MPI goes on using the memory of what is not through, so that stays until the process
    /// ends.
    void leave();
  };
  /// A part of a long message that is not yet handed to MPI.
  struct Chunk {
    std::span<const std::byte> bytes;
    SharedBytes owner;
  };

  void post_send(Peer to, int tag, std::span<const std::byte> bytes, const SharedBytes& owner);
  void post_chunks();
  bool accept();
  void post_receive(Incoming& message, int count, MPI_Message& piece);
  std::optional<Arrival> take_complete();
  bool complete(Incoming& message);

  bool alive(Peer peer) const { return life_[static_cast<std::size_t>(peer)] == Life::alive; }
  bool notice_deaths();
  void bury();
  void abandon(Incoming message);

  int rank_, size_;
  std::size_t chunk_bytes_;
  std::deque<Incoming> incoming_;              // in order of arrival
  std::map<Peer, std::deque<Chunk>> waiting_;  // to go out when earlier ones have left
  Pending outgoing_;
  Pending abandoned_;        // that a death has left behind: they may end late or never
  std::vector<Life> life_;   // by peer
  std::vector<Peer> dying_;  // dead, and not yet lost
  std::deque<Peer> losses_;  // not yet told
};

}  // namespace seldon::transport

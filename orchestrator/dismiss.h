#pragma once
// The end of a run: every worker is told to stop, and nobody who does not answer may keep the rest from
// leaving.

#include <functional>
#include <optional>
#include <vector>

#include "core/clock.h"
#include "core/error.h"
#include "core/messages.h"
#include "core/process.h"
#include "core/transport.h"
#include "orchestrator/orchestrator.h"

namespace seldon::orchestrator {

/// Passes everything on, and notes what peers say of themselves: who they are, and that they leave. To those
/// who are there it says once a minute, from within poll(), that this process is still there too.
class RollCall final : public Transport {
 public:
  static constexpr double seconds_between_beats = 60;

  /// `transport` must outlive it.
  explicit RollCall(Transport& transport, Clock clock = steady_seconds);

  Peer self() const override { return transport_.self(); }
  int size() const override { return transport_.size(); }
  void send(Peer to, int tag, SharedBytes bytes) override;
  std::optional<Arrival> poll() override;
  bool lost(Peer peer) const override { return transport_.lost(peer); }
  std::optional<Peer> poll_loss() override { return transport_.poll_loss(); }
  bool drained() const override { return transport_.drained(); }

  struct Entry {
    std::string host, node;
    Process process;  ///< pid 0: it has said nothing yet
    bool told_to_stop = false;
    bool left = false;
  };
  const Entry& entry(Peer peer) const { return entries_[static_cast<std::size_t>(peer)]; }

 private:
  void beat();

  Transport& transport_;
  Clock clock_;
  double next_beat_;
  std::vector<Entry> entries_;  // by peer
};

/// Tells every other peer to end with `code` and waits, at most `seconds`, until each has said Bye or has
/// died; whatever else they say is dropped. False if some have not answered: then the others are kept, for
/// the caller to abort the job. Measured with Open MPI 4.1.4 and PMIx 4.2.2: while ranks wait in MPI_Finalize
/// for one that is stopped, MPI_Abort ends them all, but in 24 of 30 runs mpirun itself then hangs or
/// crashes; while they wait for a message, in none of 120.
bool dismiss(Transport& transport, ExitCode code, double seconds, const Clock& clock);

/// How a process of this node is ended.
using Killer = std::function<bool(const Process&)>;

/// The same where the transport survives deaths. A worker that does not answer in time would keep the job
/// from ending: it is killed by the workers of its own node, which are kept until then, or by the caller if
/// it is on `own_node`, and its death is awaited for another `seconds`. False if some neither answered nor
/// died: nobody could reach them. The others have left all the same.
bool dismiss_or_kill(RollCall& peers, ExitCode code, double seconds, const Clock& clock,
                     const std::string& own_node, const Killer& kill = kill_process);

}  // namespace seldon::orchestrator

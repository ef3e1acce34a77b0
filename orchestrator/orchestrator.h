#pragma once
// Rank 0: hands out packs under leases and records what comes back. A state machine without threads, files or
// MPI: the clock, the transport and the sink of records are passed in, and each event costs O(log n).

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/cell.h"
#include "core/messages.h"
#include "core/pack_runner.h"
#include "core/transport.h"
#include "orchestrator/node_data.h"

namespace seldon::orchestrator {

/// Seconds since some fixed moment, never going back.
using Clock = std::function<double()>;

/// Where records go: the store, or a list in tests. What it throws ends the run.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                          const Suspicion& suspicion) = 0;
  /// True if the record is of a cell that returned a solution (for the live line). A second record of a DONE
  /// cell must be equal: the sink compares, and throws InternalError where it is not.
  virtual bool write(const CellReport& report) = 0;
};

/// What is known of a cell when the run starts.
struct CellStart {
  CellState state = CellState::pending;
  std::uint32_t attempt = 0;   ///< of the last lease, 0 if there was none
  std::uint32_t failures = 0;  ///< tries that have failed
  bool solution = false;
  Suspicion suspicion = {};  ///< as the store holds it
};

/// The work. Packs are handed out in this order.
struct Plan {
  std::vector<Pack> packs;
  std::vector<double> costs;        ///< of each pack, in any unit; they only weigh the time left
  std::vector<std::string> models;  ///< names, by model index
  std::function<CellStart(CellKey)> start = [](CellKey) { return CellStart{}; };
};

/// What each worker needs before it can work.
struct Supply {
  std::uint32_t experiment = 0;
  std::string config;
  SharedBytes data;
  std::string node;                           ///< the orchestrator's own; see message::Hello
  std::optional<message::SharedPlace> place;  ///< where the data lies in this node's memory
  bool share = true;                          ///< whether workers of other nodes are to share one copy
  std::string version, numerics;              ///< that workers must have; see message::Hello
};

struct Limits {
  double start_seconds = 120;    ///< from one sign of life of a starting worker to the next
  double lease_seconds = 120;    ///< without a heartbeat, then the pack goes to another worker
  std::uint32_t max_tries = 3;   ///< of a cell that ends with an exception
  std::uint32_t max_losses = 3;  ///< workers lost with one pack, then its missing cells are FAILED
};

struct ModelProgress {
  std::string name;
  std::uint64_t cells = 0, done = 0, failed = 0, solutions = 0;
};

/// A glance at the run.
struct Snapshot {
  std::uint64_t cells = 0, done = 0, failed = 0;
  std::uint64_t recorded_now = 0;  ///< done since this start
  double seconds = 0;              ///< since this start
  double seconds_left = 0;         ///< a guess by costs; NaN before anything is recorded
  std::uint64_t late = 0;          ///< answers rejected because their lease had ended
  int workers = 0;                 ///< that are ready
  std::vector<ModelProgress> models;

  bool complete() const { return done == cells; }
};

class Orchestrator {
 public:
  /// `transport` and `sink` must outlive it. Throws InternalError if the plan contradicts itself.
  Orchestrator(Plan plan, Supply supply, Limits limits, Transport& transport, RecordSink& sink, Clock clock);

  /// Takes in what has arrived and what time has brought. False if there was nothing.
  bool turn();
  /// Takes every pack back, their cells become PREEMPTED, and hands out nothing more: finished() is true from
  /// now on.
  void stop();
  /// Nothing is left to do, or nobody to do it, or it has been stopped.
  bool finished() const;

  Snapshot snapshot() const;

 private:
  struct Cell {
    CellState state = CellState::pending;
    std::uint32_t attempt = 0;
    std::uint32_t failures = 0;  // tries that ended with an exception
  };
  struct PackWork {
    Pack pack;
    double cost = 0;
    std::size_t first_cell = 0;  // of cells_
    std::uint32_t missing = 0;   // cells that are not final
    std::uint32_t tries = 0;     // leases that ended without all of its cells; 1 if an earlier run lost it
    std::uint32_t losses = 0;    // workers lost with it
  };
  enum class Phase {
    starting,   // has said nothing, or is being supplied
    idle,       // wants work
    busy,       // holds a lease
    suspended,  // its lease has ended unanswered; works again once it says that it is through
    gone,       // dead or faulty, or has left
  };
  struct Worker {
    Phase phase = Phase::starting;
    std::string host, node;
    double heard = 0;         // last sign of life
    double deadline = 0;      // its entry in deadlines_, if its phase is watched
    std::uint64_t lease = 0;  // the last one
    std::size_t pack = 0;     // of that lease
  };

  void receive(const Transport::Arrival& arrival);
  void on(Peer from, const message::Hello& hello);
  void on(Peer from, const message::Placed& placed);
  void on(Peer from, const message::NeedData& need);
  void on(Peer from, const message::Ready& ready);
  void on(Peer from, message::CellDone done);
  void on(Peer from, const message::PackDone& done);
  void on(Peer from, const message::Heartbeat& beat);
  void on(Peer from, const message::Fault& fault);
  void on(Peer from, const message::Bye& bye);

  void supply(Peer worker);
  void hand_out();
  void lease(Peer peer, std::size_t pack);
  /// Cells of the pack that are still leased become `state`.
  void release(PackWork& work, CellState state);
  /// After a lease: the pack queues up again if it lacks cells.
  void requeue(std::size_t pack);
  void fail(PackWork& work, std::uint32_t slot, CellReport report);
  void settle(PackWork& work, std::uint32_t slot, CellState state);
  void lose(Peer peer, Phase phase, const std::string& why);
  bool check_deadlines();
  bool check_losses();
  bool live(Peer peer, std::uint64_t lease) const;
  void enter(Peer peer, Phase phase);
  std::uint64_t in(Phase phase) const { return phases_[static_cast<std::size_t>(phase)]; }
  std::uint64_t usable() const { return in(Phase::starting) + in(Phase::idle) + in(Phase::busy); }
  double patience(Phase phase) const;
  std::string name(Peer peer) const;
  Worker& worker(Peer peer) { return workers_[static_cast<std::size_t>(peer)]; }
  const Worker& worker(Peer peer) const { return workers_[static_cast<std::size_t>(peer)]; }
  Cell& cell(const PackWork& work, std::uint32_t slot) { return cells_[work.first_cell + slot]; }

  Supply supply_;
  Limits limits_;
  Transport& transport_;
  RecordSink& sink_;
  Clock clock_;

  std::vector<PackWork> packs_;  // in the order of the plan
  std::vector<Cell> cells_;
  std::vector<ModelProgress> models_;
  std::set<std::pair<std::uint32_t, std::size_t>> queue_;  // (tries, index of the pack): repeats come last

  std::vector<Worker> workers_;            // by peer; that of the orchestrator itself stays `gone`
  std::array<std::uint64_t, 5> phases_{};  // workers in each phase
  std::set<Peer> idle_;
  std::set<std::pair<double, Peer>>
      deadlines_;  // looked at again once due: a sign of life does not move its entry
  NodeData node_data_;

  double now_, started_, losses_checked_, last_suspended_;
  double cost_done_ = 0, cost_left_ = 0;
  std::uint64_t packs_left_ = 0, last_lease_ = 0, late_ = 0, recorded_now_ = 0;
  bool stopping_ = false;
};

}  // namespace seldon::orchestrator

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
#include <string_view>
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

/// How a lease ended, for the statistics.
struct PackEnd {
  enum class How {
    finished,   ///< the worker said that it is through
    preempted,  ///< taken back, or given back by a worker that was told to end
    lost,       ///< the worker died or left
    silent,     ///< no heartbeat for a lease's time
    timed_out,  ///< took longer than its cells may
  };
  Pack pack;
  Peer peer = 0;
  std::string host;
  std::uint32_t attempt = 0;
  double started = 0, ended = 0;  ///< on the orchestrator's clock
  std::uint32_t wanted = 0;       ///< cells that were asked for
  std::uint32_t done = 0, failed = 0;
  How how = How::finished;
};
std::string_view name_of(PackEnd::How how);

/// Where records go: the store, or a list in tests. What it throws ends the run.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  /// The cells are about to leave for a worker on `host`: they become LEASED, and that is in the kernel on
  /// return.
  virtual void lease(std::span<const CellKey> keys, std::uint32_t attempt, const Suspicion& suspicion,
                     const std::string& host) {
    static_cast<void>(host);
    set_states(keys, CellState::leased, attempt, suspicion);
  }
  virtual void set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                          const Suspicion& suspicion) = 0;
  /// True if the record is of a cell that returned a solution (for the live line). A second record of a DONE
  /// cell must be equal: the sink compares, and throws InternalError where it is not.
  virtual bool write(const CellReport& report) = 0;
  /// A lease has ended; all its cells have been told before.
  virtual void pack_ended(const PackEnd& end) { static_cast<void>(end); }
};

/// What is known of a cell when the run starts.
struct CellStart {
  CellState state = CellState::pending;
  std::uint32_t attempt = 0;   ///< of the last lease, 0 if there was none
  std::uint32_t failures = 0;  ///< tries that have failed
  bool solution = false;
  Suspicion suspicion = {};  ///< as the store holds it
  std::string host = {};     ///< where it ran last, empty if that is not known
};

/// The work. The longest packs are handed out first; among equals, in this order.
struct Plan {
  std::vector<Pack> packs;
  std::vector<double> costs;        ///< of each pack, in any unit: a first guess of what takes how long
  std::vector<std::string> models;  ///< names, by model index
  std::vector<bool> together =
      {};  ///< [model] a pack takes as long for one of its cells as for all; missing: no
  /// [model][fraction] mean seconds of one cell in earlier runs; NaN or missing where unknown.
  std::vector<std::vector<double>> known_seconds = {};
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
  std::uint32_t max_deaths = 3;  ///< of workers that nothing but one cell can have caused, then it is FAILED
  std::optional<std::uint64_t> max_fails;  ///< more cells than that FAILED for good in this run end it
  std::optional<double> cell_seconds;      ///< a pack may take so long for each cell that it computes
  std::optional<double> ends_at;           ///< on the clock: when the job is cut off
  bool fault_tolerant = false;             ///< a worker's death does not end the job
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
  std::uint64_t suspects = 0;      ///< cells left that may be what kills workers
  std::uint64_t preempted = 0;     ///< times that a cell was taken back in this run
  bool too_many_failed = false;    ///< ended by Limits::max_fails
  bool out_of_time = false;        ///< no pack that is left fits before the end of the job
  std::uint64_t late = 0;          ///< answers rejected because their lease had ended
  int workers = 0;                 ///< that are ready
  std::vector<ModelProgress> models;

  bool complete() const { return done == cells; }
};

enum class WorkerPhase {
  starting,   ///< has said nothing, or is being supplied
  idle,       ///< wants work
  busy,       ///< holds a lease
  suspended,  ///< its lease has ended unanswered; works again once it says that it is through
  barred,     ///< alive, but gets nothing more: what it computes fails, and succeeds elsewhere
  gone,       ///< dead or faulty, or has left
};
std::string_view name_of(WorkerPhase phase);

struct WorkerStatus {
  Peer peer = 0;
  std::string host;  ///< empty before it has said hello
  WorkerPhase phase = WorkerPhase::starting;
  std::optional<Pack> pack = {};        ///< while it is busy
  double since = 0;                     ///< when it entered this phase, on the clock
  std::uint64_t cells = 0, failed = 0;  ///< recorded of it, and ended with an exception, in this run
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
  /// Hands out nothing more and lets running packs finish; after the grace time it takes them back as stop()
  /// does.
  void drain(double grace_seconds);
  /// Marks every LEASED cell PREEMPTED and hands out nothing more. Sends nothing: for a process that has a
  /// few tenths of a second to live.
  void preempt();
  /// Nothing is left to do, or nobody to do it, or no time, or it has been stopped.
  bool finished() const;

  Snapshot snapshot() const;
  /// Every worker, by peer.
  std::vector<WorkerStatus> roster() const;
  /// Workers that are silent: they may hang, and not hear that they are to end.
  std::vector<Peer> suspended() const;
  /// Why cells are left and nothing runs, in one sentence; empty where something runs or nothing is left.
  std::string why_idle() const;
  /// What the user must change, with the estimate: by what is known of earlier cells no pack that is left
  /// fits into a whole job. For exit code 2.
  std::optional<std::string> hopeless() const;

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
  using Phase = WorkerPhase;
  struct Worker {
    Phase phase = Phase::starting;
    std::string host, node;
    double since = 0;  // in this phase
    std::uint64_t cells = 0, failed = 0;
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
  std::array<std::uint64_t, 6> phases_{};  // workers in each phase
  std::set<Peer> idle_;
  std::set<std::pair<double, Peer>>
      deadlines_;  // looked at again once due: a sign of life does not move its entry
  NodeData node_data_;

  double now_, started_, losses_checked_, last_suspended_;
  double cost_done_ = 0, cost_left_ = 0;
  std::uint64_t packs_left_ = 0, last_lease_ = 0, late_ = 0, recorded_now_ = 0;
  bool stopping_ = false, draining_ = false;
  double grace_ends_ = 0;
};

}  // namespace seldon::orchestrator

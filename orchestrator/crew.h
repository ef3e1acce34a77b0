#pragma once
// The workers as the orchestrator knows them: what each does, and until when it must have spoken.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/transport.h"
#include "orchestrator/status.h"

namespace seldon::orchestrator {

/// A pack, or one cell of it, in the hands of a worker, or of a group of workers, whose first one leads:
/// what happens to the cells is kept there.
struct Lease {
  std::uint64_t number = 0;   ///< never used again; that of the group too
  std::vector<Peer> members;  ///< who got it
  bool over = true;           ///< its cells have been told what becomes of them
  bool through = false;       ///< this member has said that it works on it no more
  std::size_t pack = 0;
  std::vector<std::uint32_t> wanted;  ///< slots, ascending; of members that do not lead: none
  bool singly = false;                ///< one cell that must not run in company
  bool exclusive = false;             ///< and nothing else in the whole job runs
  std::uint32_t attempt = 0, done = 0, failed = 0;
  double started = 0;
  double stood_still = 0;    ///< seconds of that before it began, or before its time limit was moved last
  std::string last_message;  ///< of a failure
};

/// Which experiments a worker may be given: workers of one kind may be given the same.
using Kind = std::uint32_t;

struct Worker {
  WorkerPhase phase = WorkerPhase::starting;
  std::string host, node, accelerator;
  std::uint32_t local_rank = 0;           ///< which of the workers of its node it is
  Kind kind = 0;                          ///< change it by Crew::set_kind
  std::set<std::uint32_t> knows;          ///< experiments that it can run packs of at once
  std::set<std::uint32_t> unable;         ///< experiments that it has failed to set up
  std::optional<std::uint32_t> learning;  ///< the experiment that it is being supplied for
  std::uint64_t booking = 0;              ///< of the pack that is kept for it until it is ready; 0: none
  bool relearns = false;                  ///< it is starting, for one more experiment
  double since = 0;                       ///< in this phase
  double heard = 0;                       ///< last sign of life
  bool used = false;                      ///< has had a lease in this run
  std::uint64_t cells = 0, failed = 0;    ///< recorded, and ended with an exception
  Lease lease;                            ///< the last one
};

/// Every change and every question costs O(log n).
class Crew {
 public:
  /// Idle workers, by what they can be given.
  enum class Pool { unused, used, held, booked };

  /// All but `self` are starting; `self` is gone.
  Crew(int size, Peer self, double now);

  Worker& operator[](Peer peer) { return workers_[static_cast<std::size_t>(peer)]; }
  const Worker& operator[](Peer peer) const { return workers_[static_cast<std::size_t>(peer)]; }
  int size() const { return static_cast<int>(workers_.size()); }
  std::uint64_t in(WorkerPhase phase) const { return phases_[static_cast<std::size_t>(phase)]; }
  /// Those that can work, or may soon.
  std::uint64_t usable() const {
    return in(WorkerPhase::starting) + in(WorkerPhase::idle) + in(WorkerPhase::busy);
  }
  std::vector<Peer> all_in(WorkerPhase phase) const;
  /// On which workers have been idle.
  std::size_t nodes() const { return nodes_.size(); }

  void enter(Peer peer, WorkerPhase phase, double now);
  /// At first every worker is of kind 0.
  void set_kind(Peer peer, Kind kind);
  Kind kinds() const { return static_cast<Kind>(pools_.size()); }
  /// Workers of a kind that can work, or may soon.
  std::uint64_t usable(Kind kind) const { return kind < usable_.size() ? usable_[kind] : 0; }
  /// An idle worker is held back from new packs, or not any more.
  void hold(Peer peer, bool held);
  /// An idle worker waits for others of its group, or not any more.
  void book(Peer peer, bool booked);
  bool has_idle(Pool pool, Kind kind) const { return !pool_of(pool, kind).empty(); }
  /// Some idle worker of the pool and kind for which `may` holds. Asks of a few nodes and of a few workers
  /// only.
  std::optional<Peer> pick(Pool pool, Kind kind, const std::function<bool(Peer)>& may) const;

  /// Idle workers of a kind that are neither held nor booked.
  std::uint64_t free(Kind kind) const {
    return pool_of(Pool::unused, kind).size() + pool_of(Pool::used, kind).size();
  }
  /// So many of them, of one node where some node has as many, of the node with the fewest of those; else of
  /// the nodes that have most, unless it has to be `one_node`. None where that does not work out. `may` is
  /// asked of some nodes only; `pools` are those that they may come from.
  std::vector<Peer> pick_group(std::uint32_t count, const std::vector<Kind>& kinds,
                               const std::vector<Pool>& pools, bool one_node,
                               const std::function<bool(Peer)>& may) const;

  /// When the worker's lease is expected to end, for what follows; ends with the phase `busy`.
  void expect_end(Peer peer, double time) { ends_.set(peer, time); }
  /// Busy workers with such an expectation, in its order, until `visit` returns false.
  void visit_ends(const std::function<bool(Peer, double)>& visit) const { ends_.visit(visit); }

  /// Watches the worker: it is due at that time. Replaces what was set before.
  void watch(Peer peer, double until);
  /// Watches its lease in the same way; ends with the phase `busy`.
  void limit(Peer peer, double until);
  /// The next whose time has come; it is watched no longer.
  std::optional<Peer> pop_due(double now) { return deadlines_.pop(now); }
  std::optional<Peer> pop_over_limit(double now) { return limits_.pop(now); }

 private:
  /// A moment for some of the peers.
  class Alarms {
   public:
    explicit Alarms(std::size_t peers) : times_(peers) {}
    void set(Peer peer, double time);
    void clear(Peer peer);
    std::optional<Peer> pop(double now);
    void visit(const std::function<bool(Peer, double)>& visit) const;

   private:
    std::vector<std::optional<double>> times_;  // by peer
    std::set<std::pair<double, Peer>> order_;
  };
  using Spot = std::pair<std::size_t, Peer>;  // number of the node, peer
  struct Pools {
    std::array<std::set<Spot>, 4> spots;
    std::set<std::pair<std::size_t, std::size_t>> nodes;  // free workers, node; nodes that have any
  };

  void take_out(Peer peer);
  void put_in(Peer peer);
  void count_free(Kind kind, std::size_t node, int more);
  std::vector<Peer> of_node(std::size_t node, std::uint32_t count, const std::vector<Kind>& kinds,
                            const std::vector<Pool>& pools, const std::function<bool(Peer)>& may) const;

  static bool is_usable(WorkerPhase phase) {
    return phase == WorkerPhase::starting || phase == WorkerPhase::idle || phase == WorkerPhase::busy;
  }
  Spot spot(Peer peer);
  Pool pool_of(Peer peer) const;
  const std::set<Spot>& pool_of(Pool pool, Kind kind) const {
    return pools_[kind].spots[static_cast<std::size_t>(pool)];
  }

  std::vector<Worker> workers_;  // by peer
  std::vector<bool> held_, booked_;
  std::map<std::pair<Kind, std::size_t>, std::size_t> free_;  // workers by node, where there are any
  std::array<std::uint64_t, 6> phases_{};                     // workers in each phase
  std::map<std::string, std::size_t> nodes_;
  std::vector<Pools> pools_{1};           // by kind
  std::vector<std::uint64_t> usable_{0};  // by kind
  Alarms deadlines_, limits_, ends_;
};

}  // namespace seldon::orchestrator

#pragma once
// Which workers and nodes make everything fail that others can do.

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/transport.h"

namespace seldon::orchestrator {

/// A lease all of whose cells ended with an exception speaks against the worker or against the cells; which
/// one, shows when they are tried elsewhere: on another node, or where there is only one, by another worker.
/// A worker with a row of such leases is on probation: it gets no new pack until one of them is decided. It
/// is guilty when two have succeeded elsewhere and none has failed there; with two workers of a node in that
/// state, and no success on the node since, the whole node is. So the last worker, and workers that met cells
/// which fail everywhere, are never guilty.
class Health {
 public:
  /// A row is at least so long, and longer where leases often fail elsewhere too: as long as makes it rarer
  /// than `chance` by accident.
  static constexpr std::uint32_t shortest_row = 3;
  static constexpr double chance = 1e-6;
  /// Leases of the row that have succeeded elsewhere.
  static constexpr std::size_t refuted_until_guilty = 2;

  struct Verdict {
    std::vector<Peer> guilty;  ///< of one node
    bool node = false;         ///< all its workers
    std::string last_message;
  };
  struct Failure {
    std::size_t pack;
    std::vector<std::uint32_t> slots;
    std::uint64_t lease;
  };

  /// The worker can be given work from now on, or no more. What speaks against one that `returns` soon is
  /// kept.
  void join(Peer peer, const std::string& node);
  void leave(Peer peer, bool returns = false);
  bool ready(Peer peer) const;
  /// So many more may join soon: a place to try on may yet come.
  void expect(std::uint64_t workers) { expected_ = workers; }

  /// A lease of these workers, which may be a group, ended with an exception for every cell, or had a success
  /// at least. Whom that proves guilty is to be taken out. What a group does speaks for or against each of
  /// its members; it tells on another worker if all of its members are elsewhere.
  Verdict failed(const std::vector<Peer>& group, const Failure& failure, const std::string& message);
  Verdict succeeded(const std::vector<Peer>& group, std::size_t pack);
  /// The pack will not be tried again as it was: nobody learns from it any more.
  void forget(std::size_t pack);

  bool on_probation(Peer peer) const;
  /// Whether `peer` may run the pack: not where it has failed, as long as there is a place where it has not.
  bool may_run(Peer peer, std::size_t pack) const;
  /// The leases of the worker that failed since its last success and were not explained otherwise.
  const std::vector<Failure>& failures(Peer peer) const { return workers_.at(peer).row; }
  /// Those whose probation may have ended since the last call.
  std::vector<Peer> take_acquitted() { return std::exchange(acquitted_, {}); }

 private:
  struct Count {
    std::uint64_t failed = 0, succeeded = 0;  // leases
  };
  struct Node {
    std::set<Peer> ready;
    std::set<Peer> guilty;  // since the node's last success
    Count leases;
  };
  struct Worker {
    std::string node;
    bool ready = false;
    std::vector<Failure> row;
    std::set<std::size_t> undecided, refuted;  // packs of the row
    std::string last_message;
    Count leases;
  };

  /// Whether what `peer` does can tell whether `accused` is to blame.
  bool elsewhere(Peer accused, const std::vector<Peer>& group) const;
  std::uint32_t row_needed(const Worker& worker) const;
  void clear(Peer peer);
  void judge(Peer accused, Verdict& verdict);

  std::map<Peer, Worker> workers_;
  std::map<std::string, Node> nodes_;
  std::map<std::size_t, std::vector<Peer>> failed_on_;  // by pack
  std::vector<Peer> acquitted_;
  Count leases_;
  std::uint64_t expected_ = 0, ready_workers_ = 0, ready_nodes_ = 0;
};

}  // namespace seldon::orchestrator

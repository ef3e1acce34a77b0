#pragma once
// The collective over MPI, on host memory: messages from point to point, since a collective call of MPI is
// left half done by a rank that dies and cannot be told to stop.

#include <memory>

#include "core/collective.h"

namespace seldon::collective {

/// The messages of groups of ranks of MPI_COMM_WORLD.
///
/// Sums: each element is summed in its own type and in the order of the members, and where one member does
/// it, it sends the sum to the others. So all hold the same bits, which depend on nothing but the data.
///
/// Calls copy: what a call has on its way when it is stopped stays in memory kept here until MPI has done
/// with it, whatever becomes of the caller's. The messages of a stopped group are told from those of later
/// ones by the group's number. Errors of MPI are IncompleteErrors; different counts on two members, or a
/// group that lacks this rank, are InternalErrors.
///
/// To be used by the thread that has initialised MPI, which must stay up until all else is gone.
class MpiGroups {
 public:
  /// All ranks of MPI_COMM_WORLD make one, right after MPI is up: messages of groups travel in a communicator
  /// of their own, as the transport looks at any message of MPI_COMM_WORLD. Making it is the only collective
  /// call. If a rank dies just then, the others cannot join groups: check_available().
  MpiGroups();
  ~MpiGroups();
  MpiGroups(const MpiGroups&) = delete;
  MpiGroups& operator=(const MpiGroups&) = delete;

  /// See CollectiveFactory.
  void check_available() const;
  /// Returns at once.
  std::unique_ptr<Collective> join(const RankGroup& group, Progress& progress);

  /// Messages of stopped groups that MPI still has. They go when both sides take part in a later group.
  std::size_t unfinished() const;

  struct Wire;

 private:
  std::shared_ptr<Wire> wire_;
};

}  // namespace seldon::collective

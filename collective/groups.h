#pragma once
// Groups for all who compute: over MPI where buffers lie in host memory, over NCCL where they lie on GPUs.

#include <string>

#include "collective/mpi.h"
#include "core/collective.h"

namespace seldon::collective {

/// The version of the NCCL that is loaded, for example "2.28.9"; empty if this program was built without it.
std::string nccl_version();

/// Each rank makes one right after MPI is up, and keeps it until MPI goes down: see MpiGroups, which carries
/// the messages with which members find each other.
class Groups final : public CollectiveFactory {
 public:
  Groups();
  void check_available() const override { hosts_.check_available(); }
  /// Throws InputError too if the members have GPUs and this program was built without NCCL.
  std::unique_ptr<Collective> join(const RankGroup& group, const Memory& memory, Progress& progress) override;

 private:
  MpiGroups hosts_;
};

}  // namespace seldon::collective

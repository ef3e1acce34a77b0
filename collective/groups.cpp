#include "collective/groups.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/error.h"
#ifdef SELDON_NCCL
#include "collective/nccl.h"
#endif

namespace seldon::collective {
namespace {

/// Members on GPUs and members on CPUs would wait for each other for ever.
void check_same_kind(Collective& hosts, const RankGroup& group, bool has_gpu) {
  const std::uint8_t own = has_gpu ? 1 : 0;
  std::vector<std::uint8_t> all(group.ranks.size());
  hosts.all_gather(&own, all.data(), 1, Element::uint8);
  const auto other = std::ranges::find_if(all, [&](std::uint8_t kind) { return kind != own; });
  if (other == all.end()) return;
  const Peer rank = group.ranks[static_cast<std::size_t>(other - all.begin())];
  const Peer self = group.ranks[static_cast<std::size_t>(hosts.rank())];
  throw InputError("rank " + std::to_string(has_gpu ? self : rank) + " computes on a GPU and rank " +
                   std::to_string(has_gpu ? rank : self) +
                   " on a CPU, but together they have to run one trial; give every rank a GPU, or set "
                   "device = \"cpu\" or gpus_per_trial = 1");
}

}  // namespace

std::string nccl_version() {
#ifdef SELDON_NCCL
  return loaded_nccl();
#else
  return {};
#endif
}

Groups::Groups() {
#ifdef SELDON_NCCL
  prefer_repeatable_sums();
#endif
}

std::unique_ptr<Collective> Groups::join(const RankGroup& group, const Memory& memory, Progress& progress) {
  auto hosts = hosts_.join(group, progress);
  check_same_kind(*hosts, group, memory.gpu >= 0);
  if (memory.gpu < 0) return hosts;
#ifdef SELDON_NCCL
  return join_nccl(*hosts, memory, progress);
#else
  throw InputError(
      "a trial over several GPUs needs NCCL, which this program was built without; build it with a LibTorch "
      "that has CUDA and NCCL (preset pip-torch), or set gpus_per_trial = 1");
#endif
}

}  // namespace seldon::collective

#pragma once
// The seam between an engine that runs one trial on several ranks and what moves its tensors between them
// (collective/: MPI on host memory, NCCL on GPUs).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/progress.h"
#include "core/transport.h"

namespace seldon {

enum class Element : std::uint8_t { float32, float64, uint8 };

constexpr std::size_t size_of(Element element) {
  switch (element) {
    case Element::float32:
      return 4;
    case Element::float64:
      return 8;
    case Element::uint8:
      return 1;
  }
  return 0;
}

/// The ranks that run one pack together. Every member makes the same calls in the same order with the same
/// counts. Each call throws Stopped once this rank is told to stop, which it is when another member has died:
/// nobody waits for the dead. Buffers lie in host memory, or, where `on_device()`, in that of this rank's
/// GPU; there a call is enqueued on the current stream and returns at once.
class Collective {
 public:
  virtual ~Collective() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual bool on_device() const = 0;

  /// data[i] becomes the sum over the ranks. The same bits on every rank, and in every run of as many ranks.
  virtual void all_reduce(void* data, std::size_t count, Element element) = 0;
  /// out[r * count + i] becomes in[i] of rank r.
  virtual void all_gather(const void* in, void* out, std::size_t count, Element element) = 0;
  /// data becomes that of rank `root`.
  virtual void broadcast(void* data, std::size_t count, Element element, int root) = 0;
  /// Looks for the death of a member and for an order to stop; never blocks. What waits for the device calls
  /// it while it waits.
  virtual void check() = 0;
};

/// The ranks that run one pack together, as rank 0 tells each of them.
struct RankGroup {
  /// Greater than that of every earlier group of this run: what a stopped group has left on its way is known
  /// by it.
  std::uint64_t number = 0;
  std::vector<Peer> ranks;  ///< in the order of their places in the group
  bool operator==(const RankGroup&) const = default;
};

/// Where the buffers of a member's calls lie.
struct Memory {
  int gpu = -1;  ///< as CUDA counts those that this process sees; -1: the host's
  /// The stream (cudaStream_t) that this GPU's work is enqueued on at the time of the call.
  std::function<void*()> stream = {};
};

/// Brings a rank together with the others of a group. A rank is in one group at a time: joining one ends the
/// one before. Must outlive what it made.
class CollectiveFactory {
 public:
  virtual ~CollectiveFactory() = default;
  /// Throws IncompleteError where this rank cannot join any group in this run. To be asked before the first
  /// pack: no cell is to blame.
  virtual void check_available() const {}
  /// Waits for the other members, who must call this too, and throws Stopped if told to stop meanwhile.
  /// Throws InputError where some members have a GPU and others none, and what the implementation finds
  /// wrong. `progress` must outlive the Collective, which asks it while it waits. Whoever leaves before the
  /// work of the group is done destroys his Collective; rank 0 must then stop the others.
  virtual std::unique_ptr<Collective> join(const RankGroup& group, const Memory& memory,
                                           Progress& progress) = 0;
};

}  // namespace seldon

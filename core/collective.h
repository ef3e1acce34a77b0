#pragma once
// The seam between an engine that runs one trial on several ranks and what moves its tensors between them
// (collective/: MPI on host memory, NCCL on GPUs).

#include <cstddef>
#include <cstdint>
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
struct Group {
  /// Greater than that of every earlier group of this run: what an aborted group has left on its way is known
  /// by it.
  std::uint64_t number = 0;
  std::vector<Peer> ranks;  ///< in the order of their places in the group
  /// What the first member's `make_id` gave; empty: the members agree on one when they join.
  Bytes id;
};

/// Brings a rank together with the others of a group. Lives as long as what it made.
class CollectiveFactory {
 public:
  virtual ~CollectiveFactory() = default;
  /// Bytes that tell this group from all others, where the implementation needs such; each call makes others.
  virtual Bytes make_id() = 0;
  /// Waits for the other members, who must call this too, and throws Stopped if told to stop meanwhile.
  /// `progress` must outlive the Collective, which asks it while it waits. A member that goes on without the
  /// others destroys its Collective, and then rank 0 must stop theirs.
  virtual std::unique_ptr<Collective> join(const Group& group, Progress& progress) = 0;
};

}  // namespace seldon

#pragma once
// The seam between an engine that runs one trial on several ranks and what moves its tensors between them
// (collective/: MPI on host memory, NCCL on GPUs).

#include <cstddef>
#include <cstdint>

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

}  // namespace seldon

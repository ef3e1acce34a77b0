#pragma once
// One trial's rows over several ranks: who takes which rows of a batch, and what the ranks add up or hand
// round. The seam core/collective.h in terms of tensors.

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace seldon {
class Collective;
}

namespace seldon::engine::network {

class Ranks {
 public:
  /// Null: this rank alone.
  explicit Ranks(Collective* collective);

  bool alone() const { return size_ == 1; }
  std::int64_t size() const { return size_; }

  struct Slice {
    std::int64_t first = 0, count = 0;
  };
  /// This rank's share of `total` rows: neighbours, as evenly as possible, the first ranks one more. None
  /// where there are fewer rows than ranks.
  Slice slice(std::int64_t total) const;

  /// `values` (contiguous, float32 or float64) become the sums over all ranks.
  void sum(const at::Tensor& values) const;
  /// [total, ...] from each rank's slice of it; the same bits on every rank. `local` [slice(total).count,
  /// ...] in float64.
  at::Tensor gather(const at::Tensor& local, std::int64_t total) const;

  /// Before the host asks a device for numbers that the calls above had a part in: returns once the device
  /// has done all that this thread asked of it. A member's call never ends on a GPU when another has died,
  /// so that a wait of the device's own could last for ever; this one throws Stopped.
  void wait_for(const at::Device& device) const;

 private:
  Collective* collective_;
  std::int64_t size_, rank_;
};

}  // namespace seldon::engine::network

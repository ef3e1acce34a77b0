#include "engine/network/ranks.h"

#include <algorithm>
#include <vector>

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "core/backoff.h"
#include "core/collective.h"
#include "core/error.h"
#include "engine/tensor/graph.h"

namespace seldon::engine::network {
namespace {

Ranks::Slice slice_of(std::int64_t rank, std::int64_t ranks, std::int64_t total) {
  const std::int64_t least = total / ranks, longer = total % ranks;
  return {rank * least + std::min(rank, longer), least + (rank < longer ? 1 : 0)};
}

Element element_of(const at::Tensor& tensor) {
  if (tensor.scalar_type() == at::kFloat) return Element::float32;
  if (tensor.scalar_type() == at::kDouble) return Element::float64;
  throw InternalError("ranks exchange float32 and float64 only");
}

}  // namespace

Ranks::Ranks(Collective* collective)
    : collective_(collective),
      size_(collective ? collective->size() : 1),
      rank_(collective ? collective->rank() : 0) {}

Ranks::Slice Ranks::slice(std::int64_t total) const {
  return slice_of(rank_, size_, total);
}

void Ranks::sum(const at::Tensor& values) const {
  if (alone()) return;
  // A collective of the host takes what lies on a device by way of a copy.
  const at::Tensor place = collective_->on_device() ? values : values.cpu();
  collective_->all_reduce(place.data_ptr(), static_cast<std::size_t>(place.numel()), element_of(place));
  if (!place.is_same(values)) values.copy_(place);
}

at::Tensor Ranks::gather(const at::Tensor& local, std::int64_t total) const {
  if (alone()) return local;
  const std::int64_t longest = (total + size_ - 1) / size_;
  std::vector<std::int64_t> shape = local.sizes().vec();
  shape[0] = longest;
  const auto options = collective_->on_device() ? local.options() : local.options().device(at::kCPU);
  const at::Tensor mine = at::zeros(shape, options);
  mine.narrow(0, 0, local.size(0)).copy_(local);
  shape[0] = longest * size_;
  const at::Tensor all = at::empty(shape, options);
  collective_->all_gather(mine.data_ptr(), all.data_ptr(), static_cast<std::size_t>(mine.numel()),
                          element_of(mine));
  if (longest * size_ == total) return all.to(local.device());
  std::vector<at::Tensor> parts;
  for (std::int64_t r = 0; r < size_; ++r)
    parts.push_back(all.narrow(0, r * longest, slice_of(r, size_, total).count));
  return at::cat(parts).to(local.device());
}

void Ranks::wait_for(const at::Device& device) const {
  if (alone() || !collective_->on_device()) return;
  tensor::Mark done(device);
  done.set();
  for (Backoff pause;; pause.pause()) {
    collective_->check();
    if (done.reached()) return;
  }
}

}  // namespace seldon::engine::network

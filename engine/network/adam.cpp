#include "engine/network/adam.h"

#include <algorithm>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/where.h>

namespace seldon::engine::network {

void adam_step(const AdamStep& adam, std::span<const std::uint8_t> active, const at::Tensor& gradient,
               at::Tensor& parameters, at::Tensor& velocity, at::Tensor& square) {
  const at::NoGradGuard no_grad;
  at::Tensor v = velocity.mul(adam.beta_velocity).add_(gradient, 1 - adam.beta_velocity);
  at::Tensor s = square.mul(adam.beta_square).addcmul_(gradient, gradient, 1 - adam.beta_square);
  const at::Tensor corrected_v = v.mul(adam.correction_velocity);
  const at::Tensor corrected_s = s.mul(adam.correction_square);
  const at::Tensor root = corrected_s.sqrt().add_(adam.epsilon);
  const at::Tensor moved = parameters.addcdiv(corrected_v, root, -adam.step);
  if (adam.toolkit) {
    v = corrected_v;
    s = corrected_s;
  }

  std::vector<std::uint8_t> flags(active.begin(), active.end());
  const at::Tensor mask =
      at::from_blob(flags.data(), {static_cast<std::int64_t>(flags.size()), 1}, at::kByte).ne(0);
  const auto keep_inactive = [&](at::Tensor& old, const at::Tensor& fresh) {
    old.copy_(at::where(mask, fresh, old));
  };
  keep_inactive(parameters, moved);
  keep_inactive(velocity, v);
  keep_inactive(square, s);
}

}  // namespace seldon::engine::network

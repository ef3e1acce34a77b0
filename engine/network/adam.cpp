#include "engine/network/adam.h"

#include <algorithm>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/where.h>

namespace seldon::engine::network {
namespace {

/// `Number` is double, or a tensor of one.
template <class Number>
void advance(const AdamStep& adam, const Number& correction_velocity, const Number& correction_square,
             const at::Tensor& mask, const at::Tensor& gradient, at::Tensor& parameters, at::Tensor& velocity,
             at::Tensor& square) {
  const at::NoGradGuard no_grad;
  at::Tensor v = velocity.mul(adam.beta_velocity).add_(gradient, 1 - adam.beta_velocity);
  at::Tensor s = square.mul(adam.beta_square).addcmul_(gradient, gradient, 1 - adam.beta_square);
  const at::Tensor corrected_v = v.mul(correction_velocity);
  const at::Tensor corrected_s = s.mul(correction_square);
  const at::Tensor root = corrected_s.sqrt().add_(adam.epsilon);
  const at::Tensor moved = parameters.addcdiv(corrected_v, root, -adam.step);
  if (adam.toolkit) {
    v = corrected_v;
    s = corrected_s;
  }
  at::where_out(parameters, mask, moved, parameters);
  at::where_out(velocity, mask, v, velocity);
  at::where_out(square, mask, s, square);
}

}  // namespace

void adam_step(const AdamStep& adam, std::span<const std::uint8_t> active, const at::Tensor& gradient,
               at::Tensor& parameters, at::Tensor& velocity, at::Tensor& square) {
  std::vector<std::uint8_t> flags(active.begin(), active.end());
  const at::Tensor mask = at::from_blob(flags.data(), {static_cast<std::int64_t>(flags.size()), 1}, at::kByte)
                              .to(parameters.device())
                              .ne(0);
  advance(adam, adam.correction_velocity, adam.correction_square, mask, gradient, parameters, velocity,
          square);
}

void adam_step(const AdamStep& adam, const at::Tensor& corrections, const at::Tensor& active,
               const at::Tensor& gradient, at::Tensor& parameters, at::Tensor& velocity, at::Tensor& square) {
  advance(adam, corrections.select(0, 0), corrections.select(0, 1), active.unsqueeze(1), gradient, parameters,
          velocity, square);
}

}  // namespace seldon::engine::network

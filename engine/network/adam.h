#pragma once

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

#include "engine/learner.h"

namespace seldon::engine::network {

/// One step (see AdamStep) on parameters, velocity and square, [T, P] each, in the rows t whose `active[t]`
/// is not 0. The other rows keep their bits, whatever the gradient holds: rows are selected, never multiplied
/// by zero.
void adam_step(const AdamStep& adam, std::span<const std::uint8_t> active, const at::Tensor& gradient,
               at::Tensor& parameters, at::Tensor& velocity, at::Tensor& square);

/// The same on any device without a word from the host: `corrections` [2] (double) hold correction_velocity
/// and correction_square, `active` is [T] (bool). The same bits as above on the same device.
void adam_step(const AdamStep& adam, const at::Tensor& corrections, const at::Tensor& active,
               const at::Tensor& gradient, at::Tensor& parameters, at::Tensor& velocity, at::Tensor& square);

}  // namespace seldon::engine::network

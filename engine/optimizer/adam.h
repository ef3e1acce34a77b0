#pragma once
// One step of Adam on contiguous parameters, for learners that keep plain arrays; networks do the same on
// tensors.

#include <cmath>
#include <cstddef>
#include <span>

#include "engine/learner.h"

namespace seldon::engine {

/// The scalars of step t (0, 1, ...). Textbook: Kingma and Ba, "Adam: a method for stochastic optimization",
/// ICLR 2015, algorithm 1. Toolkit: the corrected moments are stored back, so the correction compounds
/// (docs/semantics.md).
inline AdamStep adam_step(const AdamStep& settings, std::size_t t) {
  AdamStep step = settings;
  const auto power = static_cast<double>(t + 1);
  step.correction_velocity = 1.0 / (1.0 - std::pow(settings.beta_velocity, power));
  step.correction_square = 1.0 / (1.0 - std::pow(settings.beta_square, power));
  return step;
}

template <class Real>
void adam_update(const AdamStep& adam, std::span<const Real> gradient, std::span<Real> velocity,
                 std::span<Real> square, std::span<Real> parameters) {
  const auto bv = static_cast<Real>(adam.beta_velocity), bs = static_cast<Real>(adam.beta_square);
  const auto cv = static_cast<Real>(adam.correction_velocity), cs = static_cast<Real>(adam.correction_square);
  const auto step = static_cast<Real>(adam.step), epsilon = static_cast<Real>(adam.epsilon);
  for (std::size_t j = 0; j < parameters.size(); ++j) {
    const Real g = gradient[j];
    const Real v = bv * velocity[j] + (1 - bv) * g;
    const Real s = bs * square[j] + (1 - bs) * g * g;
    velocity[j] = adam.toolkit ? v * cv : v;
    square[j] = adam.toolkit ? s * cs : s;
    parameters[j] -= step * (v * cv) / (std::sqrt(s * cs) + epsilon);
  }
}

}  // namespace seldon::engine

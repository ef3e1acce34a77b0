#pragma once
// Numbers that tensor programs need on their device, put there once: an iteration that is recorded in a CUDA
// graph must not copy anything from the host.

#include <cstddef>
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

namespace seldon::engine::tensor {

inline std::int64_t extent(std::size_t n) {
  return static_cast<std::int64_t>(n);
}

/// A copy of `values` in double; an empty shape makes a number.
inline at::Tensor constant(std::vector<double> values, at::IntArrayRef shape, const at::Device& device) {
  return at::from_blob(values.data(), shape, at::kDouble).to(device, at::kDouble, false, /*copy=*/true);
}
inline at::Tensor constant(double value, const at::Device& device) {
  return constant(std::vector<double>{value}, {}, device);
}

/// A copy of indices in int64.
inline at::Tensor indices(std::vector<std::int64_t> values, at::IntArrayRef shape, const at::Device& device) {
  return at::from_blob(values.data(), shape, at::kLong).to(device, at::kLong, false, /*copy=*/true);
}
inline at::Tensor indices(std::vector<std::int64_t> values, const at::Device& device) {
  const std::int64_t n = extent(values.size());
  return indices(std::move(values), {n}, device);
}

/// A copy of flags.
inline at::Tensor flags(const std::vector<bool>& values, at::IntArrayRef shape, const at::Device& device) {
  return constant(std::vector<double>(values.begin(), values.end()), shape, device).ne(0);
}

}  // namespace seldon::engine::tensor

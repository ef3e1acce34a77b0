#pragma once
// A data set in the memory of a device.

#include <memory>

#include <ATen/core/Tensor.h>

#include "engine/dataset/dataset.h"

namespace seldon::engine::tensor {

struct DeviceTable {
  at::Tensor pixels;     ///< [N, C * H * W] in bytes; undefined where the data have no pictures
  at::Tensor features;   ///< [N, F] in float32; undefined where they have
  at::Tensor labels;     ///< [N] in double
  at::Tensor groups;     ///< [G, N] bool, in the order of Dataset::groups
  at::Tensor subgroups;  ///< [S, N] bool, in the order of Dataset::subgroups
};

/// One copy per data set and device, for as long as anyone holds it.
std::shared_ptr<const DeviceTable> table_on(const Dataset& data, const at::Device& device);

}  // namespace seldon::engine::tensor

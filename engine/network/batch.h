#pragma once
// From rows of the table to a network's input.

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

#include "engine/dataset/dataset.h"
#include "engine/network/network.h"
#include "engine/tensor/table.h"

namespace seldon::engine::network {

/// [B, T * C, H, W] in float32, channels-last: row b of trial t is row `rows[t][b]` of the table, pixels
/// divided by 255, features as channels of a 1 x 1 picture. All trials have the same number of rows.
at::Tensor gather(const Dataset& data, std::span<const std::span<const std::uint32_t>> rows);

/// The same values, bit by bit, from a table on a device, for `rows` [T, B] (int64) there, in the wanted
/// order in memory.
at::Tensor gather(const tensor::DeviceTable& table, const Shape& input, const at::Tensor& rows,
                  at::MemoryFormat order);

}  // namespace seldon::engine::network

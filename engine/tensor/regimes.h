#pragma once
// The programs of the regimes, one file each.

#include <memory>
#include <span>

#include "engine/tensor/regime.h"

namespace seldon::engine::tensor {

std::unique_ptr<RegimeProgram> make_binary_program(const DeviceTable& table,
                                                   std::span<const RegimeNode> nodes);
std::unique_ptr<RegimeProgram> make_multiclass_program(const Dataset& data, const DeviceTable& table,
                                                       std::span<const RegimeNode> nodes);
std::unique_ptr<RegimeProgram> make_regression_program(const Objective& objective, const DeviceTable& table,
                                                       std::span<const RegimeNode> nodes);

}  // namespace seldon::engine::tensor

#pragma once
// Whole stores, read in large blocks. Internal to the store room.

#include <cstdint>
#include <functional>
#include <vector>

#include "core/record.h"
#include "store/run_row.h"
#include "store/schema.h"

namespace seldon::store {

/// Reads the records of one model (compound and arrays together), row by row in ascending order. `visit` must
/// not keep the record.
void for_each_record(const File& file, const Schema& schema, std::uint32_t model,
                     const std::function<void(std::uint64_t row, const CellRecord& record)>& visit);

/// The rows of the dataset `runs` of one model.
void for_each_run(const File& file, const Schema& schema, std::uint32_t model,
                  const std::function<void(std::uint64_t row, const RunRow& run)>& visit);

}  // namespace seldon::store

#include "store/scan.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace seldon::store {
namespace {

constexpr std::uint64_t most_block_bytes = 8 << 20;

/// Rows of one dataset, a block at a time.
class Blocks {
 public:
  Blocks(const File& file, const Place& place, std::uint64_t rows)
      : file_(file),
        place_(place),
        rows_(rows),
        rows_per_block_(std::clamp<std::uint64_t>(most_block_bytes / place.row_bytes, 1, rows)) {}

  /// Rows are asked for in ascending order.
  std::span<const std::byte> row(std::uint64_t row) {
    if (row >= end_) {
      end_ = std::min(row + rows_per_block_, rows_);
      first_ = row;
      bytes_.resize((end_ - first_) * place_.row_bytes);
      file_.read(place_.offset + first_ * place_.row_bytes, bytes_);
    }
    return std::span<const std::byte>(bytes_).subspan((row - first_) * place_.row_bytes, place_.row_bytes);
  }

 private:
  const File& file_;
  Place place_;
  std::uint64_t rows_, rows_per_block_, first_ = 0, end_ = 0;
  std::vector<std::byte> bytes_;
};

}  // namespace

void for_each_record(const File& file, const Schema& schema, std::uint32_t model,
                     const std::function<void(std::uint64_t row, const CellRecord& record)>& visit) {
  const ModelPlaces& places = schema.places[model];
  const std::uint64_t rows = schema.cells_per_model();
  std::vector<Blocks> parts = {Blocks(file, places.cells, rows)};
  for (const Place& place : places.arrays) parts.emplace_back(file, place, rows);
  std::vector<std::byte> bytes(schema.layouts[model].bytes());
  for (std::uint64_t row = 0; row < rows; ++row) {
    auto to = bytes.begin();
    for (Blocks& part : parts) to = std::ranges::copy(part.row(row), to).out;
    CellRecord record(schema.layouts[model], std::move(bytes));
    visit(row, record);
    bytes = std::move(record).take_bytes();
  }
}

void for_each_run(const File& file, const Schema& schema, std::uint32_t model,
                  const std::function<void(std::uint64_t row, const RunRow& run)>& visit) {
  const std::uint64_t rows = schema.cells_per_model();
  Blocks blocks(file, schema.places[model].runs, rows);
  for (std::uint64_t row = 0; row < rows; ++row) {
    RunRow run;
    std::memcpy(&run, blocks.row(row).data(), sizeof run);
    visit(row, run);
  }
}

}  // namespace seldon::store

#include "store/creation.h"

#include <algorithm>
#include <filesystem>
#include <span>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "core/error.h"
#include "store/file.h"
#include "store/hdf5.h"
#include "store/run_row.h"

namespace seldon::store {
namespace {

/// Fills a dataset with copies of one row.
void fill(File& file, const Place& place, std::uint64_t rows, std::span<const std::byte> row) {
  constexpr std::size_t block_bytes = 1 << 20;
  const std::uint64_t rows_per_block = std::clamp<std::uint64_t>(block_bytes / row.size(), 1, rows);
  std::vector<std::byte> block;
  for (std::uint64_t i = 0; i < rows_per_block; ++i) block.insert(block.end(), row.begin(), row.end());
  for (std::uint64_t first = 0; first < rows; first += rows_per_block) {
    const auto count = std::min(rows_per_block, rows - first);
    file.write(place.offset + first * row.size(), std::span(block).first(count * row.size()));
  }
}

/// What stands in a cell that has no record: NaN, so that no mean is quietly taken over it, and state
/// PENDING.
void fill_all(File& file, const Schema& schema) {
  for (std::size_t model = 0; model < schema.places.size(); ++model) {
    const ModelPlaces& places = schema.places[model];
    const std::uint64_t rows = schema.cells_per_model();
    const CellRecord empty(schema.layouts[model]);
    std::span<const std::byte> rest = empty.bytes();
    const auto fill_next = [&](const Place& place) {
      fill(file, place, rows, rest.first(place.row_bytes));
      rest = rest.subspan(place.row_bytes);
    };
    fill_next(places.cells);
    for (const Place& place : places.arrays) fill_next(place);
    fill(file, places.state, rows, bytes_of(CellState::pending));
    fill(file, places.runs, rows, bytes_of(RunRow{}));
  }
}

}  // namespace

Temporary::Temporary(const std::string& path)
    : path_(path + ".tmp-" + host_name() + "-" + std::to_string(::getpid())) {
  ::unlink(path_.c_str());  // what a killed process of the same number has left
}

Temporary::~Temporary() {
  ::unlink(path_.c_str());
}

void remove_leftovers(const std::string& path) {
  const std::filesystem::path whole(path);
  const std::string prefix = whole.filename().string() + ".tmp-";
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(whole.parent_path(), error))
    if (entry.path().filename().string().starts_with(prefix)) ::unlink(entry.path().c_str());
}

Schema lay_out(File& file, const Header& header) {
  try {
    write_schema(file.path(), header);
  } catch (const Hdf5Error& error) {
    throw IncompleteError("making the store '" + file.path() + "' failed: " + error.what() +
                          "; look whether the disk is full, and run the same command again");
  }
  file.allocate();
  Schema schema = read_schema(file.path());
  fill_all(file, schema);
  return schema;
}

}  // namespace seldon::store

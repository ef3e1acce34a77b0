#include <cstring>

#include "core/error.h"
#include "store/file.h"
#include "store/run_row.h"
#include "store/schema.h"
#include "store/store.h"

namespace seldon::store {

struct Reader::Impl {
  Schema schema;
  File file;

  /// `count` rows of a dataset from row `first` on.
  std::vector<std::byte> rows(const Place& place, std::uint64_t first, std::uint64_t count) const {
    if (first > schema.cells_per_model() || count > schema.cells_per_model() - first)
      throw InternalError("the store's models have " + std::to_string(schema.cells_per_model()) +
                          " cells each; asked for " + std::to_string(count) + " from " +
                          std::to_string(first));
    std::vector<std::byte> bytes(count * place.row_bytes);
    file.read(place.offset + first * place.row_bytes, bytes);
    return bytes;
  }
};

Reader::Reader(const std::string& path)
    : impl_(std::make_unique<Impl>(Impl{read_schema(path), File::open(path, File::Mode::read)})) {}
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;

const Header& Reader::header() const {
  return impl_->schema.header;
}

const RecordLayout& Reader::layout(std::uint32_t model) const {
  return impl_->schema.layouts.at(model);
}

std::vector<CellState> Reader::states(std::uint32_t model) const {
  return read_states(impl_->file, impl_->schema, model);
}

std::vector<RunInfo> Reader::runs(std::uint32_t model) const {
  const std::uint64_t count = impl_->schema.cells_per_model();
  const auto bytes = impl_->rows(impl_->schema.places.at(model).runs, 0, count);
  std::vector<RunInfo> runs;
  runs.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    RunRow row;
    std::memcpy(&row, bytes.data() + i * sizeof(RunRow), sizeof(RunRow));
    runs.push_back(from_row(row));
  }
  return runs;
}

CellRecord Reader::record(CellKey key) const {
  return {layout(key.model), read_record(impl_->file, impl_->schema, key)};
}

std::vector<std::byte> Reader::compounds(std::uint32_t model, std::uint64_t first,
                                         std::uint64_t count) const {
  return impl_->rows(impl_->schema.places.at(model).cells, first, count);
}

std::vector<double> Reader::array(CellKey key, Field field) const {
  const auto& arrays = layout(key.model).arrays();
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    if (arrays[i].field != field) continue;
    const auto bytes = impl_->rows(impl_->schema.places[key.model].arrays[i], impl_->schema.row(key), 1);
    std::vector<double> values(arrays[i].elements());
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  throw InternalError("this experiment's store has no array '" + std::string(name_of(field)) + "'");
}

}  // namespace seldon::store

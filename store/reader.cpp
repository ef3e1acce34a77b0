#include <algorithm>

#include "core/error.h"
#include "store/file.h"
#include "store/run_row.h"
#include "store/schema.h"
#include "store/store.h"

namespace seldon::store {

struct Reader::Impl : OpenStore {
  /// InternalError unless the model has `count` cells from `first` on.
  void require_cells(std::uint64_t first, std::uint64_t count) const {
    if (first > schema.cells_per_model() || count > schema.cells_per_model() - first)
      throw InternalError("the store's models have " + std::to_string(schema.cells_per_model()) +
                          " cells each; asked for " + std::to_string(count) + " from " +
                          std::to_string(first));
  }

  /// Rows of a dataset from row `first` on, as many as `to` has room for.
  void read_rows(const Place& place, std::uint64_t first, std::span<std::byte> to) const {
    if (to.size() % place.row_bytes != 0)
      throw InternalError("room for " + std::to_string(to.size()) + " bytes, where a row has " +
                          std::to_string(place.row_bytes));
    require_cells(first, to.size() / place.row_bytes);
    file.read(place.offset + first * place.row_bytes, to);
  }

  std::vector<std::byte> rows(const Place& place, std::uint64_t first, std::uint64_t count) const {
    require_cells(first, count);
    std::vector<std::byte> bytes(count * place.row_bytes);
    file.read(place.offset + first * place.row_bytes, bytes);
    return bytes;
  }

  const Place& array(std::uint32_t model, Field field) const {
    const auto& arrays = schema.layouts.at(model).arrays();
    for (std::size_t i = 0; i < arrays.size(); ++i)
      if (arrays[i].field == field) return schema.places[model].arrays[i];
    throw InternalError("this experiment's store has no array '" + std::string(name_of(field)) + "'");
  }
};

Reader::Reader(const std::string& path) : impl_(std::make_unique<Impl>(Impl{open_to_read(path)})) {}
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
  return store::read_states(impl_->file, impl_->schema, model);
}

std::vector<RunInfo> Reader::runs(std::uint32_t model) const {
  const std::uint64_t count = impl_->schema.cells_per_model();
  std::vector<RunInfo> runs;
  runs.reserve(count);
  std::vector<RunRow> block(std::min<std::uint64_t>(count, 4096));
  for (std::uint64_t first = 0; first < count; first += block.size()) {
    block.resize(std::min<std::uint64_t>(block.size(), count - first));
    impl_->read_rows(impl_->schema.places.at(model).runs, first, std::as_writable_bytes(std::span(block)));
    for (const RunRow& row : block) runs.push_back(from_row(row));
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

void Reader::read_states(std::uint32_t model, std::uint64_t first, std::span<CellState> to) const {
  impl_->require_cells(first, to.size());
  store::read_states(impl_->file, impl_->schema, model, first, to);
}

void Reader::read_compounds(std::uint32_t model, std::uint64_t first, std::span<std::byte> to) const {
  impl_->read_rows(impl_->schema.places.at(model).cells, first, to);
}

void Reader::read_array(std::uint32_t model, Field field, std::uint64_t first, std::span<double> to) const {
  impl_->read_rows(impl_->array(model, field), first, std::as_writable_bytes(to));
}

std::vector<double> Reader::array(CellKey key, Field field) const {
  const Place& place = impl_->array(key.model, field);
  std::vector<double> values(place.row_bytes / sizeof(double));
  read_array(key.model, field, impl_->schema.row(key), values);
  return values;
}

}  // namespace seldon::store

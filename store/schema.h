#pragma once
// What a store's file looks like (docs/store.md) and where in it the raw data lie. After creation only raw
// data change, and they do so in place: whoever knows the places reads and writes them without HDF5. Internal
// to the store room.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/cell.h"
#include "core/record.h"
#include "store/file.h"
#include "store/store.h"

namespace seldon::store {

/// The raw data of one dataset of shape (fractions, trials): rows of equal size, one after the other.
struct Place {
  std::uint64_t offset = 0;  ///< in the file
  std::uint64_t row_bytes = 0;
};

struct ModelPlaces {
  Place cells, state, runs;
  std::vector<Place> arrays;  ///< as RecordLayout::arrays()
};

struct Schema {
  Header header;
  std::vector<RecordLayout> layouts;  ///< [model]
  std::vector<ModelPlaces> places;    ///< [model]

  std::uint64_t cells_per_model() const { return header.data_fracs.size() * std::uint64_t{header.n_trials}; }
  /// The row of a cell in its model's datasets; InternalError for a key outside the experiment.
  std::uint64_t row(CellKey key) const;
};

/// The shortest text that reads back as this number.
std::string text_of(double value);
/// "model 'qsa', data fraction 0.5, trial 3".
std::string describe(const Header& header, CellKey key);

/// Writes groups, attributes and datasets into the file at `path`, which may exist and then is emptied. The
/// large datasets get their space in the file but no contents. Hdf5Error where HDF5 fails, InputError for a
/// header that cannot be kept.
void write_schema(const std::string& path, const Header& header);

/// InputError where the file is no store, of another version, or damaged.
Schema read_schema(const std::string& path);

/// A store to be read: its file, and where in that file everything lies.
struct OpenStore {
  Schema schema;
  File file;
};
/// As read_schema(). Both are of one store also where a larger one is renamed over it meanwhile (`--extend`).
OpenStore open_to_read(const std::string& path);

/// The record of one cell as it lies in the file: the compound, then the arrays.
std::vector<std::byte> read_record(const File& file, const Schema& schema, CellKey key);
void write_record(File& file, const Schema& schema, CellKey key, std::span<const std::byte> record);
std::vector<CellState> read_states(const File& file, const Schema& schema, std::uint32_t model);
/// Of consecutive cells, from row `first` on.
void read_states(const File& file, const Schema& schema, std::uint32_t model, std::uint64_t first,
                 std::span<CellState> to);

/// Does `bytes`, sealed by a worker, belong to this cell?
bool is_intact(const Schema& schema, CellKey key, std::vector<std::byte> bytes);

}  // namespace seldon::store

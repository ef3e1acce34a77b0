#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/sha256.h"
#include "store/file.h"
#include "store/schema.h"
#include "store/store.h"

namespace seldon::store {
namespace {

/// 0..n-1 in the order of `values`.
template <class T>
std::vector<std::uint32_t> sorted_positions(const std::vector<T>& values) {
  std::vector<std::uint32_t> positions(values.size());
  std::iota(positions.begin(), positions.end(), 0U);
  std::ranges::stable_sort(positions, {}, [&](std::uint32_t i) -> const T& { return values[i]; });
  return positions;
}

template <class T>
void add_value(Sha256& hash, const T& value) {
  hash.add(std::as_bytes(std::span(&value, 1)));
}

std::vector<std::byte> checked_record(const File& file, const Schema& schema, CellKey key) {
  auto record = read_record(file, schema, key);
  if (!is_intact(schema, key, record))
    throw InputError({file.path(), 0},
                     "is damaged: the record of " + describe(schema.header, key) +
                         " does not fit its checksum; the same `seldon run` runs that cell again");
  return record;
}

}  // namespace

std::string digest(const std::string& path) {
  const auto [schema, file] = open_to_read(path);
  const Header& header = schema.header;
  std::vector<std::string> names;
  for (const auto& model : header.models) names.push_back(model.name);
  const auto fractions = sorted_positions(header.data_fracs);

  Sha256 hash;
  for (std::uint32_t model : sorted_positions(names)) {
    add_value(hash, std::uint64_t{names[model].size()});
    hash.add(std::as_bytes(std::span(names[model])));
    const auto states = read_states(file, schema, model);
    for (std::uint32_t fraction : fractions) {
      add_value(hash, header.data_fracs[fraction]);
      for (std::uint32_t trial = 0; trial < header.n_trials; ++trial) {
        const CellKey key{0, model, fraction, trial};
        const CellState state = states[schema.row(key)];
        add_value(hash, trial);
        add_value(hash, state);
        if (state == CellState::done) hash.add(checked_record(file, schema, key));
      }
    }
  }
  return hash.hex();
}

}  // namespace seldon::store

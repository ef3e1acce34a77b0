#include "worker/data_sets.h"

#include <algorithm>
#include <span>
#include <utility>

#include "core/sha256.h"
#include "core/wire.h"
#include "experiment/config.h"
#include "worker/translate.h"

namespace seldon::worker {
namespace {

using Indices = std::vector<std::vector<std::uint32_t>>;

struct Packed {
  std::vector<std::byte> bytes;
  std::size_t body = 0;  // where it begins
};

/// `folder` is the config's: the config's text that workers parse does not know it.
Packed pack_data(const table::Frame& frame, const Indices& indices, const std::string& folder) {
  Writer writer;
  writer.put(folder).put(indices);
  Bytes head = writer.take();
  head.resize((head.size() + 7) / 8 * 8);  // the frame wants to start on a multiple of eight
  const std::uint64_t sizes[2] = {head.size(), frame.blob().size()};
  Packed data{std::vector<std::byte>(sizeof sizes + head.size() + frame.blob().size()),
              sizeof sizes + head.size()};
  auto at = std::ranges::copy(std::as_bytes(std::span(sizes)), data.bytes.begin()).out;
  at = std::ranges::copy(head, at).out;
  std::ranges::copy(frame.blob(), at);
  return data;
}

std::string hash_of(const Indices& indices) {
  Sha256 hash;
  for (const auto& rows : indices) {
    const std::uint64_t count = rows.size();
    hash.add(std::as_bytes(std::span(&count, 1)));
    hash.add(std::as_bytes(std::span(rows)));
  }
  return hash.hex();
}

/// All that the data depend on, as a text.
std::string key_of(const experiment::Description& description) {
  experiment::Description only;
  only.regime = description.regime;
  only.data = description.data;
  only.groups = description.groups;
  if (!only.data.path.value.empty()) only.data.path.value = description.resolve(only.data.path.value);
  if (only.data.shuffle || only.data.kind == "synthetic_faces") only.seed = description.seed;
  if (!description.resample.indices.value.empty()) {
    only.resample.indices.value = description.resolve(description.resample.indices.value);
    only.n_trials = description.n_trials;
    only.data_fracs = {*std::ranges::max_element(description.data_fracs)};
  }
  return experiment::canonical_toml(only) + "# " + description.folder;
}

}  // namespace

DataSet load_data_set(const experiment::Description& description) {
  const table::Frame read = load_table(description);
  Indices indices = load_indices(description, read.rows());
  Packed packed = pack_data(read, indices, description.folder);
  auto bytes = std::make_shared<const std::vector<std::byte>>(std::move(packed.bytes));
  table::Frame frame = table::Frame::from_blob(bytes, std::span(*bytes).subspan(packed.body));
  std::string hash = indices.empty() ? "" : hash_of(indices);
  return {std::move(bytes), std::move(frame), std::move(indices), std::move(hash)};
}

const DataSet& DataSets::of(const experiment::Description& description) {
  const std::string key = key_of(description);
  const auto found = sets_.find(key);
  return found != sets_.end() ? found->second : sets_.emplace(key, load_data_set(description)).first->second;
}

}  // namespace seldon::worker

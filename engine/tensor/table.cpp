#include "engine/tensor/table.h"

#include <algorithm>
#include <cstdint>
#include <list>
#include <mutex>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

namespace seldon::engine::tensor {
namespace {

std::int64_t extent(std::size_t n) {
  return static_cast<std::int64_t>(n);
}

/// A view of the host's array; LibTorch knows no constant ones, and nobody writes to a table.
template <class T>
at::Tensor borrowed(std::span<const T> values, at::IntArrayRef shape, at::ScalarType type) {
  return at::from_blob(const_cast<T*>(values.data()), shape, type);
}

/// A copy of the memberships: each group has bytes of its own.
at::Tensor stacked(const std::vector<Group>& groups, std::size_t rows, const at::Device& device) {
  at::Tensor members = at::empty({extent(groups.size()), extent(rows)}, at::kByte);
  std::uint8_t* out = members.data_ptr<std::uint8_t>();
  for (const Group& group : groups) out = std::ranges::copy(group.member, out).out;
  return members.to(device).ne(0);
}

/// On the CPU the data set's own arrays serve, without a copy, where they have the type that is wanted.
std::shared_ptr<const DeviceTable> copy_to(const Dataset& data, const at::Device& device) {
  auto table = std::make_shared<DeviceTable>();
  const std::int64_t rows = extent(data.rows);
  if (data.image.channels > 0) {
    table->pixels = borrowed(data.pixels, {rows, extent(data.image.pixels())}, at::kByte).to(device);
  } else {
    table->features =
        borrowed(data.features, {rows, extent(data.width)}, at::kDouble).to(at::kFloat).to(device);
  }
  table->labels = borrowed(data.labels, {rows}, at::kDouble).to(device);
  table->groups = stacked(data.groups, data.rows, device);
  table->subgroups = stacked(data.subgroups, data.rows, device);
  return table;
}

/// A table that was handed out. A data set may be gone and another in its place while a table lives on, so
/// that its address alone does not tell.
struct Entry {
  const Dataset* data;
  const void* values;
  const double* labels;
  std::size_t rows;
  at::Device device;
  std::weak_ptr<const DeviceTable> table;

  bool is_of(const Dataset& other, const at::Device& where) const {
    return data == &other && values == values_of(other) && labels == other.labels.data() &&
           rows == other.rows && device == where;
  }
  static const void* values_of(const Dataset& data) {
    return data.image.channels > 0 ? static_cast<const void*>(data.pixels.data())
                                   : static_cast<const void*>(data.features.data());
  }
};

}  // namespace

std::shared_ptr<const DeviceTable> table_on(const Dataset& data, const at::Device& device) {
  static std::mutex mutex;
  static std::list<Entry> entries;
  const std::scoped_lock lock(mutex);
  entries.remove_if([](const Entry& entry) { return entry.table.expired(); });
  for (const Entry& entry : entries) {
    if (!entry.is_of(data, device)) continue;
    if (auto table = entry.table.lock()) return table;
  }
  auto table = copy_to(data, device);
  entries.push_back({&data, Entry::values_of(data), data.labels.data(), data.rows, device, table});
  return table;
}

}  // namespace seldon::engine::tensor

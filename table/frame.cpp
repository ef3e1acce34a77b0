#include "table/frame.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/wire.h"

namespace seldon::table {
namespace {

/// The block: this header, the description (names, groups, preprocessing), then the arrays, each from a
/// multiple of 64 bytes on: features, labels, pixels, and the members of every group.
struct Header {
  std::uint64_t magic = 0x31454d4152464c53;  // "SLFRAME1" in memory
  std::uint64_t rows = 0, width = 0, labels = 0, pixels_per_row = 0, groups = 0;
  std::uint64_t description_bytes = 0;
};

/// Where each part starts.
struct Layout {
  std::size_t description, features, labels, pixels, members, end;

  explicit Layout(const Header& header) {
    std::size_t at = 0;
    const auto place = [&at](std::uint64_t count, std::uint64_t size) {
      constexpr std::size_t alignment = 64;
      std::size_t bytes = 0;
      if (__builtin_mul_overflow(count, size, &bytes) || __builtin_add_overflow(at, bytes, &bytes) ||
          bytes > SIZE_MAX - alignment)
        throw InternalError("a frame's header holds impossible sizes");
      const std::size_t start = at;
      at = (bytes + alignment - 1) / alignment * alignment;
      return start;
    };
    const auto times_rows = [&header](std::uint64_t count) {
      std::uint64_t product = 0;
      if (__builtin_mul_overflow(count, header.rows, &product))
        throw InternalError("a frame's header holds impossible sizes");
      return product;
    };
    place(1, sizeof(Header));
    description = place(header.description_bytes, 1);
    features = place(times_rows(header.width), sizeof(double));
    labels = place(header.labels, sizeof(double));
    pixels = place(times_rows(header.pixels_per_row), 1);
    members = place(times_rows(header.groups), 1);
    end = at;
  }
};

Bytes describe(const FrameParts& parts) {
  Writer out;
  out.put(parts.preprocessing.encode()).put(parts.content_hash);
  for (const GroupMembers& group : parts.groups)
    out.put(group.attribute).put(group.name).put(static_cast<std::uint8_t>(group.overlapping));
  return out.take();
}

template <class T>
std::span<const T> view(std::span<const std::byte> blob, std::size_t offset, std::size_t count) {
  return {reinterpret_cast<const T*>(blob.data() + offset), count};
}

}  // namespace

Frame::Frame(const FrameParts& parts) {
  const Bytes description = describe(parts);
  Header header;
  header.rows = parts.rows;
  header.width = parts.preprocessing.feature_names().size();
  header.labels = parts.labels.size();
  header.pixels_per_row = parts.preprocessing.image ? parts.preprocessing.image->pixels() : 0;
  header.groups = parts.groups.size();
  header.description_bytes = description.size();
  const bool members_fit =
      std::all_of(parts.groups.begin(), parts.groups.end(),
                  [&](const GroupMembers& group) { return group.member.size() == parts.rows; });
  if (parts.features.size() != header.rows * header.width ||
      parts.pixels.size() != header.rows * header.pixels_per_row || !members_fit)
    throw InternalError("the parts of a frame have different numbers of rows");

  const Layout layout(header);
  auto block = std::make_shared<std::vector<std::byte>>(layout.end);
  const auto copy = [&block](std::size_t offset, std::span<const std::byte> from) {
    std::copy(from.begin(), from.end(), block->begin() + static_cast<std::ptrdiff_t>(offset));
  };
  copy(0, std::as_bytes(std::span(&header, 1)));
  copy(layout.description, description);
  copy(layout.features, std::as_bytes(std::span(parts.features)));
  copy(layout.labels, std::as_bytes(std::span(parts.labels)));
  copy(layout.pixels, std::as_bytes(std::span(parts.pixels)));
  for (std::size_t g = 0; g < parts.groups.size(); ++g)
    copy(layout.members + g * parts.rows, std::as_bytes(std::span(parts.groups[g].member)));
  *this = from_blob(block, *block);
}

Frame Frame::from_blob(std::shared_ptr<const void> owner, std::span<const std::byte> blob) {
  Header header;
  if (blob.size() < sizeof header || reinterpret_cast<std::uintptr_t>(blob.data()) % alignof(double) != 0)
    throw InternalError("the bytes of a frame are too few or not aligned");
  std::memcpy(&header, blob.data(), sizeof header);
  if (header.magic != Header{}.magic) throw InternalError("these bytes are no frame");
  const Layout layout(header);
  if (layout.end != blob.size() || (header.labels != 0 && header.labels != header.rows))
    throw InternalError("a frame's size is not what its header says");

  Frame frame;
  frame.owner_ = std::move(owner);
  frame.blob_ = blob;
  frame.rows_ = header.rows;
  frame.features_ = view<double>(blob, layout.features, header.rows * header.width);
  frame.labels_ = view<double>(blob, layout.labels, header.labels);
  frame.pixels_ = view<std::uint8_t>(blob, layout.pixels, header.rows * header.pixels_per_row);

  Reader description(blob.subspan(layout.description, header.description_bytes));
  frame.preprocessing_ = Preprocessing::decode(description.get_string());
  frame.content_hash_ = description.get_string();
  for (std::uint64_t g = 0; g < header.groups; ++g) {
    Group& group = frame.groups_.emplace_back();
    group.attribute = description.get_string();
    group.name = description.get_string();
    group.overlapping = description.get<std::uint8_t>() != 0;
    group.member = view<std::uint8_t>(blob, layout.members + g * header.rows, header.rows);
  }
  frame.feature_names_ = frame.preprocessing_.feature_names();
  if (frame.feature_names_.size() != header.width)
    throw InternalError("a frame's width is not that of its columns");
  return frame;
}

const Frame::Group* Frame::find_group(std::string_view name) const {
  const auto found =
      std::find_if(groups_.begin(), groups_.end(), [&](const Group& g) { return g.name == name; });
  return found == groups_.end() ? nullptr : &*found;
}

std::vector<std::string> Frame::attributes() const {
  std::vector<std::string> names;
  for (const Group& group : groups_)
    if (std::find(names.begin(), names.end(), group.attribute) == names.end())
      names.push_back(group.attribute);
  return names;
}

}  // namespace seldon::table

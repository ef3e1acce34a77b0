#pragma once
// The table in memory: immutable, in one block of bytes without pointers, so that it can be sent as it is and
// mapped by all processes of a node.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "table/groups.h"
#include "table/preprocessing.h"

namespace seldon::table {

/// What a frame is made of.
struct FrameParts {
  std::size_t rows = 0;
  Preprocessing preprocessing;       ///< gives the width, the features' names and the image's shape
  std::vector<double> features;      ///< rows x width, row-major; empty for images
  std::vector<std::uint8_t> pixels;  ///< rows x image.pixels(); empty for tables
  std::vector<double> labels;        ///< one per row, or empty if they are not known
  std::vector<GroupMembers> groups;
  std::string content_hash;
};

class Frame {
 public:
  struct Group {
    std::string attribute, name;
    bool overlapping = false;
    std::span<const std::uint8_t> member;  ///< one byte per row, 1 for members
  };

  /// Copies the parts into a block of its own; InternalError if their sizes disagree.
  explicit Frame(const FrameParts& parts);

  /// A view of `blob`, the blob() of another frame, at any address that is a multiple of 8; `owner` keeps it
  /// alive. Nothing large is copied. InternalError if the bytes are no frame.
  static Frame from_blob(std::shared_ptr<const void> owner, std::span<const std::byte> blob);
  std::span<const std::byte> blob() const { return blob_; }

  std::size_t rows() const { return rows_; }
  /// Features per row; 0 for images.
  std::size_t width() const { return feature_names_.size(); }
  /// rows x width, row-major: the levels of the categorical columns first, then the numeric columns.
  std::span<const double> features() const { return features_; }
  const std::vector<std::string>& feature_names() const { return feature_names_; }
  /// rows x (channels, height, width), 0..255; empty for tables.
  std::span<const std::uint8_t> pixels() const { return pixels_; }
  const std::optional<ImageColumn>& image() const { return preprocessing_.image; }
  /// One per row (classification: 0 or 1; multi-class: 0, 1, 2 ...); empty if new rows came without.
  std::span<const double> labels() const { return labels_; }
  bool has_labels() const { return !labels_.empty(); }

  const std::vector<Group>& groups() const { return groups_; }
  /// Null where there is no group of that name.
  const Group* find_group(std::string_view name) const;
  /// The attributes of the groups, in the order of their first group.
  std::vector<std::string> attributes() const;

  const Preprocessing& preprocessing() const { return preprocessing_; }
  /// SHA-256 of the decompressed file, or of the content of a generated table, in hexadecimal.
  const std::string& content_hash() const { return content_hash_; }

 private:
  Frame() = default;

  std::shared_ptr<const void> owner_;
  std::span<const std::byte> blob_;
  std::size_t rows_ = 0;
  std::span<const double> features_, labels_;
  std::span<const std::uint8_t> pixels_;
  std::vector<Group> groups_;
  std::vector<std::string> feature_names_;
  Preprocessing preprocessing_;
  std::string content_hash_;
};

}  // namespace seldon::table

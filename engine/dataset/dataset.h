#pragma once
// The table as the engine sees it: borrowed arrays, no copies. One instance per process, shared by all
// trials.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/regime.h"

namespace seldon::engine {

/// Rows by their index in the table.
using Rows = std::vector<std::uint32_t>;

struct ImageShape {
  std::uint32_t channels = 0, height = 0, width = 0;
  std::size_t pixels() const { return std::size_t{channels} * height * width; }
};

/// A set of rows with a name: one byte per row of the table, 1 for members.
struct Group {
  std::string name;
  std::span<const std::uint8_t> member;
};

struct Dataset {
  Regime regime = Regime::classification;
  std::size_t rows = 0;
  std::size_t width = 0;             ///< features per row; 0 for images
  std::span<const double> features;  ///< rows x width, row-major; empty for images
  ImageShape image;                  ///< channels 0 for tables
  std::span<const std::uint8_t>
      pixels;                      ///< rows x image.pixels(), row-major (C, H, W), scaled by 1/255 in a batch
  std::span<const double> labels;  ///< 0 or 1 for classification
  std::vector<Group> groups;       ///< what constraint expressions may name
  std::vector<Group> subgroups;    ///< what is reported; the first is "all"

  /// Null where there is no group of that name.
  const Group* find_group(std::string_view name) const {
    for (const Group& group : groups)
      if (group.name == name) return &group;
    return nullptr;
  }
};

}  // namespace seldon::engine

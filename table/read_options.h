#pragma once
// What a config says about the data, as this room needs it. docs/data.md explains each field.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/regime.h"

namespace seldon::table {

/// How a file is cut into rows and fields.
struct CsvFormat {
  bool header = true;              ///< the first row names the columns
  char delimiter = ',';            ///< ' ' takes runs of blanks and tabs
  std::vector<std::string> names;  ///< column names where there is no header

  bool operator==(const CsvFormat&) const = default;
};

/// A column of pictures: channels * height * width integers 0..255, separated by blanks, rows from the top.
struct ImageColumn {
  std::string column;
  std::uint32_t channels = 1, height = 0, width = 0;

  std::size_t pixels() const { return std::size_t{channels} * height * width; }
  bool operator==(const ImageColumn&) const = default;
};

/// The rows for which `where` holds (table/where.h). The groups of one attribute partition the rows, unless
/// they are marked as overlapping.
struct GroupOptions {
  std::string attribute;
  std::string name;
  std::string where;
  Location location;  ///< of `where`, for messages
  bool overlapping = false;
};

struct ReadOptions {
  std::string path;
  Location location;  ///< of `path`; stands for every key that `places` lacks
  std::map<std::string, Location>
      places;  ///< of the other keys, by their names in [data]: "label", "numeric" ...
  CsvFormat format;
  std::string label;
  std::optional<std::string> positive;   ///< label value of class 1; else the label must be 0 or 1
  std::vector<std::string> numeric;      ///< features, in this order after the categorical ones
  std::vector<std::string> categorical;  ///< one-hot features, levels in byte order
  std::vector<std::string>
      standardize;                    ///< numeric features scaled to mean 0, sd 1 (ddof 0) over the rows kept
  std::optional<ImageColumn> image;   ///< instead of numeric and categorical features
  std::optional<std::uint64_t> rows;  ///< keep only the first rows, after the shuffle
  bool shuffle = false;               ///< first put the rows into an order drawn from the seed
  std::uint64_t seed = 0;
  Regime regime = Regime::classification;
  std::vector<GroupOptions> groups;

  /// Where a key of [data] was written, for messages.
  Location place(const std::string& key) const {
    const auto found = places.find(key);
    return found == places.end() ? location : found->second;
  }
};

}  // namespace seldon::table

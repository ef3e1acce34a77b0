#pragma once
// What was learned from the table while it was read, and is needed to read other rows in the same way.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/regime.h"
#include "table/read_options.h"

namespace seldon::table {

/// A column that becomes one 0/1 feature for each of its levels.
struct CategoricalColumn {
  std::string column;
  std::vector<std::string> levels;  ///< in byte order

  bool operator==(const CategoricalColumn&) const = default;
};

/// A column that becomes the feature (value - mean) / sd.
struct NumericColumn {
  std::string column;
  bool standardized = false;
  double mean = 0;  ///< 0 and 1 where not standardised
  double sd = 1;    ///< ddof 0

  bool operator==(const NumericColumn&) const = default;
};

struct Preprocessing {
  CsvFormat format;
  std::string label;
  std::optional<std::string> positive;
  Regime regime = Regime::classification;
  std::vector<CategoricalColumn> categorical;
  std::vector<NumericColumn> numeric;
  std::optional<ImageColumn> image;

  /// Names of the features in order: "housing=A151" ..., then the numeric columns' own names. Empty for
  /// images.
  std::vector<std::string> feature_names() const;

  /// Lines of text (docs/data.md); doubles keep every bit.
  std::string encode() const;
  /// InputError with the line, counted from 1 under the name `source`, if the text is not what encode()
  /// writes.
  static Preprocessing decode(std::string_view text, const std::string& source = "preprocessing");

  bool operator==(const Preprocessing&) const = default;
};

}  // namespace seldon::table

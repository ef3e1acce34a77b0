#pragma once
// The data that cases name: numeric CSV files without a header, whose columns a metadata file beside them may
// name.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/dataset/dataset.h"

namespace seldon::conformance {

/// A table in the form that the engine takes. Sensitive columns are groups, and no features.
class Table {
 public:
  std::string name;
  Regime regime = Regime::regression;
  std::size_t rows = 0, width = 0;
  std::vector<double> features, labels;
  std::vector<std::pair<std::string, std::vector<std::uint8_t>>> groups;

  /// Valid as long as the table.
  engine::Dataset dataset() const;
  std::vector<std::string> group_names() const;
};

/// What a case says of its data: "gpa_regression, rho=.6", "sim_regression rows 0..3", "x.csv; candidate rows
/// 0..399, safety rows 400..999". Both ends of a range are inclusive.
struct DataReference {
  std::string file;                      ///< a name or the beginning of one
  engine::Rows candidate, safety, rows;  ///< as named; `rows` without a side, all where none are named
};

class DataFolders {
 public:
  explicit DataFolders(std::vector<std::filesystem::path> folders);

  /// The table that a reference names and its rows; read once. InputError where no file or more than one
  /// fits.
  const Table& table(const std::string& reference) const;
  DataReference resolve(const std::string& reference) const;
  /// A file by its name, or by the beginning of its name; .gz is left out of account.
  std::filesystem::path find(const std::string& name) const;

 private:
  std::vector<std::filesystem::path> files_;
  mutable std::map<std::filesystem::path, std::unique_ptr<Table>> tables_;
};

/// The rows of a numeric CSV file, plain or gzip.
std::vector<std::vector<double>> read_numbers(const std::filesystem::path& path);

}  // namespace seldon::conformance

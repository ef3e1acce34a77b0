#pragma once
// DIR/summary.csv: a row for each experiment of a sweep (docs/sweeps.md).

#include <cstdint>
#include <string>
#include <vector>

#include "programs/tally.h"

namespace seldon::programs {

struct SummaryRow {
  std::string name, config;
  std::vector<std::string> values;  ///< of the swept keys
  std::string state;
  std::uint64_t cells = 0, done = 0, failed = 0, no_solution = 0;
  std::vector<ModelTally> models;
  std::string message;  ///< what is wrong with it
};

/// The whole file, RFC 4180, lines that end in "\n". Columns of models are those of all rows, in the order in
/// which they come first; numbers have six significant digits; what is not known is left empty.
std::string summary_csv(const std::vector<std::string>& keys, const std::vector<SummaryRow>& rows);

/// Writes FOLDER/summary.csv under a temporary name and renames it. The first failure is a warning in the
/// log, later ones are silent: nothing depends on the file.
class SummaryFile {
 public:
  explicit SummaryFile(const std::string& folder);
  void write(const std::string& text);
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool warned_ = false;
};

}  // namespace seldon::programs

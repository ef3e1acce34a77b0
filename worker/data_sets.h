#pragma once
// The data of experiments as rank 0 reads it, once for all experiments that share it.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "experiment/description.h"
#include "table/frame.h"

namespace seldon::worker {

struct DataSet {
  /// What workers get, in this order: the sizes of head and body, the head (the config's folder and the rows
  /// of the trials), the body (the table, at a multiple of eight bytes).
  std::shared_ptr<const std::vector<std::byte>> bytes;
  table::Frame frame;                               ///< a view of the body
  std::vector<std::vector<std::uint32_t>> indices;  ///< see load_indices
  std::string indices_hash;                         ///< SHA-256; empty where there are no indices
};

/// Reads, or generates, what the config names. InputError for what the user must mend.
DataSet load_data_set(const experiment::Description& description);

/// Keeps what it has read.
class DataSets {
 public:
  /// Read anew only where the description says something else about its data.
  const DataSet& of(const experiment::Description& description);
  /// How many there are: for tests.
  std::size_t size() const { return sets_.size(); }

 private:
  std::map<std::string, DataSet> sets_;  // by all that load_data_set depends on
};

}  // namespace seldon::worker

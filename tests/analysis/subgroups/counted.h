#pragma once
// Records whose rows a test chose, in memory or in a store.

#include <string>
#include <vector>

#include "analysis/scan.h"
#include "analysis/subgroups/accumulate.h"
#include "core/record.h"
#include "store/store.h"

namespace seldon::analysis::counted {

/// A row of the evaluation set under one model.
struct Row {
  std::size_t label;
  double score;
  std::vector<std::size_t> subgroups;  ///< besides "all"
};

/// Two classes, truth "original", histograms kept.
RecordShape shape(std::vector<std::string> subgroups);

/// A record that holds a solution with the sums of these rows (docs/store.md).
CellRecord record(const RecordLayout& layout, const std::vector<Row>& rows);
/// One that holds none.
CellRecord refused(const RecordLayout& layout);

/// Consecutive trials of one point, as scan() hands them out.
class Trials {
 public:
  explicit Trials(RecordShape shape) : layout_(std::move(shape)) {}
  const RecordLayout& layout() const { return layout_; }
  void add(const CellRecord& record, CellState state = CellState::done);
  void add(const std::vector<Row>& rows) { add(record(layout_, rows)); }
  /// Trials [first, end), valid as long as this is not changed.
  Block block(std::size_t first, std::size_t end) const;
  Block block() const { return block(0, states_.size()); }

 private:
  RecordLayout layout_;
  std::vector<CellState> states_;
  std::vector<std::byte> compounds_;
  std::vector<double> histograms_;
};

/// A header with models of this shape and one constraint that names the groups of gender.
store::Header header(const RecordShape& shape, std::vector<std::string> models, std::vector<double> fractions,
                     std::uint32_t trials, std::uint64_t rows);

/// The plan of an experiment with this shape, both rules, areas included.
AccumulationPlan plan(const RecordShape& shape);

}  // namespace seldon::analysis::counted

#include "engine/predictor.h"

#include <algorithm>

#include "engine/problem.h"

namespace seldon::engine {

NodeScores::NodeScores(const Dataset& data, Predictor& predictor, std::span<const std::uint32_t> rows)
    : data_(data),
      predictor_(predictor),
      rows_(rows),
      scores_(rows.size() * predictor.columns()),
      decisions_(scores_.size()),
      labels_(rows.size()) {
  predictor_.scores(rows_, scores_);
  if (data_.regime != Regime::regression) predictor_.decisions(data_.regime, rows_, scores_, decisions_);
  std::ranges::transform(rows_, labels_.begin(), [&](std::uint32_t row) { return data_.labels[row]; });
}

std::vector<double> NodeScores::values(const BaseNode& node, bool hard) {
  NodeValues values;
  const GroupMask in_groups(data_, node);
  if (predictor_.batch_dependent() && in_groups.conditional()) {
    Rows masked;
    std::ranges::copy_if(rows_, std::back_inserter(masked), in_groups);
    if (masked.empty()) return {};
    NodeScores own(data_, predictor_, masked);
    const auto positions = node_positions(data_, node, masked);
    values.choose(own.labels_, positions);
    values.compute(node, hard ? own.decisions_ : own.scores_, predictor_.columns(), positions, false);
  } else {
    const auto positions = node_positions(data_, node, rows_);
    values.choose(labels_, positions);
    values.compute(node, hard ? decisions_ : scores_, predictor_.columns(), positions, false);
  }
  return std::move(values.z);
}

}  // namespace seldon::engine

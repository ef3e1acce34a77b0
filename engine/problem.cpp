#include "engine/problem.h"

#include <cmath>
#include <limits>

#include "core/error.h"
#include "engine/model/kernels.h"

namespace seldon::engine {

GroupMask::GroupMask(const Dataset& data, const BaseNode& node) {
  for (const std::string& name : node.groups) {
    const Group* group = data.find_group(name);
    if (!group)
      throw InternalError("base node '" + node.name + "' names group '" + name + "', which the data lack");
    members_.push_back(group->member);
  }
}

void NodeValues::choose(std::span<const double> labels_of_pass, std::span<const std::uint32_t> positions) {
  labels.resize(positions.size());
  gather(labels_of_pass, positions, labels);
}

void NodeValues::compute(const BaseNode& node, std::span<const double> scores_of_pass, std::size_t columns,
                         std::span<const std::uint32_t> positions, bool derivatives) {
  const std::size_t n = positions.size();
  scores.resize(n * columns);
  z.resize(n);
  dz.resize(derivatives ? n * columns : 0);
  if (columns == 1) {
    gather(scores_of_pass, positions, scores);
  } else {
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = 0; k < columns; ++k)
        scores[i * columns + k] = scores_of_pass[positions[i] * columns + k];
  }
  node.measure->values(scores, columns, labels, node.index, z, dz);
}

std::vector<std::uint32_t> node_positions(const Dataset& data, const BaseNode& node,
                                          std::span<const std::uint32_t> rows) {
  const GroupMask in_groups(data, node);
  std::vector<std::uint32_t> positions;
  for (std::uint32_t i = 0; i < rows.size(); ++i)
    if (in_groups(rows[i]) &&
        (!node.measure->selects || node.measure->selects(data.labels[rows[i]], node.index)))
      positions.push_back(i);
  return positions;
}

}  // namespace seldon::engine

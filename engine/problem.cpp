#include "engine/problem.h"

#include <algorithm>

#include "core/error.h"

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
  for (std::size_t i = 0; i < positions.size(); ++i) labels[i] = labels_of_pass[positions[i]];
  contiguous = true;
  for (std::size_t i = 1; i < positions.size(); ++i) contiguous &= positions[i] == positions[0] + i;
}

void NodeValues::compute(const BaseNode& node, std::span<const double> scores_of_pass, std::size_t columns,
                         std::span<const std::uint32_t> positions, bool derivatives) {
  const std::size_t n = positions.size();
  z.resize(n);
  dz.resize(derivatives ? n * columns : 0);
  if (contiguous) {
    const std::size_t first = n == 0 ? 0 : positions[0];
    node.measure->values(scores_of_pass.subspan(first * columns, n * columns), columns, labels, node.index, z,
                         dz);
    return;
  }
  gathered.resize(n * columns);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < columns; ++k)
      gathered[i * columns + k] = scores_of_pass[positions[i] * columns + k];
  node.measure->values(gathered, columns, labels, node.index, z, dz);
}

Rows side_by_side(const Problem& problem, Rows rows) {
  const Dataset& data = *problem.data;
  std::vector<std::uint64_t> pattern(data.rows, 0);
  std::uint64_t bit = 1;
  for (const ConstraintSpec& constraint : problem.constraints)
    for (const BaseNode& node : constraint.tree.base_nodes()) {
      for (std::uint32_t i : node_positions(data, node, rows)) pattern[rows[i]] |= bit;
      bit <<= 1;  // nodes beyond the 64th do not take part: order is for speed alone
    }
  std::ranges::stable_sort(rows, {}, [&](std::uint32_t row) { return pattern[row]; });
  return rows;
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

#pragma once
// Packs that wait for a worker, the longest first.

#include <cstddef>
#include <deque>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "orchestrator/cost_model.h"

namespace seldon::orchestrator {

/// Packs lie in groups, first come, first out; the groups are ordered by the estimate of their first pack. So
/// every call costs O(log groups), also when an estimate moves.
class PackQueue {
 public:
  explicit PackQueue(const CostModel& costs);

  bool empty() const { return order_.empty(); }
  /// `cells` is what a worker has to compute for it.
  void push(std::size_t pack, Group group, std::uint32_t cells);
  /// Takes out the first pack of the longest group whose estimate is at most `longest`.
  std::optional<std::size_t> pop_longest(double longest);
  /// Takes out the first pack of the shortest group.
  std::optional<std::size_t> pop_shortest();
  /// The group's estimate has moved.
  void reorder(Group group);

 private:
  struct Waiting {
    std::size_t pack;
    std::uint32_t cells;
  };
  struct Line {
    std::deque<Waiting> packs;
    double key = 0;                     // its place in order_
    std::optional<std::uint32_t> rank;  // by its first push: breaks ties
  };

  void place(Group group);
  void take_out(Group group);
  std::size_t pop(Group group);

  const CostModel& costs_;
  std::vector<Line> lines_;  // by group
  std::set<std::tuple<double, std::uint32_t, Group>>
      order_;  // minus the estimate, rank; lines with packs only
  std::uint32_t ranks_ = 0;
};

}  // namespace seldon::orchestrator

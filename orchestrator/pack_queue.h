#pragma once
// Packs that wait for a worker, the longest first.

#include <cstddef>
#include <deque>
#include <functional>
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
  /// Whether packs of this model can go now.
  using May = std::function<bool(Family)>;
  static bool any(Family) { return true; }
  /// How long a pack of this model may take if it goes now, whose longest pack takes so long; less than
  /// nothing: none can go.
  using Longest = std::function<double(Family, double)>;

  explicit PackQueue(const CostModel& costs);

  bool empty() const { return heads_.empty(); }
  /// `cells` is what a worker has to compute for it.
  void push(std::size_t pack, Group group, std::uint32_t cells);
  /// Whether a pack waits of a model for which that holds.
  bool has(const May& may) const;
  /// Takes out the first pack of the longest group whose estimate is at most `longest`. Asks for each model
  /// at most once, in the order of their longest groups.
  std::optional<std::size_t> pop_longest(const Longest& longest);
  std::optional<std::size_t> pop_longest(double longest) {
    return pop_longest([=](Family, double) { return longest; });
  }
  /// Takes out the first pack of the shortest group that may go.
  std::optional<std::size_t> pop_shortest(const May& may = any);
  /// The group's estimate has moved.
  void reorder(Group group);
  /// Takes out every pack of the experiment.
  void drop(std::uint32_t experiment);

 private:
  struct Waiting {
    std::size_t pack;
    std::uint32_t cells;
  };
  struct Line {
    std::deque<Waiting> packs;
    double key = 0;                     // its place in its order
    std::optional<std::uint32_t> rank;  // by its first push: breaks ties
  };
  using Place = std::tuple<double, std::uint32_t, Group>;  // minus the estimate, rank

  void place(Group group);
  void take_out(Group group);
  std::size_t pop(Group group);
  /// Changes the order of a family and keeps heads_ in step.
  template <class Change>
  void change(Family family, const Change& change);

  const CostModel& costs_;
  std::vector<Line> lines_;              // by group
  std::vector<std::set<Place>> orders_;  // by family; lines with packs only
  std::set<Place> heads_;                // the first of each order
  std::uint32_t ranks_ = 0;
};

}  // namespace seldon::orchestrator

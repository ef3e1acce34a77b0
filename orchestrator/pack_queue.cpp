#include "orchestrator/pack_queue.h"

#include <iterator>

namespace seldon::orchestrator {

PackQueue::PackQueue(const CostModel& costs) : costs_(costs), lines_(costs.groups()) {}

void PackQueue::push(std::size_t pack, Group group, std::uint32_t cells) {
  Line& line = lines_[group];
  if (!line.rank) line.rank = ranks_++;
  line.packs.push_back({pack, cells});
  if (line.packs.size() == 1) place(group);
}

std::optional<std::size_t> PackQueue::pop_longest(double longest) {
  const auto found = order_.lower_bound({-longest, 0, 0});
  if (found == order_.end()) return std::nullopt;
  return pop(std::get<2>(*found));
}

std::optional<std::size_t> PackQueue::pop_shortest() {
  if (order_.empty()) return std::nullopt;
  return pop(std::get<2>(*std::prev(order_.end())));
}

void PackQueue::reorder(Group group) {
  if (lines_[group].packs.empty()) return;
  take_out(group);
  place(group);
}

void PackQueue::place(Group group) {
  Line& line = lines_[group];
  line.key = -costs_.estimate(group) * line.packs.front().cells;
  order_.emplace(line.key, *line.rank, group);
}

void PackQueue::take_out(Group group) {
  order_.erase({lines_[group].key, *lines_[group].rank, group});
}

std::size_t PackQueue::pop(Group group) {
  Line& line = lines_[group];
  take_out(group);
  const std::size_t pack = line.packs.front().pack;
  line.packs.pop_front();
  if (!line.packs.empty()) place(group);
  return pack;
}

}  // namespace seldon::orchestrator

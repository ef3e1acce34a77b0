#include "orchestrator/pack_queue.h"

#include <algorithm>
#include <iterator>

namespace seldon::orchestrator {

PackQueue::PackQueue(const CostModel& costs)
    : costs_(costs), lines_(costs.groups()), orders_(costs.families()) {}

void PackQueue::push(std::size_t pack, Group group, std::uint32_t cells) {
  Line& line = lines_[group];
  if (!line.rank) line.rank = ranks_++;
  line.packs.push_back({pack, cells});
  if (line.packs.size() == 1) place(group);
}

bool PackQueue::has(const May& may) const {
  return std::ranges::any_of(heads_,
                             [&](const Place& head) { return may(costs_.family(std::get<2>(head))); });
}

std::optional<std::size_t> PackQueue::pop_longest(const Longest& longest) {
  std::optional<Place> best;
  for (const Place& head : heads_) {
    if (best && *best < head) break;
    const Family family = costs_.family(std::get<2>(head));
    const double most = longest(family, -std::get<0>(head));
    if (most < 0) continue;
    const auto fits = orders_[family].lower_bound({-most, 0, 0});
    if (fits != orders_[family].end() && (!best || *fits < *best)) best = *fits;
  }
  if (!best) return std::nullopt;
  return pop(std::get<2>(*best));
}

std::optional<std::size_t> PackQueue::pop_shortest(const May& may) {
  std::optional<Place> best;
  for (const Place& head : heads_) {
    const Family family = costs_.family(std::get<2>(head));
    const Place& last = *std::prev(orders_[family].end());
    if ((!best || *best < last) && may(family)) best = last;
  }
  if (!best) return std::nullopt;
  return pop(std::get<2>(*best));
}

void PackQueue::reorder(Group group) {
  if (lines_[group].packs.empty()) return;
  take_out(group);
  place(group);
}

void PackQueue::drop(std::uint32_t experiment) {
  for (Group group = 0; group < lines_.size(); ++group) {
    if (lines_[group].packs.empty() || costs_.experiment(costs_.family(group)) != experiment) continue;
    take_out(group);
    lines_[group].packs.clear();
  }
}

template <class Change>
void PackQueue::change(Family family, const Change& change) {
  std::set<Place>& order = orders_[family];
  if (!order.empty()) heads_.erase(*order.begin());
  change(order);
  if (!order.empty()) heads_.insert(*order.begin());
}

void PackQueue::place(Group group) {
  Line& line = lines_[group];
  line.key = -costs_.estimate(group) * line.packs.front().cells;
  change(costs_.family(group), [&](std::set<Place>& order) { order.emplace(line.key, *line.rank, group); });
}

void PackQueue::take_out(Group group) {
  const Line& line = lines_[group];
  change(costs_.family(group), [&](std::set<Place>& order) { order.erase({line.key, *line.rank, group}); });
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

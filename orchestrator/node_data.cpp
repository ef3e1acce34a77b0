#include "orchestrator/node_data.h"

#include <algorithm>

namespace seldon::orchestrator {

NodeData::NodeData(const std::string& own_node, std::optional<message::SharedPlace> own_place) {
  if (own_place) nodes_[own_node] = {Node::State::placed, own_place, 0, {}};
}

NodeData::Way NodeData::arrive(Peer worker, const std::string& node_name) {
  Node& node = nodes_[node_name];
  switch (node.state) {
    case Node::State::without:
      node.state = Node::State::placing;
      node.leader = worker;
      return Way::send;
    case Node::State::placing:
      node.waiting.push_back(worker);
      return Way::wait;
    case Node::State::placed:
      return Way::map;
    case Node::State::cannot:
      return Way::keep;
  }
  throw InternalError("a node's data is in no known state");
}

bool NodeData::waits(Peer worker, const std::string& node_name) const {
  const auto node = nodes_.find(node_name);
  return node != nodes_.end() &&
         std::ranges::find(node->second.waiting, worker) != node->second.waiting.end();
}

std::vector<Peer> NodeData::settle(const std::string& node_name, std::optional<message::SharedPlace> place) {
  Node& node = nodes_[node_name];
  node.state = place ? Node::State::placed : Node::State::cannot;
  node.place = place;
  return std::exchange(node.waiting, {});
}

std::vector<Peer> NodeData::give_up(Peer worker, const std::string& node_name) {
  const auto found = nodes_.find(node_name);
  if (found == nodes_.end()) return {};
  const bool placing = found->second.leader == worker && found->second.state == Node::State::placing;
  if (placing) return leave(worker, node_name);
  std::erase(found->second.waiting, worker);
  return {};
}

std::vector<Peer> NodeData::leave(Peer worker, const std::string& node_name) {
  const auto found = nodes_.find(node_name);
  if (found == nodes_.end()) return {};
  Node& node = found->second;
  std::erase(node.waiting, worker);
  // Memory of a dead leader lives on in those that have mapped it, but nobody can map it anew.
  if (node.leader != worker || node.state == Node::State::cannot) return {};
  node.state = Node::State::without;
  node.place.reset();
  return std::exchange(node.waiting, {});
}

}  // namespace seldon::orchestrator

#pragma once
// From whom each worker gets a data set: rank 0 sends it once to each node, to the first worker there that
// needs it; the others of the node map that copy.

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/messages.h"

namespace seldon::orchestrator {

class NodeData {
 public:
  /// What to do with a worker that needs the data.
  enum class Way {
    map,   ///< it lies at place(node)
    send,  ///< send it, to be shared with the node
    keep,  ///< send it for its own use alone
    wait,  ///< another worker of the node is just getting it; settle() will name this one
  };

  /// `own_node` already has the data at `own_place`, if any.
  NodeData(const std::string& own_node, std::optional<message::SharedPlace> own_place);

  Way arrive(Peer worker, const std::string& node);
  /// It has been told to wait, and the one it waits for has not left.
  bool waits(Peer worker, const std::string& node) const;
  const message::SharedPlace& place(const std::string& node) const { return *nodes_.at(node).place; }
  /// The node's first worker has placed the data, or has failed to: who waited and can now be served by
  /// arrive().
  std::vector<Peer> settle(const std::string& node, std::optional<message::SharedPlace> place);
  /// `worker` goes on, but without the data: if it was to place it and has not, another one has to. Who
  /// waited comes back.
  std::vector<Peer> give_up(Peer worker, const std::string& node);
  /// `worker` cannot serve its node any more: if it was to place the data, another one has to. Who waited
  /// comes back.
  std::vector<Peer> leave(Peer worker, const std::string& node);

 private:
  struct Node {
    enum class State { without, placing, placed, cannot } state = State::without;
    std::optional<message::SharedPlace> place;
    Peer leader = 0;
    std::vector<Peer> waiting;
  };
  std::map<std::string, Node> nodes_;
};

}  // namespace seldon::orchestrator

#pragma once
// One copy of the data in the memory of a node, mapped by all of its ranks. The memory has no name in any
// file system (memfd_create, Linux): it needs no room in /dev/shm, and nothing is left behind however the
// ranks end.

#include <memory>
#include <span>
#include <string>

#include "core/messages.h"
#include "core/transport.h"

namespace seldon::worker {

/// Equal for exactly those processes that can map each other's memory: host name, boot and process namespace.
std::string node_name();
std::string host_name();

/// Data that other processes of this node can map as long as this object or another mapping of it lives.
class NodeData {
 public:
  /// Copies `data` into new memory. Throws IncompleteError where the system gives none.
  explicit NodeData(std::span<const std::byte> data);
  NodeData(const NodeData&) = delete;
  NodeData& operator=(const NodeData&) = delete;
  ~NodeData();

  /// Where others find it, for map(), while this object lives.
  message::SharedPlace place() const;
  SharedBytes bytes() const { return bytes_; }

 private:
  int descriptor_ = -1;
  SharedBytes bytes_;
};

/// Maps what another process of this node has placed, for reading. Throws IncompleteError, with the reason,
/// where that cannot be done.
SharedBytes map(const message::SharedPlace& place);

}  // namespace seldon::worker

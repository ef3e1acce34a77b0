#include <algorithm>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "worker/node_data.h"

namespace seldon::worker {
namespace {

Bytes example() {
  Bytes bytes(100000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * i);
  return bytes;
}

TEST(NodeData, IsMappedByAnotherProcess) {
  const Bytes bytes = example();
  const NodeData shared(bytes);
  EXPECT_TRUE(std::ranges::equal(shared.bytes().view(), bytes));
  const auto place = shared.place();
  EXPECT_EQ(place.pid, getpid());
  const pid_t child = fork();
  if (child == 0) _exit(std::ranges::equal(map(place).view(), bytes) ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(NodeData, OutlivesItsOwnerWhereItIsMapped) {
  const Bytes bytes = example();
  SharedBytes mapped;
  message::SharedPlace place;
  {
    const NodeData shared(bytes);
    place = shared.place();
    mapped = map(place);
  }
  EXPECT_TRUE(std::ranges::equal(mapped.view(), bytes));
  EXPECT_THROW(map(place), IncompleteError);
}

TEST(NodeData, RefusesOtherMemoryThanWasNamed) {
  const NodeData shared(example());
  auto place = shared.place();
  place.inode += 1;
  EXPECT_THROW(map(place), IncompleteError);
  place = shared.place();
  place.bytes -= 1;
  EXPECT_THROW(map(place), IncompleteError);
  place = shared.place();
  place.descriptor = 1 << 20;
  EXPECT_THROW(map(place), IncompleteError);
}

TEST(NodeData, NamesThisNodeTheSameEveryTime) {
  EXPECT_EQ(node_name(), node_name());
  EXPECT_NE(node_name().find(host_name()), std::string::npos);
}

}  // namespace
}  // namespace seldon::worker

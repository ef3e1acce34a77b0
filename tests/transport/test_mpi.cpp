// Every rank sends to every rank, itself included; run under mpirun on several numbers of ranks.

#include <algorithm>
#include <chrono>
#include <memory>

#include <gtest/gtest.h>

#include "core/backoff.h"
#include "transport/mpi.h"

namespace seldon::transport {
namespace {

const MpiSession* session = nullptr;  // MPI can be started only once in a process: main() does

/// What the `index`-th message from one peer to another holds; lengths on both sides of the chunk's size, and
/// none.
constexpr std::size_t chunk_bytes = 1000;
const std::vector<std::size_t> lengths{8, 0, 5, 1000, 1001, 0, 2000, 1, 123457, 3, 200000, 999};

Bytes contents(Peer from, Peer to, std::size_t index) {
  Bytes bytes(lengths[index]);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(i * 7 + index * 31 + static_cast<std::size_t>(from * 5 + to * 3));
  return bytes;
}

class MpiTest : public ::testing::Test {
 protected:
  /// Waits for a message, and fails after ten seconds without one.
  static std::optional<Transport::Arrival> receive(Mpi& mpi) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (Backoff backoff; std::chrono::steady_clock::now() < end; backoff.pause())
      if (auto arrival = mpi.poll()) return arrival;
    return std::nullopt;
  }
  static void drain(Mpi& mpi) {
    for (Backoff backoff; !mpi.drained(); backoff.pause()) EXPECT_FALSE(mpi.poll());
  }
  /// No test's messages may reach the next one.
  void TearDown() override { MPI_Barrier(MPI_COMM_WORLD); }
};

TEST_F(MpiTest, DeliversEverythingInOrderWhateverItsLength) {
  Mpi mpi(*session, chunk_bytes);
  for (std::size_t index = 0; index < lengths.size(); ++index)
    for (Peer to = 0; to < mpi.size(); ++to)
      mpi.send(to, static_cast<int>(index), contents(mpi.self(), to, index));

  std::vector<std::size_t> next(static_cast<std::size_t>(mpi.size()), 0);
  for (std::size_t count = 0; count < lengths.size() * next.size(); ++count) {
    const auto arrival = receive(mpi);
    ASSERT_TRUE(arrival) << "after " << count << " messages";
    const std::size_t index = next[static_cast<std::size_t>(arrival->from)]++;
    EXPECT_EQ(arrival->tag, static_cast<int>(index));
    const auto view = arrival->bytes.view();
    EXPECT_EQ(Bytes(view.begin(), view.end()), contents(arrival->from, mpi.self(), index))
        << "message " << index;
  }
  drain(mpi);
}

TEST_F(MpiTest, KeepsWhatIsOnItsWay) {
  Mpi mpi(*session);
  const Peer next = (mpi.self() + 1) % mpi.size(), previous = (mpi.self() + mpi.size() - 1) % mpi.size();
  {
    SharedBytes large(Bytes(std::size_t{20} << 20, static_cast<std::byte>(mpi.self() + 1)));
    mpi.send(next, 1, large);
  }
  const auto arrival = receive(mpi);
  ASSERT_TRUE(arrival);
  EXPECT_EQ(arrival->from, previous);
  ASSERT_EQ(arrival->bytes.view().size(), std::size_t{20} << 20);
  EXPECT_EQ(arrival->bytes.view().front(), static_cast<std::byte>(previous + 1));
  EXPECT_EQ(arrival->bytes.view().back(), static_cast<std::byte>(previous + 1));
  drain(mpi);
}

TEST_F(MpiTest, LeavesWhatIsOnItsWayToMpi) {
  const Peer next = (session->rank() + 1) % session->size();
  {
    Mpi leaving(*session);
    leaving.send(next, 1, Bytes(std::size_t{20} << 20, std::byte{42}));
    EXPECT_FALSE(leaving.drained());
  }
  Mpi mpi(*session);
  const auto arrival = receive(mpi);
  ASSERT_TRUE(arrival);
  EXPECT_TRUE(std::ranges::equal(arrival->bytes.view(), Bytes(std::size_t{20} << 20, std::byte{42})));
}

TEST_F(MpiTest, AnswersASmallMessageThatOvertakesNothing) {
  Mpi mpi(*session, chunk_bytes);
  mpi.send(mpi.self(), 1, Bytes(5000));
  mpi.send(mpi.self(), 2, Bytes(1));
  EXPECT_EQ(receive(mpi)->tag, 1);
  EXPECT_EQ(receive(mpi)->tag, 2);
  drain(mpi);
}

}  // namespace
}  // namespace seldon::transport

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const seldon::transport::MpiSession session;
  seldon::transport::session = &session;
  return RUN_ALL_TESTS();
}

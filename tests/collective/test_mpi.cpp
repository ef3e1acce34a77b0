// Groups of ranks over MPI; run under mpirun on several numbers of ranks.

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <thread>

#include <gtest/gtest.h>
#include <mpi.h>

#include "collective/groups.h"
#include "core/error.h"
#include "transport/mpi.h"

namespace seldon::collective {
namespace {

// MPI can be started only once in a process: main() does.
const transport::MpiSession* session = nullptr;
MpiGroups* groups = nullptr;
Groups* checked_groups = nullptr;  // as programs use them
int world_rank = 0, world_size = 1;

/// Orders a stop at the given tick, and from then on.
class StopAt final : public Progress {
 public:
  explicit StopAt(int tick) : tick_(tick) {}
  Order tick() override { return ++ticks_ >= tick_ ? Order::stop : Order::go; }
  int ticks() const { return ticks_; }

 private:
  int tick_, ticks_ = 0;
};

/// The i-th number of a rank: of all magnitudes and both signs, so that sums depend on their order.
template <class T>
T number(int rank, std::size_t i) {
  const auto mixed = (i + 1) * 0x9E3779B97F4A7C15u + static_cast<std::size_t>(rank + 1) * 0xBF58476D1CE4E5B9u;
  const auto scale = static_cast<int>(mixed >> 59) - 16;
  const auto value = static_cast<double>(mixed >> 20 & 0xFFFFFFFF) / 4294967296.0 - 0.5;
  return static_cast<T>(std::ldexp(value, scale));
}

template <class T>
std::vector<T> numbers(int rank, std::size_t count) {
  std::vector<T> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = number<T>(rank, i);
  return all;
}

template <class T>
constexpr Element element_of() {
  return sizeof(T) == 4 ? Element::float32 : Element::float64;
}

/// Equal as bytes, so that 0 and -0 differ and NaN equals itself.
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return std::ranges::equal(std::as_bytes(std::span(a)), std::as_bytes(std::span(b)));
}

RankGroup everybody(std::uint64_t number) {
  RankGroup group{number, std::vector<Peer>(static_cast<std::size_t>(world_size))};
  std::iota(group.ranks.begin(), group.ranks.end(), 0);
  return group;
}

std::uint64_t next_number() {
  static std::uint64_t number = 0;
  return ++number;
}

class MpiCollectiveTest : public ::testing::Test {
 protected:
  std::unique_ptr<Collective> join_everybody() { return groups->join(everybody(next_number()), go_); }
  Unhindered go_;

  /// No test's messages may reach the next one.
  void TearDown() override { MPI_Barrier(MPI_COMM_WORLD); }
};

// ---- what is computed -------------------------------------------------------------------------------------

template <class T>
void expect_sums_in_the_order_of_ranks(Collective& all) {
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{1000000}}) {
    auto sum = numbers<T>(0, count);
    for (int rank = 1; rank < world_size; ++rank)
      for (std::size_t i = 0; i < count; ++i) sum[i] += number<T>(rank, i);
    auto data = numbers<T>(world_rank, count);
    all.all_reduce(data.data(), count, element_of<T>());
    EXPECT_TRUE(same_bits(data, sum)) << count << " numbers of " << sizeof(T) << " bytes";
  }
}

TEST_F(MpiCollectiveTest, SumsInTheOrderOfRanks) {
  const auto all = join_everybody();
  EXPECT_EQ(all->rank(), world_rank);
  EXPECT_EQ(all->size(), world_size);
  EXPECT_FALSE(all->on_device());
  expect_sums_in_the_order_of_ranks<float>(*all);
  expect_sums_in_the_order_of_ranks<double>(*all);
}

TEST_F(MpiCollectiveTest, TheOrderMatters) {
  // Else the test before would show nothing.
  std::vector<float> forth(1000), back(1000);
  for (std::size_t i = 0; i < forth.size(); ++i) {
    forth[i] = number<float>(0, i) + number<float>(1, i) + number<float>(2, i);
    back[i] = number<float>(2, i) + number<float>(1, i) + number<float>(0, i);
  }
  EXPECT_FALSE(same_bits(forth, back));
}

TEST_F(MpiCollectiveTest, SumsWhatIsNotANumberOnEveryRank) {
  const auto all = join_everybody();
  std::vector<double> data{1, std::numeric_limits<double>::infinity(), 2};
  if (world_rank == world_size - 1) data[0] = std::numeric_limits<double>::quiet_NaN();
  all->all_reduce(data.data(), data.size(), Element::float64);
  EXPECT_TRUE(std::isnan(data[0]));
  EXPECT_EQ(data[1], std::numeric_limits<double>::infinity());
  EXPECT_EQ(data[2], 2.0 * world_size);
}

TEST_F(MpiCollectiveTest, SumsAlikeHoweverItSplitsTheWork) {
  // A short call, in which everybody sums everything, and a long one, in which each sums a part.
  const auto all = join_everybody();
  auto data = numbers<float>(world_rank, 100000);
  std::vector<float> first(data.begin(), data.begin() + 1000);
  all->all_reduce(first.data(), first.size(), Element::float32);
  all->all_reduce(data.data(), data.size(), Element::float32);
  data.resize(first.size());
  EXPECT_TRUE(same_bits(first, data));
}

TEST_F(MpiCollectiveTest, GathersInTheOrderOfMembers) {
  const auto all = join_everybody();
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{300000}}) {
    std::vector<double> expected;
    for (int rank = 0; rank < world_size; ++rank) {
      const auto theirs = numbers<double>(rank, count);
      expected.insert(expected.end(), theirs.begin(), theirs.end());
    }
    std::vector<double> out(expected.size());
    all->all_gather(numbers<double>(world_rank, count).data(), out.data(), count, Element::float64);
    EXPECT_TRUE(same_bits(out, expected)) << count;
  }
}

TEST_F(MpiCollectiveTest, GathersInPlace) {
  const auto all = join_everybody();
  std::vector<float> data(static_cast<std::size_t>(world_size) * 3);
  const auto own = numbers<float>(world_rank, 3);
  std::ranges::copy(own, data.begin() + world_rank * 3);
  all->all_gather(data.data() + world_rank * 3, data.data(), 3, Element::float32);
  for (int rank = 0; rank < world_size; ++rank)
    for (std::size_t i = 0; i < 3; ++i)
      EXPECT_EQ(data[static_cast<std::size_t>(rank) * 3 + i], number<float>(rank, i));
}

TEST_F(MpiCollectiveTest, BroadcastsFromEachMember) {
  const auto all = join_everybody();
  for (int root = 0; root < world_size; ++root) {
    std::vector<std::uint8_t> data(70000, static_cast<std::uint8_t>(world_rank + 1));
    all->broadcast(data.data(), data.size(), Element::uint8, root);
    EXPECT_EQ(std::ranges::count(data, static_cast<std::uint8_t>(root + 1)), 70000);
    double scalar = world_rank;
    all->broadcast(&scalar, 1, Element::float64, root);
    EXPECT_EQ(scalar, root);
  }
  EXPECT_THROW(all->broadcast(nullptr, 0, Element::uint8, world_size), InternalError);
}

TEST_F(MpiCollectiveTest, KeepsCallsApart) {
  const auto all = join_everybody();
  for (int call = 0; call < 200; ++call) {
    // One member after the other is late.
    if (call % 50 == 0 && call / 50 == world_rank) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::vector<double> data(static_cast<std::size_t>(1 + call * 37 % 500), call + world_rank);
    all->all_reduce(data.data(), data.size(), Element::float64);
    const double expected = world_size * call + world_size * (world_size - 1) / 2.0;
    EXPECT_EQ(std::ranges::count(data, expected), std::ssize(data)) << call;
  }
}

// ---- groups -----------------------------------------------------------------------------------------------

TEST_F(MpiCollectiveTest, GroupsOfSomeRanksWorkAtTheSameTime) {
  if (world_size < 4) return;
  const std::uint64_t number = next_number() * 2;
  next_number();
  const bool odd = world_rank % 2 == 1;
  const RankGroup group{number + (odd ? 1 : 0), odd ? std::vector<Peer>{3, 1} : std::vector<Peer>{0, 2}};
  const auto mine = groups->join(group, go_);
  EXPECT_EQ(mine->size(), 2);
  EXPECT_EQ(group.ranks[static_cast<std::size_t>(mine->rank())], world_rank);
  double member = world_rank;
  std::vector<double> all(2);
  mine->all_gather(&member, all.data(), 1, Element::float64);
  EXPECT_EQ(all,
            (std::vector<double>{static_cast<double>(group.ranks[0]), static_cast<double>(group.ranks[1])}));
  double sum = world_rank;
  mine->all_reduce(&sum, 1, Element::float64);
  EXPECT_EQ(sum, odd ? 4 : 2);
}

TEST_F(MpiCollectiveTest, RefusesAGroupWithoutThisRank) {
  EXPECT_THROW(groups->join({next_number(), {world_size}}, go_), InternalError);
}

TEST_F(MpiCollectiveTest, JoinsOnHostsWhereNobodyHasAGpu) {
  const auto all = checked_groups->join(everybody(next_number()), {}, go_);
  EXPECT_FALSE(all->on_device());
  double sum = 1;
  all->all_reduce(&sum, 1, Element::float64);
  EXPECT_EQ(sum, world_size);
}

TEST_F(MpiCollectiveTest, RefusesAGroupThatIsHalfOnGpus) {
  if (world_size < 2) return;
  const Memory memory{world_rank == 1 ? 0 : -1, [] { return nullptr; }};
  try {
    checked_groups->join(everybody(next_number()), memory, go_);
    FAIL() << "joined";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("rank 1 computes on a GPU and rank "), std::string::npos)
        << error.what();
  }
}

TEST_F(MpiCollectiveTest, TellsThatMembersMadeDifferentCalls) {
  if (world_size < 2) return;
  // Who does not see it is told to stop, as rank 0 does once another member has failed.
  StopAt later(1000);
  const auto all = groups->join(everybody(next_number()), later);
  std::vector<float> data(10);
  bool seen = false;
  try {
    all->all_reduce(data.data(), world_rank == 0 ? 10 : 9, Element::float32);
  } catch (const InternalError& error) {
    EXPECT_STREQ(error.what(), "members of a group have made a call with different counts");
    seen = true;
  } catch (const Stopped&) {
  }
  EXPECT_TRUE(seen || (world_rank != 0 && world_size > 2));
}

// ---- orders to stop ---------------------------------------------------------------------------------------

TEST_F(MpiCollectiveTest, StopsBeforeACall) {
  StopAt stop(1);
  const auto all = groups->join(everybody(next_number()), stop);
  double data = 1;
  EXPECT_THROW(all->all_reduce(&data, 1, Element::float64), Stopped);
  EXPECT_THROW(all->broadcast(&data, 1, Element::float64, 0), Stopped);
  EXPECT_THROW(all->all_gather(&data, &data, 1, Element::float64), Stopped);
  EXPECT_THROW(all->check(), Stopped);
  EXPECT_EQ(data, 1);
}

/// A group in which one member never takes part, the others are told to stop in the middle of a call, and
/// what they sent is of another value than all that follows.
void stop_in_the_middle(std::size_t count, int absent) {
  StopAt stop(200);
  const auto all = groups->join(everybody(next_number()), stop);
  if (world_rank == absent) return;
  std::vector<double> data(count, -1e9);
  EXPECT_THROW(all->all_reduce(data.data(), count, Element::float64), Stopped);
  EXPECT_EQ(stop.ticks(), 200);
  EXPECT_THROW(all->all_reduce(data.data(), count, Element::float64), Stopped);
  EXPECT_EQ(std::ranges::count(data, -1e9), std::ssize(data)) << "a stopped call has changed its data";
}

TEST_F(MpiCollectiveTest, StopsInTheMiddleAndTheNextGroupIsUnharmed) {
  if (world_size < 2) return;
  // Small messages leave at once, large ones wait for their receiver for ever.
  for (const std::size_t count : {std::size_t{3}, std::size_t{1000000}})
    for (int absent = 0; absent < world_size; ++absent) {
      stop_in_the_middle(count, absent);
      const auto next = join_everybody();
      std::vector<double> data(count, world_rank);
      next->all_reduce(data.data(), count, Element::float64);
      EXPECT_EQ(std::ranges::count(data, world_size * (world_size - 1) / 2.0), std::ssize(data));
    }
}

TEST_F(MpiCollectiveTest, StopsAllAtDifferentMoments) {
  if (world_size < 2) return;
  for (int round = 0; round < 5; ++round) {
    StopAt stop(20 + 37 * world_rank + 11 * round);
    const auto all = groups->join(everybody(next_number()), stop);
    std::vector<double> data(50000, -1e9);
    const auto without_end = [&] {
      while (true) all->all_reduce(data.data(), data.size(), Element::float64);
    };
    EXPECT_THROW(without_end(), Stopped);
  }
  const auto next = join_everybody();
  double sum = world_rank;
  next->all_reduce(&sum, 1, Element::float64);
  EXPECT_EQ(sum, world_size * (world_size - 1) / 2.0);
}

TEST_F(MpiCollectiveTest, LetsGoOfWhatStoppedGroupsHaveLeft) {
  if (world_size < 2) return;
  stop_in_the_middle(1000000, 0);
  MPI_Barrier(MPI_COMM_WORLD);
  // Each later group takes in what earlier ones have sent to its members.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  double left = 1;
  while (left > 0 && std::chrono::steady_clock::now() < end) {
    const auto next = join_everybody();
    left = static_cast<double>(groups->unfinished());
    next->all_reduce(&left, 1, Element::float64);
  }
  EXPECT_EQ(left, 0);
}

TEST_F(MpiCollectiveTest, ATransportBesideItSeesNoneOfIt) {
  // The worker looks at any message of the transport while a member waits.
  class Looking final : public Progress {
   public:
    explicit Looking(transport::Mpi& mpi) : mpi_(&mpi) {}
    Order tick() override {
      while (auto arrival = mpi_->poll()) tags.push_back(arrival->tag);
      return Order::go;
    }
    std::vector<int> tags;

   private:
    transport::Mpi* mpi_;
  };
  transport::Mpi mpi(*session);
  Looking looking(mpi);
  const auto all = groups->join(everybody(next_number()), looking);
  mpi.send((world_rank + 1) % world_size, 42, Bytes(8));
  for (int call = 0; call < 50; ++call) {
    std::vector<double> data(static_cast<std::size_t>(call) * 1000 + 1, 1);
    all->all_reduce(data.data(), data.size(), Element::float64);
    EXPECT_EQ(data.back(), world_size);
  }
  for (int looks = 0; (looking.tags.empty() || !mpi.drained()) && looks < 10000; ++looks) {
    looking.tick();
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  EXPECT_EQ(looking.tags, std::vector<int>{42});
}

}  // namespace
}  // namespace seldon::collective

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  using namespace seldon::collective;
  const seldon::transport::MpiSession mpi;
  Groups own_checked_groups;
  MpiGroups own_groups;
  session = &mpi;
  checked_groups = &own_checked_groups;
  groups = &own_groups;
  world_rank = mpi.rank();
  world_size = mpi.size();
  return RUN_ALL_TESTS();
}

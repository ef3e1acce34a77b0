// What this room asks of NCCL and when, and what becomes of its answers; NCCL itself is played.

#include <cstdlib>
#include <cstring>
#include <optional>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collective/nccl.h"
#include "core/error.h"
#include "fake_nccl.h"

namespace seldon::collective {
namespace {

using namespace std::chrono_literals;
using test::fake;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// The other way to the members: what the first one sends is 'h' for the others, and kept for itself.
class Hosts final : public Collective {
 public:
  Hosts(int rank, int size) : rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  bool on_device() const override { return false; }
  void all_reduce(void*, std::size_t, Element) override { FAIL(); }
  void all_gather(const void*, void*, std::size_t, Element) override { FAIL(); }
  void broadcast(void* data, std::size_t count, Element element, int root) override {
    EXPECT_EQ(root, 0);
    sent = static_cast<const char*>(data)[0];
    if (rank_ != 0) std::memset(data, 'h', count * size_of(element));
  }
  void check() override {}
  std::optional<char> sent;

 private:
  int rank_, size_;
};

class StopAt final : public Progress {
 public:
  Order tick() override { return ++ticks >= stop_at ? Order::stop : Order::go; }
  int stop_at = 1 << 30, ticks = 0;
};

class NcclTest : public ::testing::Test {
 protected:
  void SetUp() override { fake() = {}; }
  void TearDown() override { EXPECT_FALSE(fake().alive) << "a communicator was left behind"; }

  std::unique_ptr<Collective> join(std::chrono::milliseconds patience = 20s) {
    return join_nccl(hosts_, memory_, progress_, patience);
  }
  /// Joined; what was asked until then is forgotten.
  std::unique_ptr<Collective> joined(std::chrono::milliseconds patience = 20s) {
    auto collective = join(patience);
    fake().calls.clear();
    fake().looks = progress_.ticks = 0;
    return collective;
  }
  static void expect_aborted() { EXPECT_THAT(fake().calls, ElementsAre("abort")); }

  std::uintptr_t stream_ = 3;
  Memory memory_{2, [this] { return reinterpret_cast<void*>(stream_); }};
  Hosts hosts_{0, 4};
  StopAt progress_;
};

// ---- joining ----------------------------------------------------------------------------------------------

TEST_F(NcclTest, TheFirstMemberMakesTheId) {
  const auto collective = join();
  EXPECT_THAT(fake().calls, ElementsAre("choose GPU 2", "make an id", "join iii as 0 of 4"));
  EXPECT_EQ(hosts_.sent, 'i');
  EXPECT_EQ(collective->rank(), 0);
  EXPECT_EQ(collective->size(), 4);
  EXPECT_TRUE(collective->on_device());
}

TEST_F(NcclTest, OthersJoinByTheIdOfTheFirst) {
  hosts_ = Hosts(3, 4);
  const auto collective = join();
  EXPECT_THAT(fake().calls, ElementsAre("choose GPU 2", "join hhh as 3 of 4"));
}

TEST_F(NcclTest, JoiningAsksForOrdersWhileItWaits) {
  fake().answers = {ncclSuccess, ncclSuccess, ncclInProgress};
  fake().states = std::deque<ncclResult_t>(5, ncclInProgress);
  const auto collective = join();
  EXPECT_EQ(fake().blocking, 0);
  EXPECT_EQ(fake().looks, 6);
  EXPECT_EQ(progress_.ticks, 5);
}

TEST_F(NcclTest, AStopWhileJoiningAborts) {
  fake().states = std::deque<ncclResult_t>(100, ncclInProgress);
  progress_.stop_at = 3;
  EXPECT_THROW(join(), Stopped);
  EXPECT_EQ(fake().looks, 3);
  EXPECT_EQ(fake().calls.back(), "abort");
}

TEST_F(NcclTest, TellsOfAGpuThatIsNotThere) {
  fake().device_error = cudaErrorInvalidDevice;
  try {
    join();
    FAIL() << "joined";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), StartsWith("GPU 2 cannot be used: invalid device ordinal; "));
  }
}

TEST_F(NcclTest, TellsOfTwoMembersOnOneGpu) {
  fake().states = {ncclInProgress, ncclInvalidUsage};
  fake().last_error = "Duplicate GPU detected";
  try {
    join();
    FAIL() << "joined";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("invalid usage (Duplicate GPU detected); every rank of a group needs"));
  }
  EXPECT_EQ(fake().calls.back(), "abort");
}

TEST_F(NcclTest, TellsWhyThereIsNoId) {
  fake().answers = {ncclSuccess, ncclSystemError};
  fake().last_error = "no socket interface found";
  try {
    join();
    FAIL() << "joined";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("unhandled system error (no socket interface found)"));
  }
  EXPECT_FALSE(hosts_.sent);
}

TEST_F(NcclTest, AJoinThatIsRefusedAtOnceLeavesNothing) {
  fake().answers = {ncclSuccess, ncclSuccess, ncclInvalidUsage};
  EXPECT_THROW(join(), InputError);
  EXPECT_EQ(fake().calls.back(), "join iii as 0 of 4");
}

// ---- calls ------------------------------------------------------------------------------------------------

TEST_F(NcclTest, EnqueuesOnTheStreamThatIsCurrent) {
  const auto collective = joined();
  collective->all_reduce(nullptr, 7, Element::float32);
  stream_ = 8;
  collective->all_gather(nullptr, nullptr, 5, Element::float64);
  collective->broadcast(nullptr, 6, Element::uint8, 2);
  EXPECT_THAT(fake().calls, ElementsAre("all_reduce 7 float32 on 3", "all_gather 5 float64 on 8",
                                        "broadcast from 2 6 uint8 on 8"));
  EXPECT_EQ(progress_.ticks, 3);
  EXPECT_THROW(collective->broadcast(nullptr, 6, Element::uint8, 4), InternalError);
}

TEST_F(NcclTest, ACallThatGoesOnInTheBackgroundIsAwaited) {
  const auto collective = joined();
  fake().answers = {ncclInProgress};
  fake().states = {ncclSuccess, ncclInProgress, ncclInProgress};
  collective->all_reduce(nullptr, 1, Element::float64);
  EXPECT_EQ(fake().looks, 4);
  EXPECT_EQ(progress_.ticks, 3);
}

TEST_F(NcclTest, AStopWhileACallIsSetUpAborts) {
  auto collective = joined();
  fake().answers = {ncclInProgress};
  fake().states = {ncclSuccess, ncclInProgress, ncclInProgress, ncclInProgress};
  progress_.stop_at = 3;
  EXPECT_THROW(collective->all_reduce(nullptr, 1, Element::float64), Stopped);
  collective.reset();
  EXPECT_THAT(fake().calls, ElementsAre("all_reduce 1 float64 on 3", "abort"));
}

TEST_F(NcclTest, NothingIsEnqueuedAfterAStop) {
  auto collective = joined();
  progress_.stop_at = 1;
  EXPECT_THROW(collective->check(), Stopped);
  progress_.stop_at = 1 << 30;
  EXPECT_THROW(collective->all_reduce(nullptr, 1, Element::float64), Stopped);
  EXPECT_THROW(collective->all_gather(nullptr, nullptr, 1, Element::float64), Stopped);
  EXPECT_THROW(collective->broadcast(nullptr, 1, Element::float64, 0), Stopped);
  EXPECT_THROW(collective->check(), Stopped);
  collective.reset();
  expect_aborted();
}

// ---- errors -----------------------------------------------------------------------------------------------

TEST_F(NcclTest, AnErrorOfNcclsIsToldWithItsReason) {
  auto collective = joined(20ms);
  fake().states = {ncclRemoteError};
  fake().last_error = "socket closed by peer";
  try {
    collective->check();
    FAIL() << "went on";
  } catch (const IncompleteError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("remote process exited or there was a network error (socket closed by peer); "));
  }
  EXPECT_GT(progress_.ticks, 2) << "rank 0 was not asked";
  collective.reset();
  expect_aborted();
}

TEST_F(NcclTest, AnErrorThatADeathBringsAboutIsAStop) {
  auto collective = joined();
  fake().states = {ncclSuccess, ncclRemoteError};
  fake().answers = {ncclInProgress};
  progress_.stop_at = 30;
  EXPECT_THROW(collective->all_reduce(nullptr, 1, Element::float32), Stopped);
  EXPECT_EQ(progress_.ticks, 30);
  collective.reset();
  EXPECT_EQ(fake().calls.back(), "abort");
}

TEST_F(NcclTest, AnErrorBeforeACallKeepsItFromBeingEnqueued) {
  auto collective = joined(5ms);
  fake().states = {ncclSystemError};
  EXPECT_THROW(collective->all_reduce(nullptr, 1, Element::float32), IncompleteError);
  collective.reset();
  expect_aborted();
}

TEST_F(NcclTest, NothingIsEnqueuedAfterAnError) {
  auto collective = joined(5ms);
  fake().states = {ncclSystemError};
  EXPECT_THROW(collective->check(), IncompleteError);
  EXPECT_THROW(collective->all_reduce(nullptr, 1, Element::float32), IncompleteError);
  EXPECT_THROW(collective->check(), IncompleteError);
  collective.reset();
  expect_aborted();
}

TEST_F(NcclTest, AnErrorOfTheCallItselfIsToldToo) {
  auto collective = joined(5ms);
  fake().answers = {ncclSystemError};
  EXPECT_THROW(collective->all_reduce(nullptr, 1, Element::float32), IncompleteError);
  collective.reset();
  EXPECT_THAT(fake().calls, ElementsAre("all_reduce 1 float32 on 3", "abort"));
}

// ---- the end ----------------------------------------------------------------------------------------------

TEST_F(NcclTest, EndsTogetherWithTheOthers) {
  auto collective = joined();
  fake().answers = {ncclInProgress};
  fake().states = {ncclInProgress, ncclInProgress};
  collective.reset();
  EXPECT_THAT(fake().calls, ElementsAre("finalize", "destroy"));
  EXPECT_EQ(fake().looks, 3);
  EXPECT_EQ(progress_.ticks, 2);
}

TEST_F(NcclTest, AStopAtTheEndAborts) {
  auto collective = joined();
  fake().answers = {ncclInProgress};
  fake().states = std::deque<ncclResult_t>(100, ncclInProgress);
  progress_.stop_at = 4;
  collective.reset();
  EXPECT_THAT(fake().calls, ElementsAre("finalize", "abort"));
}

TEST_F(NcclTest, AnErrorAtTheEndAborts) {
  auto collective = joined(5ms);
  fake().answers = {ncclRemoteError};
  collective.reset();
  EXPECT_THAT(fake().calls, ElementsAre("finalize", "abort"));
}

TEST_F(NcclTest, AnExceptionElsewhereAborts) {
  try {
    const auto collective = joined();
    throw std::runtime_error("out of memory");
  } catch (const std::runtime_error&) {
  }
  expect_aborted();
}

// ---- the rest ---------------------------------------------------------------------------------------------

TEST_F(NcclTest, TellsItsVersion) {
  EXPECT_EQ(loaded_nccl(), "2.28.9");
}

TEST_F(NcclTest, SumsAreRepeatableUnlessTheUserChooses) {
  unsetenv("NCCL_ALGO");
  prefer_repeatable_sums();
  EXPECT_STREQ(std::getenv("NCCL_ALGO"), "Ring");
  setenv("NCCL_ALGO", "Tree", 1);
  prefer_repeatable_sums();
  EXPECT_STREQ(std::getenv("NCCL_ALGO"), "Tree");
  unsetenv("NCCL_ALGO");
}

}  // namespace
}  // namespace seldon::collective

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/fault_point.h"
#include "programs/run_sink.h"
#include "tests/store/example.h"

namespace seldon::programs {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr double seconds_between_syncs = 10;

class StoreSinkTest : public testing::Test {
 protected:
  ~StoreSinkTest() override { fault_hook = nullptr; }
  store::example::Folder folder_;
  store::Writer writer_ = store::Writer::create(folder_.file(), store::example::header());
  PackLog pack_log_{folder_.file()};
  Tally tally_{writer_.header(), [this] {
                 std::vector<RecordLayout> layouts;
                 for (std::uint32_t model = 0; model < writer_.header().models.size(); ++model)
                   layouts.push_back(writer_.layout(model));
                 return layouts;
               }()};
  StoreSink store_{writer_, pack_log_, tally_};
  RunSink sink_{{&store_}, seconds_between_syncs, [](std::uint32_t, const std::exception_ptr& error) {
                  std::rethrow_exception(error);
                }};

  /// Only what has changed is synced.
  void change() { sink_.write(store::example::report(writer_, {0, 0, 0, 1})); }
};

TEST_F(StoreSinkTest, SyncsInAThreadThatTakesNoSignals) {
  static std::atomic<int> syncs, taken;
  static std::thread::id here;
  syncs = taken = 0;
  here = std::this_thread::get_id();
  fault_hook = [](std::string_view point) {
    if (point != "store.during-sync" || std::this_thread::get_id() == here) return;
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) taken += sigismember(&blocked, signal) == 0;
    ++syncs;
  };
  change();
  for (const double now : {100.0, 105.0, 110.5, 111.0}) sink_.sync_now_and_then(now);
  sink_.sync();  // waits for the thread
  EXPECT_EQ(syncs, 1);
  EXPECT_EQ(taken, 0);
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  EXPECT_EQ(sigismember(&blocked, SIGTERM), 0) << "the thread that turns still takes signals";
}

TEST_F(StoreSinkTest, TellsOfAFailedSyncAtTheNextTurn) {
  static std::atomic<bool> failed;
  failed = false;
  fault_hook = [](std::string_view point) {
    if (point != "store.during-sync") return;
    failed = true;
    throw IncompleteError("the disk is gone");
  };
  change();
  sink_.sync_now_and_then(100);
  sink_.sync_now_and_then(110.5);
  while (!failed) std::this_thread::yield();
  EXPECT_THAT(
      [&] {
        for (int turn = 0; turn < 10'000; ++turn) {
          sink_.sync_now_and_then(110.6);  // long before the next one
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      },
      ThrowsMessage<IncompleteError>(HasSubstr("the disk is gone")));
  EXPECT_THROW(store_.write(store::example::report(writer_, {0, 0, 0, 0})), IncompleteError);
}

}  // namespace
}  // namespace seldon::programs

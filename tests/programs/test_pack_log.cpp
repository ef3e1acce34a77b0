#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdlib.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "programs/logging.h"
#include "programs/pack_log.h"

namespace seldon::programs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

store::PackRow row(int rank, std::uint32_t first_trial) {
  store::PackRow row;
  row.start = 100;
  row.end = 101;
  row.rank = rank;
  row.host = "node1";
  row.model = "qsa";
  row.fraction = 0.5;
  row.first_trial = first_trial;
  row.width = row.wanted = row.done = 25;
  return row;
}

class PackLogTest : public testing::Test {
 protected:
  PackLogTest() {
    auto name = (std::filesystem::temp_directory_path() / "seldon-packs-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
    folder_ = name;
    store_ = folder_ + "/store.h5";
  }
  ~PackLogTest() override { std::filesystem::remove_all(folder_); }
  std::uintmax_t bytes() const { return std::filesystem::file_size(store::pack_rows_path(store_)); }
  std::string folder_, store_;
};

TEST_F(PackLogTest, KeepsEveryPackOfEveryRun) {
  for (std::uint32_t run = 0; run < 2; ++run) {
    PackLog log(store_);
    log.run_begins({90, true, "node1", "4711", run, 2});
    log.pack_ended(row(1, 25 * run));
    log.run_ends({110, true, "node1", "4711", run, 2});
  }
  const auto rows = store::read_pack_rows(store_);
  EXPECT_THAT(rows.packs, ElementsAre(row(1, 0), row(1, 25)));
  ASSERT_EQ(rows.runs.size(), 4u);
  EXPECT_TRUE(rows.runs[2].begins);
  EXPECT_FALSE(rows.runs[3].begins);
  EXPECT_EQ(rows.runs[3].restarts, 1u);
}

TEST_F(PackLogTest, SecondsOfCellsGoToThePackOfTheirWorker) {
  PackLog log(store_);
  RunInfo run;
  run.rank = 1;
  run.seconds_selection = 2;
  run.seconds_safety = 0.25;
  run.seconds_evaluation = 0.5;
  log.cell_recorded(run);
  log.cell_recorded(run);
  run.rank = 2;
  log.cell_recorded(run);
  log.pack_ended(row(1, 0));
  log.pack_ended(row(1, 25));
  log.pack_ended(row(2, 50));
  log.write();
  const auto packs = store::read_pack_rows(store_).packs;
  EXPECT_EQ(packs[0].seconds, (store::PackSeconds{4, 0.5, 1}));
  EXPECT_EQ(packs[1].seconds, std::nullopt);
  EXPECT_EQ(packs[2].seconds, (store::PackSeconds{2, 0.25, 0.5}));
}

TEST_F(PackLogTest, GathersLinesUntilItIsTime) {
  PackLog log(store_);
  log.write_now_and_then(1000);
  log.pack_ended(row(1, 0));
  log.write_now_and_then(1000.4);
  EXPECT_EQ(bytes(), 0u);
  log.write_now_and_then(1000.6);
  const auto line = bytes();
  EXPECT_GT(line, 0u);
  for (std::size_t written = 0; written < 2 * PackLog::bytes_between_writes; written += line)
    log.pack_ended(row(1, 0));
  EXPECT_GT(bytes(), PackLog::bytes_between_writes);
  EXPECT_EQ(store::read_pack_rows(store_).unreadable, 0u);  // whole lines at a time
}

TEST_F(PackLogTest, StartsANewLineAfterOneThatWasCutShort) {
  std::ofstream(store::pack_rows_path(store_)) << R"({"start":1)";
  { PackLog(store_).pack_ended(row(1, 0)); }
  const auto rows = store::read_pack_rows(store_);
  EXPECT_THAT(rows.packs, ElementsAre(row(1, 0)));
  EXPECT_EQ(rows.unreadable, 1u);
}

TEST_F(PackLogTest, FailureIsSaidOnceAndEndsNothing) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "needs /dev/full";
  std::filesystem::create_symlink("/dev/full", store::pack_rows_path(store_));
  testing::internal::CaptureStderr();
  set_up_logging(0, "", false);
  for (const auto& store : {store_, std::string("/no/such/folder/store.h5")}) {
    PackLog log(store);
    for (int i = 0; i < 3; ++i) {
      log.pack_ended(row(1, 0));
      log.write();
    }
  }
  const auto said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, HasSubstr("No space left on device"));
  EXPECT_THAT(said, HasSubstr("No such file or directory"));
  std::size_t times = 0;
  for (auto at = said.find("the run goes on"); at != std::string::npos;
       at = said.find("the run goes on", at + 1))
    ++times;
  EXPECT_EQ(times, 2u);
}

TEST_F(PackLogTest, IsCheap) {
  PackLog log(store_);
  constexpr int packs = 20000;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < packs; ++i) log.pack_ended(row(i % 100, 0));
  log.write();
  const std::chrono::duration<double, std::micro> all = std::chrono::steady_clock::now() - start;
  RecordProperty("microseconds", std::to_string(all.count() / packs));
  EXPECT_LT(all.count() / packs, 40);  // 2 on an idle core; sanitized builds and busy machines are slower
}

}  // namespace
}  // namespace seldon::programs

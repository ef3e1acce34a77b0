#include <chrono>
#include <filesystem>
#include <fstream>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "example.h"
#include "store/live_status.h"

namespace seldon::store {
namespace {

using testing::HasSubstr;

LiveStatus full() {
  LiveStatus status;
  status.job = "4711";
  status.restarts = 2;
  status.host = "node1";
  status.pid = 123;
  status.process_start = 456789;
  status.heartbeat = 1700000002.5;
  status.started = 1700000000;
  status.ends_at = 1700003600;
  status.cells_by_state = {1, 2, 3, 4, 5, 6};
  status.cells = 21;
  status.rate = 61.25;
  status.seconds_left = 17.5;
  status.workers = {{1, "node1", "busy", LivePack{"qsa", 0.1, 25, 25}, 1.5, 70, 1},
                    {2, "node2", "idle", std::nullopt, 0.25, 0, 0}};
  status.reason = "all workers are being restarted";
  status.exit_code = 3;
  return status;
}

class LiveStatusTest : public testing::Test {
 protected:
  void put(const std::string& text) { std::ofstream(live_status_path(store_), std::ios::binary) << text; }
  std::string refusal() {
    try {
      read_live_status(store_);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }
  example::Folder folder_;
  std::string store_ = folder_.file();
};

TEST_F(LiveStatusTest, ReadsWhatWasWritten) {
  LiveStatusFile(store_).write(full());
  auto expected = full();
  expected.workers_in_all = 2;
  expected.phases = {{"busy", 1}, {"idle", 1}};
  EXPECT_EQ(read_live_status(store_), expected);
  EXPECT_FALSE(std::filesystem::exists(live_status_path(store_) + ".part"));
}

TEST_F(LiveStatusTest, LiesBesideTheFileThatALinkLeadsTo) {
  std::ofstream(store_) << "a store";
  const std::string link = folder_.file("link.h5");
  std::filesystem::create_symlink(store_, link);
  LiveStatusFile(link).write(full());
  EXPECT_THAT(folder_.names(), testing::UnorderedElementsAre("store.h5", "link.h5", "store.h5.live.json"));
  EXPECT_EQ(read_live_status(link), read_live_status(store_));
}

TEST_F(LiveStatusTest, WhatIsNotKnownStaysSo) {
  LiveStatus status;
  status.seconds_left = std::numeric_limits<double>::quiet_NaN();  // JSON has none
  LiveStatusFile(store_).write(status);
  status.seconds_left.reset();
  EXPECT_EQ(read_live_status(store_), status);
}

TEST_F(LiveStatusTest, NoFileIsNoStatus) {
  EXPECT_EQ(read_live_status(store_), std::nullopt);
  EXPECT_EQ(read_live_status("/no/such/folder/store.h5"), std::nullopt);
}

TEST_F(LiveStatusTest, BytesThatAreNoTextDoNotBreakIt) {
  auto status = full();
  status.reason = "\xFF\"\n";
  LiveStatusFile(store_).write(status);
  EXPECT_EQ(read_live_status(store_)->reason, "\uFFFD\"\n");
}

TEST_F(LiveStatusTest, ListsAThousandOfTenThousandWorkersAndIsCheap) {
  LiveStatus status;
  for (int rank = 1; rank <= 10000; ++rank)
    status.workers.push_back({rank, "node" + std::to_string(rank / 64), rank % 10 ? "busy" : "idle",
                              LivePack{"qsa", 0.1, 25, 25}, 1.5, 70, 1});
  LiveStatusFile file(store_);
  const auto start = std::chrono::steady_clock::now();
  constexpr int times = 10;
  for (int i = 0; i < times; ++i) file.write(status);
  const std::chrono::duration<double> each = (std::chrono::steady_clock::now() - start) / times;
  RecordProperty("seconds", std::to_string(each.count()));
  EXPECT_LT(each.count(), 0.1);  // 0.005 s on an idle core; sanitized builds and busy machines are slower
  const auto read = read_live_status(store_);
  EXPECT_EQ(read->workers.size(), live_workers_listed);
  EXPECT_EQ(read->workers_in_all, 10000u);
  EXPECT_EQ(read->phases, (std::map<std::string, std::uint64_t>{{"busy", 9000}, {"idle", 1000}}));
}

TEST_F(LiveStatusTest, WriteThatFailsIsWarnedOfOnceAndLeavesNothing) {
  LiveStatusFile file("/proc/store.h5");
  testing::internal::CaptureStdout();  // spdlog's default logger writes there
  EXPECT_NO_THROW(file.write(full()));
  EXPECT_NO_THROW(file.write(full()));
  const auto said = testing::internal::GetCapturedStdout();
  EXPECT_THAT(said, HasSubstr("/proc/store.h5.live.json.part"));
  EXPECT_EQ(said.find("the run goes on"), said.rfind("the run goes on"));
}

TEST_F(LiveStatusTest, FileOfSomethingElseIsRefusedByName) {
  for (const char* text : {"", "{", "[]", "{}", "7", "{\"format\":\"one\"}", "{\"format\":1}",
                           R"({"format":1,"heartbeat":1,"cells_by_state":{"done":"x"},"workers":[]})",
                           R"({"format":1,"heartbeat":1,"cells_by_state":{},"workers":[1]})",
                           R"({"format":1,"heartbeat":1,"cells_by_state":[],"workers":[{"pack":[]}]})"}) {
    put(text);
    EXPECT_THAT(refusal(), HasSubstr("store.h5.live.json' is not what a run writes")) << text;
  }
  put(R"({"format":2})");
  EXPECT_THAT(refusal(), HasSubstr("is of format 2, this program reads 1"));
  std::filesystem::remove(live_status_path(store_));
  std::filesystem::create_directory(live_status_path(store_));
  EXPECT_THAT(refusal(), HasSubstr("Is a directory"));
}

}  // namespace
}  // namespace seldon::store

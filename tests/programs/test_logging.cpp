#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdlib.h>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "core/error.h"
#include "core/log_context.h"
#include "programs/logging.h"

namespace seldon::programs {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Logging : public testing::Test {
 protected:
  Logging() {
    auto name = (std::filesystem::temp_directory_path() / "seldon-logging-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
    folder_ = name;
  }
  ~Logging() override {
    set_up_logging(0, "", false);  // the file is closed before its folder goes
    std::filesystem::remove_all(folder_);
  }
  std::string folder_;
};

TEST_F(Logging, RecordsCarryTheRankAndWhatItWorksOn) {
  set_up_logging(3, folder_, false);
  {
    const LogScope pack("qsa fraction 0.5 trials 0-24 attempt 2");
    spdlog::warn("inner");
  }
  spdlog::warn("outer");
  const auto text = text_of(folder_ + "/seldon-3.log");
  EXPECT_THAT(text, HasSubstr(" rank 3 [qsa fraction 0.5 trials 0-24 attempt 2] warning inner\n"));
  EXPECT_THAT(text, HasSubstr(" rank 3 [-] warning outer\n"));
  EXPECT_THAT(text, ContainsRegex("rank 3 \\[-\\] debug process [0-9]+ starts\n"));
}

TEST_F(Logging, ScopesOfThreadsAreTheirOwnAndNest) {
  const LogScope outer("outer");
  {
    const LogScope inner("inner");
    EXPECT_EQ(LogScope::current(), "inner");
    std::thread([] { EXPECT_EQ(LogScope::current(), ""); }).join();
  }
  EXPECT_EQ(LogScope::current(), "outer");
}

TEST_F(Logging, WorkersSpeakOnTheTerminalOnlyOfTrouble) {
  testing::internal::CaptureStderr();
  set_up_logging(3, folder_, false);
  const LogScope pack("qsa fraction 0.5 trial 7 attempt 1");
  spdlog::info("all is well");
  spdlog::warn("all is not well");
  const auto text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("rank 3 [qsa fraction 0.5 trial 7 attempt 1] warning all is not well\n"));
  EXPECT_THAT(text, Not(HasSubstr("all is well")));
}

TEST_F(Logging, RestartAppends) {
  set_up_logging(3, folder_, false);
  spdlog::warn("the first run");
  set_up_logging(3, folder_, false);
  spdlog::warn("the second run");
  const auto text = text_of(folder_ + "/seldon-3.log");
  EXPECT_THAT(text, HasSubstr("the first run"));
  EXPECT_THAT(text, HasSubstr("the second run"));
}

TEST_F(Logging, QuietRecordsReachTheFileSoon) {
  set_up_logging(3, folder_, false);
  spdlog::debug("a detail");
  const auto latest = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  std::string text;
  while (text.find("a detail") == std::string::npos && std::chrono::steady_clock::now() < latest) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    text = text_of(folder_ + "/seldon-3.log");
  }
  EXPECT_THAT(text, HasSubstr("a detail"));
}

TEST_F(Logging, FullDiskEndsNoRunAndIsSaidOnce) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "needs /dev/full";
  std::filesystem::create_symlink("/dev/full", folder_ + "/seldon-3.log");
  testing::internal::CaptureStderr();
  set_up_logging(3, folder_, false);
  for (int i = 0; i < 3; ++i) EXPECT_NO_THROW(spdlog::error("trouble {}", i));
  const auto text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("rank 3 logging fails, the run goes on without: "));
  EXPECT_EQ(text.find("logging fails"), text.rfind("logging fails"));
  EXPECT_THAT(text, HasSubstr("trouble 2"));
}

TEST_F(Logging, FolderThatCannotBeMadeIsBadInput) {
  EXPECT_THROW(set_up_logging(0, "/proc/logs", false), InputError);
}

}  // namespace
}  // namespace seldon::programs

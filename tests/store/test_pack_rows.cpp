#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "example.h"
#include "store/pack_rows.h"

namespace seldon::store {
namespace {

PackRow row() {
  PackRow row;
  row.start = 1700000000.25;
  row.end = 1700000012.5;
  row.rank = 7;
  row.host = "node\"1\"\n";
  row.model = "Größe";
  row.fraction = 0.1;
  row.first_trial = 25;
  row.width = 25;
  row.attempt = 2;
  row.wanted = 24;
  row.done = 20;
  row.failed = 4;
  row.how = LeaseEnd::timed_out;
  row.seconds = PackSeconds{10.5, 0.25, 0.125};
  return row;
}

class PackRowsTest : public testing::Test {
 protected:
  void put(const std::string& text) { std::ofstream(pack_rows_path(store_), std::ios::binary) << text; }
  example::Folder folder_;
  std::string store_ = folder_.file();
};

TEST_F(PackRowsTest, ReadsWhatWasWritten) {
  std::string text;
  RunMark begins{1700000000, true, "node1", "4711", 1, 8};
  append_line(text, begins);
  append_line(text, row());
  PackRow plain = row();
  plain.seconds.reset();
  plain.how = LeaseEnd::finished;
  append_line(text, plain);
  RunMark ends{1700000100, false, "node1", "", 0, 8};
  append_line(text, ends);
  EXPECT_EQ(std::ranges::count(text, '\n'), 4);
  put(text);
  const auto rows = read_pack_rows(store_);
  EXPECT_THAT(rows.packs, testing::ElementsAre(row(), plain));
  EXPECT_THAT(rows.runs, testing::ElementsAre(begins, ends));
  EXPECT_EQ(rows.unreadable, 0u);
}

TEST_F(PackRowsTest, LieBesideTheFileThatALinkLeadsTo) {
  std::ofstream(store_) << "a store";
  const std::string link = folder_.file("link.h5");
  std::filesystem::create_symlink(store_, link);
  EXPECT_EQ(pack_rows_path(link), pack_rows_path(store_));
  std::filesystem::current_path(folder_.path());
  EXPECT_EQ(pack_rows_path("link.h5"), pack_rows_path(store_));
  std::filesystem::current_path("/");
}

TEST_F(PackRowsTest, LinesThatAreCutOrForeignAreLeftOutAndCounted) {
  std::string line;
  append_line(line, row());
  std::string wrong = line;
  wrong.replace(wrong.find("timed_out"), 9, "came back");
  std::string text =
      line.substr(0, line.size() / 2) + "\n" + line + wrong + "\n" + "[1]\n{\"run\":1}\nnull\n";
  text += line.substr(0, line.size() - 3);  // being written, or the last that fitted on the disk
  put(text);
  const auto rows = read_pack_rows(store_);
  EXPECT_THAT(rows.packs, testing::ElementsAre(row()));
  EXPECT_TRUE(rows.runs.empty());
  EXPECT_EQ(rows.unreadable, 6u);
}

TEST_F(PackRowsTest, EveryEndHasItsName) {
  for (const auto how :
       {LeaseEnd::finished, LeaseEnd::preempted, LeaseEnd::lost, LeaseEnd::silent, LeaseEnd::timed_out}) {
    PackRow any = row();
    any.how = how;
    std::string text;
    append_line(text, any);
    put(text);
    EXPECT_EQ(read_pack_rows(store_).packs.at(0).how, how);
  }
}

TEST_F(PackRowsTest, NoFileIsRefusedByName) {
  try {
    read_pack_rows(store_);
    FAIL() << "read a file that is not there";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("there is no '" + store_ + ".packs.jsonl'"));
  }
}

}  // namespace
}  // namespace seldon::store

// Disks that are full, become read-only, or go away while a store is written: a clear error, nothing more is
// written, and what was there stays whole.

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sys/mount.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "store/lock.h"
#include "store/merge.h"
#include "store/schema.h"
#include "store/store.h"
#include "store/verify.h"
#include "tests/store/example.h"

namespace seldon::store {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

constexpr CellKey first{0, 0, 0, 0}, second{0, 0, 0, 1};

/// After one failure every way to write is closed.
void expect_silent(Writer& writer) {
  EXPECT_THROW(writer.write(example::report(writer, second)), IncompleteError);
  EXPECT_THROW(writer.set_states(std::span(&second, 1), CellState::leased, 1), IncompleteError);
  EXPECT_THROW(writer.retry_failed(), IncompleteError);
  EXPECT_THROW(writer.extend(example::header(3, 80)), IncompleteError);
  EXPECT_THROW(writer.sync(), IncompleteError);
}

/// A file system of 8 MB.
class FullDisk : public testing::Test {
 protected:
  void SetUp() override {
    mounted_ = ::mount("none", folder_.path().c_str(), "tmpfs", 0, "size=8m") == 0;
    if (!mounted_) GTEST_SKIP() << "mounting a small file system needs root";
  }
  void TearDown() override {
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }
  std::string file(const std::string& name = "store.h5") const { return folder_.file(name); }
  /// Leaves no page free.
  void fill() const {
    std::ofstream filler(file("filler"));
    while (filler << std::string(4096, 'x') << std::flush) continue;
  }
  example::Folder folder_;
  bool mounted_ = false;
};

TEST_F(FullDisk, IsFoundBeforeTheStart) {
  const Header large = example::header(3, 500), small = example::header();
  ASSERT_GT(size_on_disk(large), 8U << 20);
  EXPECT_THAT([&] { Writer::create(file(), large); },
              ThrowsMessage<IncompleteError>(
                  testing::AllOf(HasSubstr("No space left on device"), HasSubstr("make room"))));
  EXPECT_THAT(folder_.names(), IsEmpty());
}

TEST_F(FullDisk, DoesNotHarmAStoreThatHasItsSpace) {
  Writer writer = Writer::create(file(), example::header());
  fill();
  for (CellKey key : example::all_cells(writer.header())) writer.write(example::report(writer, key));
  writer.sync();
  writer.beat();
  EXPECT_TRUE(verify(file()).is_sound());
  EXPECT_EQ(verify(file()).records, 24U);
}

TEST_F(FullDisk, StopsTheWritingOfACopyWithHoles) {
  {
    Writer writer = Writer::create(file(), example::header(3, 40));
    writer.write(example::report(writer, first));
  }
  const Schema schema = read_schema(file());
  const Place& cells = schema.places[1].cells;
  const int descriptor = ::open(file().c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(
      ::fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(cells.offset),
                  static_cast<off_t>(cells.row_bytes * schema.cells_per_model())),
      0);
  ::close(descriptor);
  Writer writer = Writer::open(file());
  fill();
  std::size_t written = 0;
  EXPECT_THAT(
      [&] {
        for (std::uint32_t trial = 0; trial < 40; ++trial, ++written)
          writer.write(example::report(writer, {0, 1, 1, trial}));
      },
      ThrowsMessage<IncompleteError>(AllOf(HasSubstr("No space left on device"), HasSubstr("make room"))));
  const std::string before = digest(file());
  expect_silent(writer);
  EXPECT_EQ(digest(file()), before);
  const auto verification = verify(file());
  EXPECT_EQ(verification.found[static_cast<std::size_t>(Trouble::torn)], 0U);
  EXPECT_EQ(verification.records, 1U + written);

  // Once there is room, the next run goes on.
  std::filesystem::remove(file("filler"));
  { const Writer gone = std::move(writer); }
  Writer next = Writer::open(file());
  next.lose_torn_records();
  for (CellKey key : example::all_cells(next.header())) next.write(example::report(next, key));
  EXPECT_EQ(verify(file()).records, 240U);
}

TEST_F(FullDisk, KeepsTheOldStoreWhereAnExtensionDoesNotFit) {
  Writer writer = Writer::create(file(), example::header());
  writer.write(example::report(writer, first));
  const std::string before = digest(file());
  EXPECT_THAT([&] { writer.extend(example::header(3, 400)); },
              ThrowsMessage<IncompleteError>(HasSubstr("No space left on device")));
  EXPECT_EQ(digest(file()), before);
  EXPECT_THAT(folder_.names(), testing::UnorderedElementsAre("store.h5", "store.h5.lock"));
  expect_silent(writer);
}

TEST_F(FullDisk, LeavesNothingOfAMergeThatDoesNotFit) {
  { const Writer writer = Writer::create(file(), example::header(3, 100)); }
  std::ofstream(file("filler")) << std::string(3 << 20, 'x');
  const std::string input = file();
  EXPECT_THROW(merge(std::span(&input, 1), file("merged.h5")), IncompleteError);
  EXPECT_THAT(folder_.names(), testing::UnorderedElementsAre("store.h5", "filler"));
}

TEST_F(FullDisk, HasNoRoomForALock) {
  { const Writer writer = Writer::create(file(), example::header()); }
  fill();
  EXPECT_THAT([&] { Writer::open(file()); },
              ThrowsMessage<IncompleteError>(
                  AllOf(HasSubstr("No space left on device"), HasSubstr("store.h5.lock"))));
  EXPECT_THAT(folder_.names(), testing::UnorderedElementsAre("store.h5", "filler"));
}

TEST_F(FullDisk, ThatIsUnmountedStopsTheRun) {
  Writer writer = Writer::create(file(), example::header());
  writer.write(example::report(writer, first));
  ASSERT_EQ(::umount2(folder_.path().c_str(), MNT_DETACH), 0);
  mounted_ = false;
  EXPECT_THAT([&] { writer.write(example::report(writer, second)); },
              ThrowsMessage<IncompleteError>(HasSubstr("the file has vanished")));
  expect_silent(writer);
  EXPECT_THROW(writer.beat(), IncompleteError);
  EXPECT_THAT(folder_.names(), IsEmpty()) << "nothing is made where the disk was";
  EXPECT_THROW(Writer::open(file()), InputError);
}

TEST_F(FullDisk, ThatIsReadOnlyIsNoPlaceForARun) {
  { const Writer writer = Writer::create(file(), example::header()); }
  ASSERT_EQ(::mount("none", folder_.path().c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=8m"), 0);
  for (const char* name : {"store.h5", "new.h5"})
    EXPECT_THAT(
        [&] {
          if (name_taken(file(name)))
            Writer::open(file(name));
          else
            Writer::create(file(name), example::header());
        },
        ThrowsMessage<IncompleteError>(AllOf(HasSubstr("Read-only file system"),
                                             HasSubstr("run the same command again"), HasSubstr("--store"))));
  EXPECT_TRUE(verify(file()).is_sound());  // reading needs no lock
}

TEST(BrokenDisk, ARemovedFolderStopsTheRun) {
  const example::Folder folder;
  const std::string inner = folder.file("inner"), path = inner + "/store.h5";
  std::filesystem::create_directory(inner);
  Writer writer = Writer::create(path, example::header());
  writer.write(example::report(writer, first));
  std::filesystem::remove_all(inner);
  EXPECT_THAT([&] { writer.write(example::report(writer, second)); },
              ThrowsMessage<IncompleteError>(HasSubstr("the file has vanished")));
  expect_silent(writer);
  EXPECT_FALSE(std::filesystem::exists(inner));
}

/// An ext4 of 16 MB in a file, which turns read-only when the kernel finds an error in it.
class FailingDisk : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(place_);
    mounted_ = run("truncate -s 16M " + image_ + " && mkfs.ext4 -q " + image_ + " && mount -o loop " +
                   image_ + " " + place_);
    if (!mounted_) GTEST_SKIP() << "making and mounting a file system needs root and loop devices";
  }
  void TearDown() override {
    if (mounted_) run("umount -l " + place_);
  }
  static bool run(const std::string& command) { return std::system((command + " 2>/dev/null").c_str()) == 0; }
  std::string file() const { return place_ + "/store.h5"; }
  example::Folder folder_;
  std::string image_ = folder_.file("image"), place_ = folder_.file("disk");
  bool mounted_ = false;
};

TEST_F(FailingDisk, StopsTheRunAndKeepsWhatWasSynced) {
  const Header header = example::header();
  {
    Writer writer = Writer::create(file(), header);
    writer.write(example::report(writer, first));
    writer.sync();
    ASSERT_TRUE(run("mount -o remount,abort " + place_));
    EXPECT_THAT(
        [&] {
          writer.write(example::report(writer, second));
          writer.sync();
        },
        ThrowsMessage<IncompleteError>(AnyOf(HasSubstr("Read-only file system"), HasSubstr("Input/output"))));
    expect_silent(writer);
  }
  EXPECT_THROW(Writer::open(file()), IncompleteError);  // it is still read-only
  ASSERT_TRUE(run("umount " + place_ + " && mount -o loop " + image_ + " " + place_));
  Writer next = Writer::open(file(), {.take_over = true});  // the lock stayed, and its process is this one
  EXPECT_EQ(next.state(first), CellState::done);
  next.lose_torn_records();
  for (CellKey key : example::all_cells(header)) next.write(example::report(next, key));
  EXPECT_EQ(verify(file()).records, 24U);
}

}  // namespace
}  // namespace seldon::store

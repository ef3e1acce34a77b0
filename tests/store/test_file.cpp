#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "store/file.h"
#include "tests/store/example.h"

namespace seldon::store {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(File, WritesAndReadsAtOffsets) {
  const example::Folder folder;
  File file = File::create(folder.file());
  file.write(10, bytes_of("hello"));
  EXPECT_EQ(file.size(), 15U);
  std::string back(5, ' ');
  file.read(10, std::as_writable_bytes(std::span(back)));
  EXPECT_EQ(back, "hello");
  EXPECT_THAT([&] { file.read(11, std::as_writable_bytes(std::span(back))); },
              ThrowsMessage<InputError>(HasSubstr("cut short")));
}

TEST(File, AllocationFillsTheHoles) {
  const example::Folder folder;
  File file = File::create(folder.file());
  file.write((1 << 20) - 1, bytes_of("x"));
  struct stat status {};
  ::stat(folder.file().c_str(), &status);
  EXPECT_LT(status.st_blocks * 512, 1 << 20);
  file.allocate();
  ::stat(folder.file().c_str(), &status);
  EXPECT_GE(status.st_blocks * 512, 1 << 20);
  EXPECT_EQ(file.size(), 1U << 20);
}

TEST(File, ErrorsSayWhatToDo) {
  const example::Folder folder;
  EXPECT_THAT([&] { File::open(folder.file(), File::Mode::read); },
              ThrowsMessage<InputError>(HasSubstr("there is no store")));
  EXPECT_THAT([&] { File::create(folder.file("none/store.h5")); },
              ThrowsMessage<InputError>(HasSubstr("make it first")));
  File::create(folder.file());
  EXPECT_THAT([&] { File::create(folder.file()); }, ThrowsMessage<IncompleteError>(HasSubstr("File exists")));
}

TEST(RenameNew, NeverReplaces) {
  const example::Folder folder;
  std::ofstream(folder.file("a")) << "a";
  std::ofstream(folder.file("b")) << "b";
  EXPECT_THAT([&] { rename_new(folder.file("a"), folder.file("b")); },
              ThrowsMessage<InputError>(HasSubstr("exists already")));
  std::string text;
  std::ifstream(folder.file("b")) >> text;
  EXPECT_EQ(text, "b");
  rename_new(folder.file("a"), folder.file("c"));
  EXPECT_FALSE(std::filesystem::exists(folder.file("a")));
  EXPECT_TRUE(std::filesystem::exists(folder.file("c")));
  EXPECT_THROW(rename_new(folder.file("a"), folder.file("d")), IncompleteError);
}

}  // namespace
}  // namespace seldon::store

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/output.h"
#include "core/error.h"
#include "example.h"

namespace seldon::analysis {
namespace {

TEST(Output, FolderIsMadeWithThoseAboveItAndMayExist) {
  const example::Folder folder;
  make_folder(folder.path() / "a" / "b");
  make_folder(folder.path() / "a" / "b");
  EXPECT_TRUE(std::filesystem::is_directory(folder.path() / "a" / "b"));
}

TEST(Output, FileInTheWayIsAnInputError) {
  const example::Folder folder;
  write_file(folder.path() / "plots", "");
  EXPECT_THROW(make_folder(folder.path() / "plots"), InputError);
  EXPECT_THROW(make_folder(folder.path() / "plots" / "deeper"), InputError);
}

TEST(Output, FolderThatTakesNoFilesIsAnInputError) {  // /proc takes none, even from root
  try {
    make_folder("/proc/seldon");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("/proc/seldon: cannot be written"));
  }
  EXPECT_THROW(write_file("/proc/seldon.csv", "x"), InputError);
}

TEST(Output, FullDiskIsAnInputError) {
  EXPECT_THROW(write_file("/dev/full", "x"), InputError);
}

TEST(Output, FileIsWrittenOver) {
  const example::Folder folder;
  write_file(folder.path() / "x", "a long text");
  write_file(folder.path() / "x", "short");
  EXPECT_EQ(example::read_file(folder.path() / "x"), "short");
}

}  // namespace
}  // namespace seldon::analysis

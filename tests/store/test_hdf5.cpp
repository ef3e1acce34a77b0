#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/hdf5.h"
#include "tests/store/example.h"

namespace seldon::store {
namespace {

TEST(Hdf5, AnErrorCarriesTheLibrarysOwnWordsAndPrintsNothing) {
  const QuietHdf5 quiet;
  testing::internal::CaptureStderr();
  EXPECT_THAT([] { checked(H5Fopen("/no/such/file.h5", H5F_ACC_RDONLY, H5P_DEFAULT)); },
              testing::ThrowsMessage<Hdf5Error>(testing::HasSubstr("No such file or directory")));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Hdf5, PrintingComesBackAfterwards) {
  H5E_auto2_t before = nullptr, during = nullptr, after = nullptr;
  void* data = nullptr;
  H5Eget_auto2(H5E_DEFAULT, &before, &data);
  {
    const QuietHdf5 quiet;
    H5Eget_auto2(H5E_DEFAULT, &during, &data);
  }
  H5Eget_auto2(H5E_DEFAULT, &after, &data);
  EXPECT_EQ(during, nullptr);
  EXPECT_NE(before, nullptr);
  EXPECT_EQ(after, before);
}

TEST(Hdf5, HandlesCloseOnceAndMove) {
  const example::Folder folder;
  hid_t id;
  {
    Handle first(H5Fcreate(folder.file().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
    id = first;
    const Handle second = std::move(first);
    EXPECT_EQ(second, id);
    EXPECT_GT(H5Iis_valid(id), 0);
  }
  EXPECT_EQ(H5Iis_valid(id), 0);
}

TEST(Hdf5, AttributesComeBack) {
  const example::Folder folder;
  const Handle file(H5Fcreate(folder.file().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  const std::vector<std::string> texts = {"", "Größe", "a b"};
  put_texts(file, "texts", texts);
  put_text(file, "text", "one");
  put_integer(file, "integer", ~std::uint64_t{0});
  put_real(file, "real", 0.1);
  EXPECT_EQ(get_texts(file, "texts"), texts);
  EXPECT_EQ(get_text(file, "text"), "one");
  EXPECT_EQ(get_integer(file, "integer"), ~std::uint64_t{0});
  EXPECT_EQ(get_real(file, "real"), 0.1);
  EXPECT_TRUE(has_attribute(file, "real"));
  EXPECT_FALSE(has_attribute(file, "other"));
  const QuietHdf5 quiet;
  EXPECT_THROW(get_text(file, "texts"), Hdf5Error);
  EXPECT_THROW(get_integer(file, "texts"), Hdf5Error);
  EXPECT_THROW(get_real(file, "other"), Hdf5Error);
}

}  // namespace
}  // namespace seldon::store

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "table/frame.h"

namespace seldon::table {
namespace {

using ::testing::ElementsAre;

FrameParts small_table() {
  FrameParts parts;
  parts.rows = 3;
  parts.preprocessing.label = "y";
  parts.preprocessing.numeric = {{"a"}, {"b"}};
  parts.features = {1, 2, 3, 4, 5, 6};
  parts.labels = {0, 1, 1};
  parts.groups = {
      {"sex", "M", false, {1, 0, 0}}, {"sex", "F", false, {0, 1, 1}}, {"age", "old", true, {1, 1, 0}}};
  parts.content_hash = "abc";
  return parts;
}

void expect_small_table(const Frame& frame) {
  EXPECT_EQ(frame.rows(), 3U);
  EXPECT_EQ(frame.width(), 2U);
  EXPECT_THAT(frame.features(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(frame.labels(), ElementsAre(0, 1, 1));
  EXPECT_TRUE(frame.pixels().empty());
  EXPECT_FALSE(frame.image());
  EXPECT_THAT(frame.feature_names(), ElementsAre("a", "b"));
  EXPECT_THAT(frame.attributes(), ElementsAre("sex", "age"));
  ASSERT_NE(frame.find_group("F"), nullptr);
  EXPECT_THAT(frame.find_group("F")->member, ElementsAre(0, 1, 1));
  EXPECT_EQ(frame.find_group("F")->attribute, "sex");
  EXPECT_TRUE(frame.find_group("old")->overlapping);
  EXPECT_EQ(frame.find_group("X"), nullptr);
  EXPECT_EQ(frame.preprocessing(), small_table().preprocessing);
  EXPECT_EQ(frame.content_hash(), "abc");
}

TEST(Frame, ShowsItsParts) {
  expect_small_table(Frame(small_table()));
}

TEST(Frame, SurvivesBeingSentAndMoved) {
  std::shared_ptr<std::vector<std::byte>> received;
  {
    const Frame original(small_table());
    received = std::make_shared<std::vector<std::byte>>(original.blob().begin(), original.blob().end());
  }
  const Frame first = Frame::from_blob(received, *received);
  expect_small_table(first);
  // Nothing was copied: the views lie in the received bytes, which the frame keeps alive.
  const auto* begin = reinterpret_cast<const std::byte*>(first.features().data());
  EXPECT_GE(begin, received->data());
  EXPECT_LT(begin, received->data() + received->size());
  Frame copy = first;
  received.reset();
  expect_small_table(copy);
}

TEST(Frame, HoldsImagesAsBytes) {
  FrameParts parts;
  parts.rows = 2;
  parts.preprocessing.image = ImageColumn{"pixels", 1, 1, 3};
  parts.pixels = {0, 1, 2, 253, 254, 255};
  const Frame frame(parts);
  EXPECT_EQ(frame.width(), 0U);
  EXPECT_THAT(frame.pixels(), ElementsAre(0, 1, 2, 253, 254, 255));
  EXPECT_EQ(frame.image()->pixels(), 3U);
  EXPECT_FALSE(frame.has_labels());
}

TEST(Frame, RefusesPartsThatDisagree) {
  FrameParts features = small_table(), labels = small_table(), members = small_table();
  features.features.pop_back();
  labels.labels.pop_back();
  members.groups[0].member.pop_back();
  EXPECT_THROW(Frame{features}, InternalError);
  EXPECT_THROW(Frame{labels}, InternalError);
  EXPECT_THROW(Frame{members}, InternalError);
}

TEST(Frame, RefusesBytesThatAreNoFrame) {
  const Frame frame(small_table());
  std::vector<std::byte> bytes(frame.blob().begin(), frame.blob().end());
  const auto open = [&bytes](std::size_t count) {
    return Frame::from_blob(nullptr, std::span(bytes).first(count));
  };
  EXPECT_NO_THROW(open(bytes.size()));
  EXPECT_THROW(open(bytes.size() - 64), InternalError);
  EXPECT_THROW(open(8), InternalError);
  EXPECT_THROW(open(0), InternalError);
  const std::uint64_t huge = ~std::uint64_t{0} / 4;
  for (std::size_t word = 0; word < 7; ++word) {  // each number of the header
    std::vector<std::byte> kept = bytes;
    std::memcpy(bytes.data() + 8 * word, &huge, sizeof huge);
    EXPECT_THROW(open(bytes.size()), InternalError) << "word " << word;
    bytes = kept;
  }
}

}  // namespace
}  // namespace seldon::table

#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

#include "core/wire.h"

namespace seldon {
namespace {

Bytes message() {
  return Writer()
      .put(std::uint8_t{7})
      .put(std::int32_t{-5})
      .put(0.1)
      .put(std::string("Größe"))
      .put(std::string())
      .put(std::vector<std::uint32_t>{1, 2, 3})
      .put(std::vector<double>{})
      .put(std::vector<std::string>{"a", "bc"})
      .take();
}

/// Reads all of it; throws where it ends too early.
void read(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  EXPECT_EQ(reader.get<std::uint8_t>(), 7);
  EXPECT_EQ(reader.get<std::int32_t>(), -5);
  EXPECT_EQ(reader.get<double>(), 0.1);
  EXPECT_EQ(reader.get_string(), "Größe");
  EXPECT_EQ(reader.get_string(), "");
  EXPECT_EQ(reader.get_vector<std::uint32_t>(), (std::vector<std::uint32_t>{1, 2, 3}));
  EXPECT_TRUE(reader.get_vector<double>().empty());
  EXPECT_EQ(reader.get<std::uint64_t>(), 2U);
  EXPECT_EQ(reader.get_string(), "a");
  EXPECT_EQ(reader.get_string(), "bc");
  EXPECT_TRUE(reader.done());
}

TEST(Wire, WhatIsPutComesOut) {
  read(message());
}

TEST(Wire, AMessageCutAnywhereIsRefused) {
  const Bytes whole = message();
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_THROW(read(std::span(whole).first(length)), InternalError) << length << " bytes";
}

TEST(Wire, AbsurdLengthsAreRefused) {
  for (std::uint64_t length :
       {std::uint64_t{9}, std::uint64_t{1} << 61, std::numeric_limits<std::uint64_t>::max()}) {
    const Bytes bytes = Writer().put(length).put(std::uint64_t{0}).take();
    EXPECT_THROW(Reader(bytes).get_string(), InternalError);
    EXPECT_THROW(Reader(bytes).get_vector<double>(), InternalError);
    EXPECT_THROW(Reader(bytes).get_vector<std::uint8_t>(), InternalError);
  }
}

TEST(Wire, ScalarsAreLittleEndian) {
  const Bytes bytes = Writer().put(std::uint32_t{0x01020304}).take();
  EXPECT_EQ(bytes, (Bytes{std::byte{4}, std::byte{3}, std::byte{2}, std::byte{1}}));
}

}  // namespace
}  // namespace seldon

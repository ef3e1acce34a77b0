#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/checksum.h"

namespace seldon {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// The first value is the check value of CRC-64/XZ in the catalogue of parametrised CRCs; the others stand in
// files that xz wrote over the same bytes (Python: lzma.compress(data, check=lzma.CHECK_CRC64)).
TEST(Crc64, AgreesWithXz) {
  EXPECT_EQ(crc64(bytes_of("123456789")), 0x995DC9BBDF1939FAU);
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(crc64(bytes_of(all)), 0x72414B2F65DB3AB0U);
  EXPECT_EQ(crc64(bytes_of(std::string(37, '\0'))), 0x157AE94144F5D6FFU);
  EXPECT_EQ(crc64({}), 0U);
}

TEST(Crc64, GoesOnFromAnyCut) {
  const std::string text = "Seldonian algorithms bound undesirable behaviour";
  const std::uint64_t whole = crc64(bytes_of(text));
  for (std::size_t cut = 0; cut <= text.size(); ++cut)
    EXPECT_EQ(crc64(bytes_of(std::string_view(text).substr(cut)),
                    crc64(bytes_of(std::string_view(text).substr(0, cut)))),
              whole)
        << "cut at " << cut;
}

// Every length around the steps of the faster way, at every alignment, from any value before.
TEST(Crc64, IsTheSameByTablesAndByProducts) {
  std::mt19937_64 random(1);
  std::vector<std::byte> bytes(1200);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  for (std::size_t begin = 0; begin < 17; ++begin)
    for (std::size_t length = 0; begin + length <= bytes.size(); length += length < 300 ? 1 : 37) {
      const auto part = std::span<const std::byte>(bytes).subspan(begin, length);
      const std::uint64_t before = random();
      ASSERT_EQ(crc64(part, before), crc64_by_tables(part, before))
          << length << " bytes from " << begin << " on";
    }
}

TEST(Crc64, ChangesWithEveryBit) {
  std::vector<std::byte> bytes(200, std::byte{0x5A});
  const std::uint64_t before = crc64(bytes);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_NE(crc64(bytes), before) << "bit " << bit;
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

}  // namespace
}  // namespace seldon

#include "core/checksum.h"

#include <array>
#include <bit>
#include <cstring>

namespace seldon {
namespace {

constexpr std::uint64_t polynomial = 0xC96C5795D7870F42;  // ECMA-182, reflected
constexpr int slices = 8;

/// Tables for "slicing by eight": eight bytes a step (Kounavis and Berry, IEEE Trans. Computers 57, 2008).
constexpr auto make_tables() {
  std::array<std::array<std::uint64_t, 256>, slices> tables{};
  for (std::uint64_t byte = 0; byte < 256; ++byte) {
    std::uint64_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? polynomial : 0);
    tables[0][byte] = crc;
  }
  for (int slice = 1; slice < slices; ++slice)
    for (int byte = 0; byte < 256; ++byte) {
      const std::uint64_t previous = tables[slice - 1][byte];
      tables[slice][byte] = (previous >> 8) ^ tables[0][previous & 0xFF];
    }
  return tables;
}

constexpr auto tables = make_tables();
static_assert(std::endian::native == std::endian::little, "the record's byte order is little endian");

}  // namespace

std::uint64_t crc64(std::span<const std::byte> bytes, std::uint64_t crc) {
  crc = ~crc;
  while (bytes.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    word ^= crc;
    crc = 0;
    for (int slice = 0; slice < slices; ++slice)
      crc ^= tables[slices - 1 - slice][(word >> (8 * slice)) & 0xFF];
    bytes = bytes.subspan(8);
  }
  for (std::byte byte : bytes) crc = (crc >> 8) ^ tables[0][(crc ^ static_cast<std::uint64_t>(byte)) & 0xFF];
  return ~crc;
}

}  // namespace seldon

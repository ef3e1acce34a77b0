#pragma once
// CRC-64/XZ (ECMA-182 polynomial, reflected), as in xz and in the Python package `crcmod`'s "crc-64-xz".

#include <cstddef>
#include <cstdint>
#include <span>

namespace seldon {

/// Goes on from `crc`, the value for the bytes before; start with 0. Uses the processor's carry-less products
/// where it has them.
std::uint64_t crc64(std::span<const std::byte> bytes, std::uint64_t crc = 0);
/// The same by tables alone, on any processor, and several times slower.
std::uint64_t crc64_by_tables(std::span<const std::byte> bytes, std::uint64_t crc = 0);

}  // namespace seldon

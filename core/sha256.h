#pragma once
// SHA-256 (FIPS 180-4): what tells one data file or result from another.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace seldon {

/// Takes bytes in any number of parts; `hex` ends it.
class Sha256 {
 public:
  Sha256& add(std::span<const std::byte> bytes);
  /// 64 lower-case hexadecimal digits. The object must not be used afterwards.
  std::string hex();

 private:
  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> block_{};  ///< the bytes since the last whole block
  std::uint64_t count_ = 0;            ///< bytes so far
};

std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace seldon

#include "core/checksum.h"

#include <array>
#include <bit>
#include <cstring>

#ifdef __x86_64__
#include <emmintrin.h>
#include <wmmintrin.h>
#endif

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

constexpr int lanes = 4;  // products that do not wait for each other
constexpr std::size_t lane_bytes = 16, step_bytes = lanes * lane_bytes;

/// Takes bytes into the remainder as it is kept, without the complements at both ends.
std::uint64_t add_by_tables(std::span<const std::byte> bytes, std::uint64_t crc) {
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
  return crc;
}

#ifdef __x86_64__

// Folding (Gopal et al., "Fast CRC computation for generic polynomials using PCLMULQDQ instruction", Intel,
// 2009). Sixteen bytes stand for a polynomial V = L x^64 + H over GF(2), L being the first eight bytes, H the
// last, the lowest bit of each being its highest power. Modulo the polynomial of the checksum, V x^d is
// L (x^(64+d)) + H (x^d), so V can be added to the sixteen bytes that come d bits later. The carry-less
// product of two such words of 64 bits lacks a factor x, since it has 127 bits: hence d - 1 below.

/// x^power modulo the polynomial, in the order of bits of the checksum.
constexpr std::uint64_t power_of_x(int power) {
  std::uint64_t value = std::uint64_t{1} << 63;
  for (; power > 0; --power) value = (value >> 1) ^ ((value & 1) ? polynomial : 0);
  return value;
}

[[gnu::target("pclmul")]] inline __m128i load(const std::byte* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

/// The factors that move sixteen bytes by so many bits.
[[gnu::target("pclmul")]] inline __m128i factors(std::uint64_t first, std::uint64_t last) {
  return _mm_set_epi64x(static_cast<long long>(last), static_cast<long long>(first));
}

[[gnu::target("pclmul")]] inline __m128i move(__m128i value, __m128i by) {
  return _mm_xor_si128(_mm_clmulepi64_si128(value, by, 0x00), _mm_clmulepi64_si128(value, by, 0x11));
}

/// As add_by_tables; for at least `step_bytes`.
[[gnu::target("pclmul")]] std::uint64_t add_by_products(std::span<const std::byte> bytes, std::uint64_t crc) {
  constexpr std::uint64_t step_first = power_of_x(64 + 8 * step_bytes - 1),
                          step_last = power_of_x(8 * step_bytes - 1),
                          lane_first = power_of_x(64 + 8 * lane_bytes - 1),
                          lane_last = power_of_x(8 * lane_bytes - 1);
  const __m128i by_step = factors(step_first, step_last), by_lane = factors(lane_first, lane_last);
  __m128i sums[lanes];  // NOLINT: std::array would drop the type's alignment
  for (int lane = 0; lane < lanes; ++lane) sums[lane] = load(bytes.data() + lane * lane_bytes);
  sums[0] = _mm_xor_si128(sums[0], _mm_set_epi64x(0, static_cast<long long>(crc)));
  for (bytes = bytes.subspan(step_bytes); bytes.size() >= step_bytes; bytes = bytes.subspan(step_bytes))
    for (int lane = 0; lane < lanes; ++lane)
      sums[lane] = _mm_xor_si128(move(sums[lane], by_step), load(bytes.data() + lane * lane_bytes));
  __m128i sum = sums[0];
  for (int lane = 1; lane < lanes; ++lane) sum = _mm_xor_si128(move(sum, by_lane), sums[lane]);
  for (; bytes.size() >= lane_bytes; bytes = bytes.subspan(lane_bytes))
    sum = _mm_xor_si128(move(sum, by_lane), load(bytes.data()));
  std::array<std::byte, lane_bytes> rest;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(rest.data()), sum);
  return add_by_tables(bytes, add_by_tables(rest, 0));
}

bool has_products() {
  return __builtin_cpu_supports("pclmul");
}

#else

std::uint64_t add_by_products(std::span<const std::byte> bytes, std::uint64_t crc) {
  return add_by_tables(bytes, crc);
}
bool has_products() {
  return false;
}

#endif

}  // namespace

std::uint64_t crc64(std::span<const std::byte> bytes, std::uint64_t crc) {
  if (bytes.size() < step_bytes || !has_products()) return crc64_by_tables(bytes, crc);
  return ~add_by_products(bytes, ~crc);
}

std::uint64_t crc64_by_tables(std::span<const std::byte> bytes, std::uint64_t crc) {
  return ~add_by_tables(bytes, ~crc);
}

}  // namespace seldon

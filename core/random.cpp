#include "core/random.h"

#include <cmath>
#include <numbers>
#include <utility>

#include <Random123/philox.h>

namespace seldon {
namespace {

using Philox = r123::Philox4x64;

/// One step of a hash chain: the generator's own bijection, keyed by what was absorbed so far.
std::array<std::uint64_t, 2> absorb(std::array<std::uint64_t, 2> key, std::uint64_t word) {
  const auto out =
      Philox{}(Philox::ctr_type{{word, 0x73656c646f6e, 0, 1}}, Philox::key_type{{key[0], key[1]}});
  return {out[0], out[1]};
}

}  // namespace

Stream::Stream(Purpose purpose, std::uint64_t seed, std::initializer_list<std::uint64_t> parts,
               std::string_view name)
    : key_{seed, static_cast<std::uint64_t>(purpose)} {
  key_ = absorb(key_, name.size());
  for (unsigned char c : name) key_ = absorb(key_, c);
  key_ = absorb(key_, parts.size());
  for (std::uint64_t part : parts) key_ = absorb(key_, part);
}

std::uint64_t Stream::bits(std::uint64_t index) const {
  const auto block = Philox{}(Philox::ctr_type{{index >> 2, 0, 0, 0}}, Philox::key_type{{key_[0], key_[1]}});
  return block[index & 3];
}

double Stream::uniform(std::uint64_t index) const {
  return static_cast<double>(bits(index) >> 11) * 0x1p-53;
}

std::uint64_t Stream::below(std::uint64_t index, std::uint64_t n) const {
  __extension__ using wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<wide>(bits(index)) * n) >> 64);
}

double Stream::normal(std::uint64_t index) const {
  const double radius = std::sqrt(-2.0 * std::log1p(-uniform(2 * index)));
  return radius * std::cos(2.0 * std::numbers::pi * uniform(2 * index + 1));
}

std::vector<std::uint32_t> Stream::permutation(std::size_t n) const {
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0U);
  for (std::size_t i = n; i > 1; --i) std::swap(order[i - 1], order[below(n - i, i)]);
  return order;
}

}  // namespace seldon

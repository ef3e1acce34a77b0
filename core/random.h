#pragma once
// Random numbers without state: a draw is a pure function of what it is for and of its index, so that results
// do not depend on the order, the rank or the pack in which they are computed (docs/architecture.md, decision
// 3). Generator: Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), by
// Random123.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <numeric>
#include <string_view>
#include <vector>

namespace seldon {

/// What a stream of draws is for; streams of different purposes are independent. The numbers are part of
/// every published result: never renumber.
enum class Purpose : std::uint64_t {
  resample = 1,
  held_out = 2,
  initial_weights = 3,
  batch_order = 4,
  random_labels = 5,
  synthetic_data = 6,
  split = 7,
  solution_shuffle = 8,
  sweep = 9,
};

/// An endless stream of independent draws, addressed by index.
class Stream {
 public:
  /// `parts` are the coordinates that the purpose names in decision 3 (trial, epoch, bits of the fraction
  /// ...), never an index into a list of the config; `name` is a model's name or empty.
  Stream(Purpose purpose, std::uint64_t seed, std::initializer_list<std::uint64_t> parts = {},
         std::string_view name = {});

  std::uint64_t bits(std::uint64_t index) const;
  /// Uniform on [0, 1), 53 bits.
  double uniform(std::uint64_t index) const;
  /// Uniform on {0, ..., n - 1} by 64-bit multiply-shift (bias below n / 2^64).
  std::uint64_t below(std::uint64_t index, std::uint64_t n) const;
  /// Standard normal, by the Box-Muller transform of draws 2 index and 2 index + 1.
  double normal(std::uint64_t index) const;

  /// A permutation of 0..n-1 (Fisher-Yates, from the end).
  std::vector<std::uint32_t> permutation(std::size_t n) const;

 private:
  std::array<std::uint64_t, 2> key_;
};

}  // namespace seldon

#pragma once
// What one core of this machine can do: the two limits of a roofline (Williams, Waterman and Patterson 2009,
// "Roofline: an insightful visual performance model", CACM 52).

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace seldon::bench {

/// A level of memory, from the core outwards.
struct Level {
  std::string name;
  double capacity = 0;   ///< bytes; of the last level infinite
  double bandwidth = 0;  ///< bytes per second, read by one core
};

struct Machine {
  double float_peak = 0, double_peak = 0;  ///< operations per second; a multiply-add is two
  std::vector<Level> levels;
  /// The first level that holds so many bytes.
  const Level& level_of(double bytes) const;
};

/// Measures it, in about two seconds: multiply-adds on registers, and sums over arrays that fill half of
/// L1 and L2, twice L2 for L3, and eight times L3 for memory.
Machine measure_machine();

/// Of this thread, by the system's account: what other programs take of the core does not count.
double processor_seconds();

/// Best of several: processor seconds of a call of `f`, which is repeated until a measurement takes long
/// enough for the clock.
template <class F>
double seconds_per_call(F f) {
  constexpr double enough = 0.005;
  double best = std::numeric_limits<double>::infinity();
  std::size_t calls = 1;
  for (int repeat = 0; repeat < 15;) {
    const double start = processor_seconds();
    for (std::size_t i = 0; i < calls; ++i) f();
    const double seconds = processor_seconds() - start;
    if (seconds < enough && calls < (std::size_t{1} << 40)) {
      calls *= 2;
      continue;
    }
    best = std::min(best, seconds / static_cast<double>(calls));
    ++repeat;
  }
  return best;
}

}  // namespace seldon::bench

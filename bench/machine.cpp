#include "bench/machine.h"

#include <cstdint>
#include <ctime>
#include <fstream>

#include "engine/vector_clones.h"

namespace seldon::bench {
namespace {

// Vectors that GCC lowers to what the target has: one of these two fills its registers without spilling.
typedef double Doubles64 __attribute__((vector_size(64)));
typedef double Doubles32 __attribute__((vector_size(32)));
typedef float Floats64 __attribute__((vector_size(64)));
typedef float Floats32 __attribute__((vector_size(32)));

/// Chains of multiply-adds that do not wait for each other: two units with a latency of four or five cycles
/// need ten.
constexpr std::size_t chains = 10;
constexpr std::size_t rounds = 10000;

template <class Pack, class Number>
[[gnu::always_inline]] inline Number multiply_add(Number factor) {
  Pack sums[chains] = {};
  const Pack by = Pack{} + factor, plus = Pack{} + Number{1};
  for (std::size_t i = 0; i < rounds; ++i)
    for (Pack& sum : sums) sum = sum * by + plus;
  for (std::size_t k = 1; k < chains; ++k) sums[0] += sums[k];
  return sums[0][0];
}

SELDON_VECTOR_CLONES double doubles64(double factor) {
  return multiply_add<Doubles64>(factor);
}
SELDON_VECTOR_CLONES double doubles32(double factor) {
  return multiply_add<Doubles32>(factor);
}
SELDON_VECTOR_CLONES float floats64(float factor) {
  return multiply_add<Floats64>(factor);
}
SELDON_VECTOR_CLONES float floats32(float factor) {
  return multiply_add<Floats32>(factor);
}

/// Operations per second of one of these.
template <class Number>
double rate(Number (*loop)(Number), std::size_t lanes) {
  volatile Number factor = Number{0.5}, result = 0;
  return 2.0 * static_cast<double>(lanes * chains * rounds) /
         seconds_per_call([&] { result = loop(factor); });
}

/// Adds up n doubles, a multiple of 64, eight to a register and eight registers at a time.
SELDON_VECTOR_CLONES double read_all(const double* x, std::size_t n) {
  Doubles64 sums[8] = {};
  const auto* packs = reinterpret_cast<const Doubles64*>(x);
  for (std::size_t i = 0; i < n / 8; i += 8)
    for (std::size_t k = 0; k < 8; ++k) sums[k] += packs[i + k];
  for (std::size_t k = 1; k < 8; ++k) sums[0] += sums[k];
  return sums[0][0];
}

double read_bandwidth(double bytes) {
  const std::size_t n = static_cast<std::size_t>(bytes) / sizeof(double) / 64 * 64;
  std::vector<double> storage(n + 8, 1.0);
  const auto address = reinterpret_cast<std::uintptr_t>(storage.data());
  const double* const x = storage.data() + (64 - address % 64) % 64 / sizeof(double);
  volatile double result = 0;
  return static_cast<double>(n * sizeof(double)) / seconds_per_call([&] { result = read_all(x, n); });
}

/// Bytes of a data cache of the first core, of which the kernel tells "32768K".
double cache(int level, double otherwise) {
  const std::string folder =
      "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(level == 1 ? 0 : level);
  double kilobytes = 0;
  std::ifstream(folder + "/size") >> kilobytes;
  return kilobytes > 0 ? 1024 * kilobytes : otherwise;
}

}  // namespace

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

const Level& Machine::level_of(double bytes) const {
  return *std::ranges::find_if(levels, [&](const Level& level) { return bytes <= level.capacity; });
}

Machine measure_machine() {
  Machine machine;
  machine.double_peak = std::max(rate(doubles64, 8), rate(doubles32, 4));
  machine.float_peak = std::max(rate(floats64, 16), rate(floats32, 8));
  const double l1 = cache(1, 32e3), l2 = cache(2, 1e6), l3 = cache(3, 16e6);
  machine.levels = {{"L1", l1, read_bandwidth(l1 / 2)},
                    {"L2", l2, read_bandwidth(l2 / 2)},
                    // Shared with other cores, whose data may fill most of it.
                    {"L3", l3, read_bandwidth(std::min(l3 / 2, 2 * l2))},
                    {"memory", std::numeric_limits<double>::infinity(), read_bandwidth(8 * l3)}};
  return machine;
}

}  // namespace seldon::bench

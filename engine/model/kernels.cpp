#include "engine/model/kernels.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "engine/constraint/bound.h"
#include "engine/vector_clones.h"

namespace seldon::engine {
namespace {

constexpr std::size_t lanes = PanelMatrix::lanes;
constexpr std::size_t wide = 4 * lanes;  // enough accumulators to hide the latency of an addition

/// exp(x) for x <= 0: Cody and Waite's reduction x = k ln 2 + r, |r| <= ln(2) / 2, and the Taylor polynomial
/// of degree 13 (remainder below 5e-18). Results under 2^-1020 are rounded to 2^-1020 or so: harmless, and
/// free of branches.
[[gnu::always_inline]] inline double exp_of_negative(double x) {
  constexpr double log2_e = 1.4426950408889634074, ln2_high = 6.93145751953125e-1,
                   ln2_low = 1.42860682030941723212e-6;
  constexpr double shift = 0x1.8p52;  // adding it rounds to an integer, which then stands in the low bits
  x = x < -707.0 ? -707.0 : x;        // a NaN passes
  const double shifted = x * log2_e + shift;
  const double k = shifted - shift;
  const double r = (x - k * ln2_high) - k * ln2_low;
  double sum = 1.0 / 6227020800.0;
  sum = sum * r + 1.0 / 479001600.0;
  sum = sum * r + 1.0 / 39916800.0;
  sum = sum * r + 1.0 / 3628800.0;
  sum = sum * r + 1.0 / 362880.0;
  sum = sum * r + 1.0 / 40320.0;
  sum = sum * r + 1.0 / 5040.0;
  sum = sum * r + 1.0 / 720.0;
  sum = sum * r + 1.0 / 120.0;
  sum = sum * r + 1.0 / 24.0;
  sum = sum * r + 1.0 / 6.0;
  sum = sum * r + 0.5;
  sum = sum * r + 1.0;
  sum = sum * r + 1.0;
  const auto scale = (std::bit_cast<std::uint64_t>(shifted) << 52) + 0x3FF0000000000000;
  return sum * std::bit_cast<double>(scale);
}

[[gnu::always_inline]] inline double logistic_of(double eta) {
  const double e = exp_of_negative(-std::fabs(eta));
  const double larger = 1.0 / (1.0 + e);
  const double smaller = e * larger;
  return eta < 0 ? smaller : larger;
}

SELDON_VECTOR_CLONES
void logistic_loop(const double* eta, double* p, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) p[i] = logistic_of(eta[i]);
}

/// Adds to lanes; the caller joins them in a fixed order.
SELDON_VECTOR_CLONES
void log_loss_block(const double* eta, const double* p, const double* labels, std::size_t n, double* products,
                    double* sums) {
  for (std::size_t i = 0; i < n; i += wide)
    for (std::size_t l = 0; l < wide; ++l) {
      const double q = 1.0 - p[i + l];
      products[l] *= p[i + l] > q ? p[i + l] : q;
      const double wrong = labels[i + l] > 0.5 ? -eta[i + l] : eta[i + l];
      sums[l] += wrong > 0 ? wrong : 0.0;
    }
}

SELDON_VECTOR_CLONES
void difference_loop(const double* p, const double* labels, std::size_t n, double scale, double* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = (p[i] - labels[i]) * scale;
}

SELDON_VECTOR_CLONES
void logistic_gradient_loop(const double* p, const double* d_p, std::size_t n, double* d_eta) {
  for (std::size_t i = 0; i < n; ++i) d_eta[i] += d_p[i] * p[i] * (1.0 - p[i]);
}

SELDON_VECTOR_CLONES
void affine_loop(const double* z, const double* dz, std::size_t n, double by_mean, double by_sd, double mean,
                 double* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] += (by_mean + by_sd * (z[i] - mean)) * dz[i];
}

SELDON_VECTOR_CLONES
std::uint32_t distance_from_identity(const std::uint32_t* positions, std::uint32_t n) {
  std::uint32_t difference = 0;
  for (std::uint32_t i = 0; i < n; ++i) difference |= positions[i] ^ i;
  return difference;
}

/// Eight doubles that the compiler keeps in registers (GCC and Clang lower it to what the target has).
typedef double Pack8
    __attribute__((vector_size(lanes * sizeof(double)), aligned(alignof(double)), may_alias));

[[gnu::always_inline]] inline const Pack8& at(const double* x) {
  return *reinterpret_cast<const Pack8*>(x);
}
[[gnu::always_inline]] inline Pack8& at(double* x) {
  return *reinterpret_cast<Pack8*>(x);
}

/// Four panels side by side: one accumulator would wait for the latency of each addition.
SELDON_VECTOR_CLONES
void multiply_loop(const double* x, std::size_t panels, std::size_t columns, const double* weights,
                   double intercept, double* out) {
  const std::size_t stride = columns * lanes;
  const Pack8 start = {intercept, intercept, intercept, intercept,
                       intercept, intercept, intercept, intercept};
  std::size_t panel = 0;
  for (; panel + 4 <= panels; panel += 4, x += 4 * stride, out += 4 * lanes) {
    Pack8 a = start, b = start, c = start, d = start;
    for (std::size_t j = 0; j < columns; ++j) {
      const double* row = x + j * lanes;
      a += at(row) * weights[j];
      b += at(row + stride) * weights[j];
      c += at(row + 2 * stride) * weights[j];
      d += at(row + 3 * stride) * weights[j];
    }
    at(out) = a;
    at(out + lanes) = b;
    at(out + 2 * lanes) = c;
    at(out + 3 * lanes) = d;
  }
  for (; panel < panels; ++panel, x += stride, out += lanes) {
    Pack8 a = start;
    for (std::size_t j = 0; j < columns; ++j) a += at(x + j * lanes) * weights[j];
    at(out) = a;
  }
}

/// out[j][l] = sum over panels of x[panel][j][l] r[panel][l] for a block of columns, whose sums stay in
/// registers.
template <std::size_t block>
[[gnu::always_inline]] inline void transposed_block(const double* x, std::size_t panels, std::size_t stride,
                                                    const double* r, double* out) {
  Pack8 even[block] = {}, odd[block] = {};
  std::size_t panel = 0;
  for (; panel + 2 <= panels; panel += 2, x += 2 * stride, r += 2 * lanes)
    for (std::size_t j = 0; j < block; ++j) {
      even[j] += at(x + j * lanes) * at(r);
      odd[j] += at(x + j * lanes + stride) * at(r + lanes);
    }
  for (std::size_t j = 0; j < block; ++j) {
    if (panel < panels) even[j] += at(x + j * lanes) * at(r);
    at(out + j * lanes) = even[j] + odd[j];
  }
}

SELDON_VECTOR_CLONES
void transposed_loop(const double* x, std::size_t panels, std::size_t columns, const double* r, double* out) {
  const std::size_t stride = columns * lanes;
  std::size_t j = 0;
  for (; j + 8 <= columns; j += 8) transposed_block<8>(x + j * lanes, panels, stride, r, out + j * lanes);
  for (; j + 4 <= columns; j += 4) transposed_block<4>(x + j * lanes, panels, stride, r, out + j * lanes);
  for (; j < columns; ++j) transposed_block<1>(x + j * lanes, panels, stride, r, out + j * lanes);
}

/// gram[i][j] += w x_i x_j over one row, j <= i.
SELDON_VECTOR_CLONES
void gram_loop(const double* row, double weight, std::size_t n, double* gram) {
  for (std::size_t i = 0; i < n; ++i) {
    const double scaled = weight * row[i];
    for (std::size_t j = 0; j <= i; ++j) gram[i * n + j] += scaled * row[j];
  }
}

/// Sums the lanes pairwise, always in the same order.
template <std::size_t n>
double join(std::array<double, n> a) {
  for (std::size_t half = n / 2; half > 0; half /= 2)
    for (std::size_t l = 0; l < half; ++l) a[l] += a[l + half];
  return a[0];
}

}  // namespace

std::string_view kernel_level() {
#ifdef SELDON_HAS_CLONES
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return "x86-64-v4";
  if (__builtin_cpu_supports("x86-64-v3")) return "x86-64-v3";
#endif
  return "baseline";
}

PanelMatrix::PanelMatrix(std::size_t rows, std::size_t columns)
    : rows_(rows), columns_(columns), values_((rows + lanes - 1) / lanes * lanes * columns, 0.0) {}

void PanelMatrix::multiply(std::span<const double> weights, double intercept, std::span<double> out) const {
  multiply_loop(values_.data(), padded_rows() / lanes, columns_, weights.data(), intercept, out.data());
}

double PanelMatrix::multiply_transposed(std::span<const double> residuals, std::span<double> out) const {
  thread_local std::vector<double> partial;  // kept: this runs in every iteration of candidate selection
  partial.assign(2 * columns_ * lanes, 0.0);
  const std::size_t whole = rows_ / lanes, rest = rows_ % lanes;
  double* const last = partial.data() + columns_ * lanes;
  transposed_loop(values_.data(), whole, columns_, residuals.data(), partial.data());
  if (rest > 0) {
    std::array<double, lanes> padded{};
    std::copy_n(residuals.end() - static_cast<std::ptrdiff_t>(rest), rest, padded.begin());
    transposed_loop(&values_[whole * lanes * columns_], 1, columns_, padded.data(), last);
  }
  for (std::size_t j = 0; j < columns_; ++j) {
    std::array<double, lanes> a;
    for (std::size_t l = 0; l < lanes; ++l) a[l] = partial[j * lanes + l] + last[j * lanes + l];
    out[j] += join(a);
  }
  return sum(residuals);
}

void PanelMatrix::weighted_gram(std::span<const double> weights, std::span<double> out) const {
  const std::size_t n = columns_ + 1;
  std::fill(out.begin(), out.end(), 0.0);
  std::vector<double> row(n);
  row[0] = 1.0;
  for (std::size_t i = 0; i < rows_; ++i) {
    for (std::size_t j = 0; j < columns_; ++j) row[j + 1] = at(i, j);
    gram_loop(row.data(), weights[i], n, out.data());
  }
}

void logistic(std::span<const double> eta, std::span<double> p) {
  logistic_loop(eta.data(), p.data(), eta.size());
}

double log_loss_sum(std::span<const double> eta, std::span<const double> p, std::span<const double> labels) {
  // log(1 + exp(-|eta|)) = -log max(p, 1 - p), a factor in [1/2, 1]: the logarithm of a product of 512 of
  // them per lane cannot underflow, and costs 32 calls for 16,384 rows.
  constexpr std::size_t block = 512 * wide;
  double total = 0;
  const std::size_t n = eta.size(), end = n / wide * wide;
  for (std::size_t first = 0; first < end; first += block) {
    std::array<double, wide> products, sums{};
    products.fill(1.0);
    log_loss_block(&eta[first], &p[first], &labels[first], std::min(block, end - first), products.data(),
                   sums.data());
    for (double product : products) total -= std::log(product);
    total += join(sums);
  }
  for (std::size_t i = end; i < n; ++i) {
    const double wrong = labels[i] > 0.5 ? -eta[i] : eta[i];
    total += (wrong > 0 ? wrong : 0.0) - std::log(std::max(p[i], 1.0 - p[i]));
  }
  return total;
}

void scaled_difference(std::span<const double> p, std::span<const double> labels, double scale,
                       std::span<double> out) {
  difference_loop(p.data(), labels.data(), labels.size(), scale, out.data());
}

void add_logistic_gradient(std::span<const double> p, std::span<const double> d_p, std::span<double> d_eta) {
  logistic_gradient_loop(p.data(), d_p.data(), p.size(), d_eta.data());
}

void add_moment_gradient(std::span<const double> z, std::span<const double> dz, double by_mean, double by_sd,
                         double mean, std::span<double> out) {
  affine_loop(z.data(), dz.data(), z.size(), by_mean, by_sd, mean, out.data());
}

bool is_identity(std::span<const std::uint32_t> positions) {
  return distance_from_identity(positions.data(), static_cast<std::uint32_t>(positions.size())) == 0;
}

}  // namespace seldon::engine

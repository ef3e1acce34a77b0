#include "analysis/subgroups/kernels.h"

#include <limits>

// One function, several instruction sets, chosen at start. All give the same bits: elements do not mix, and
// this file is compiled without contraction of products and sums (CMakeLists.txt). Sanitizers and ifunc
// resolvers do not go together, and other compilers and processors have one version only.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define SELDON_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SELDON_CLONES
#endif

namespace seldon::analysis::kernels {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
/// Sums of n terms are off by n epsilon, in parts of themselves; a spread is the difference of two that are.
constexpr double rounding = 4 * std::numeric_limits<double>::epsilon();

}  // namespace

SELDON_CLONES void prepare(std::size_t n, const double* __restrict rows, double* __restrict inverse,
                           double* __restrict of_mean) {
  for (std::size_t i = 0; i < n; ++i) {
    inverse[i] = 1 / rows[i];
    of_mean[i] = 1 / (rows[i] * (rows[i] >= 2 ? rows[i] - 1 : nan));
  }
}

SELDON_CLONES void hard_rate(std::size_t n, const double* __restrict hits, const Rows& of,
                             double* __restrict value, double* __restrict variance) {
  const double* __restrict rows = of.rows, * __restrict inverse = of.inverse;
  for (std::size_t i = 0; i < n; ++i) {
    const double v = hits[i] / rows[i];
    value[i] = v;
    variance[i] = v * (1 - v) * inverse[i];
  }
}

SELDON_CLONES void mean(std::size_t n, const double* __restrict sum, const double* __restrict squares,
                        const Rows& of, double* __restrict value, double* __restrict variance) {
  const double* __restrict rows = of.rows, * __restrict of_mean = of.of_mean;
  for (std::size_t i = 0; i < n; ++i) {
    const double v = sum[i] / rows[i];
    const double spread = squares[i] - sum[i] * v;
    value[i] = v;
    // What rounding alone may leave where all rows have one value is nothing; NaN stays.
    variance[i] = (spread < rounding * rows[i] * squares[i] ? 0 : spread) * of_mean[i];
  }
}

SELDON_CLONES void hard_f1(std::size_t n, const double* __restrict tp, const double* __restrict fp,
                           const double* __restrict positives, double* __restrict value,
                           double* __restrict variance, double* __restrict rows) {
  for (std::size_t i = 0; i < n; ++i) {
    const double m = positives[i] + fp[i];
    const double weight = m + tp[i], inverse = 1 / (weight * weight);
    value[i] = 2 * tp[i] / weight;
    variance[i] = 4 * m * tp[i] * (m - tp[i]) * inverse * inverse;
    rows[i] = m;
  }
}

SELDON_CLONES void hard_precision(std::size_t n, const double* __restrict tp, const double* __restrict fp,
                                  double* __restrict value, double* __restrict variance,
                                  double* __restrict rows) {
  for (std::size_t i = 0; i < n; ++i) {
    const double m = tp[i] + fp[i];
    const double v = tp[i] / m;
    value[i] = v;
    variance[i] = v * (1 - v) / m;
    rows[i] = m;
  }
}

SELDON_CLONES void soft_precision(std::size_t n, const SoftSums& sums, double* __restrict value,
                                  double* __restrict variance, double* __restrict effective) {
  const double* __restrict rows = sums.rows.rows, * __restrict of_mean = sums.rows.of_mean;
  const double* __restrict tp = sums.tp, * __restrict fp = sums.fp, * __restrict tp2 = sums.tp2, * __restrict fp2 = sums.fp2;
  for (std::size_t i = 0; i < n; ++i) {
    const double y = tp[i] + fp[i], yy = tp2[i] + fp2[i], r = tp[i] / y;
    const double spread = tp2[i] - 2 * r * tp2[i] + r * r * yy;
    value[i] = r;
    variance[i] = rows[i] * rows[i] * of_mean[i] * (spread < 0 ? 0 : spread) / (y * y);
    // A trial without a value (all scores 0) has no rows that tell anything.
    effective[i] = yy > 0 ? y * y / yy : 0;
  }
}

SELDON_CLONES void soft_f1(std::size_t n, const SoftSums& sums, double* __restrict value,
                           double* __restrict variance, double* __restrict effective) {
  const double* __restrict rows = sums.rows.rows, * __restrict of_mean = sums.rows.of_mean;
  const double* __restrict positives = sums.positives, * __restrict tp = sums.tp, * __restrict fp = sums.fp, * __restrict tp2 = sums.tp2, * __restrict fp2 = sums.fp2;
  for (std::size_t i = 0; i < n; ++i) {
    const double x = 2 * tp[i], y = tp[i] + fp[i] + positives[i], r = x / y;
    const double xx = 4 * tp2[i], xy = 2 * (tp2[i] + tp[i]), yy = tp2[i] + fp2[i] + 2 * tp[i] + positives[i];
    const double spread = xx - 2 * r * xy + r * r * yy;
    value[i] = r;
    variance[i] = rows[i] * rows[i] * of_mean[i] * (spread < 0 ? 0 : spread) / (y * y);
    effective[i] = yy > 0 ? y * y / yy : 0;
  }
}

SELDON_CLONES void take(std::size_t n, const double* __restrict value, const double* __restrict variance,
                        const Shifted& to, double* __restrict deviation) {
  double* __restrict count = to.count, * __restrict shift = to.shift, * __restrict sum = to.sum, * __restrict squares = to.squares, * __restrict within = to.within;
  for (std::size_t i = 0; i < n; ++i) {
    const double v = value[i];
    const bool valid = v == v;
    const double first = count[i] == 0 ? v : shift[i];
    const double s = valid ? first : shift[i];
    const double d = valid ? v - s : 0;
    shift[i] = s;
    deviation[i] = d;
    sum[i] += d;
    squares[i] += d * d;
    within[i] += valid ? variance[i] : 0;
    count[i] += valid ? 1 : 0;
  }
}

SELDON_CLONES void add_pairs(std::size_t begin, std::size_t end, const double* __restrict values,
                             double* __restrict to) {
  for (std::size_t a = begin; a + 1 < end; ++a) {
    const double one = values[a];
    const std::size_t others = end - a - 1;
    for (std::size_t i = 0; i < others; ++i) to[i] += one * values[a + 1 + i];
    to += others;
  }
}

SELDON_CLONES void add_products(std::size_t n, const double* __restrict a, const double* __restrict b,
                                double* __restrict to) {
  for (std::size_t i = 0; i < n; ++i) to[i] += a[i] * b[i];
}

SELDON_CLONES void add_scaled(std::size_t n, double a, const double* __restrict b, double* __restrict to) {
  for (std::size_t i = 0; i < n; ++i) to[i] += a * b[i];
}

SELDON_CLONES void add(std::size_t n, const double* __restrict a, double* __restrict to) {
  for (std::size_t i = 0; i < n; ++i) to[i] += a[i];
}

}  // namespace seldon::analysis::kernels

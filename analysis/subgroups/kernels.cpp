#include "analysis/subgroups/kernels.h"

#include <limits>

namespace seldon::analysis::kernels {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Rounding may leave a variance a little below 0; NaN stays.
inline double not_negative(double x) {
  return x < 0 ? 0 : x;
}

inline double one_less(double rows) {
  return rows >= 2 ? rows - 1 : nan;
}

struct Ratio {
  double value, variance, effective;
};

inline Ratio ratio(double n, double x, double y, double xx, double xy, double yy) {
  const double r = x / y;
  const double spread = not_negative(xx - 2 * r * xy + r * r * yy);
  return {r, n / one_less(n) * spread / (y * y), y * y / yy};
}

}  // namespace

void hard_rate(std::size_t n, const double* __restrict hits, const double* __restrict rows,
               double* __restrict value, double* __restrict variance) {
  for (std::size_t i = 0; i < n; ++i) {
    const double v = hits[i] / rows[i];
    value[i] = v;
    variance[i] = v * (1 - v) / rows[i];
  }
}

void mean(std::size_t n, const double* __restrict sum, const double* __restrict squares,
          const double* __restrict rows, double* __restrict value, double* __restrict variance) {
  for (std::size_t i = 0; i < n; ++i) {
    const double v = sum[i] / rows[i];
    value[i] = v;
    variance[i] = not_negative(squares[i] - sum[i] * v) / (one_less(rows[i]) * rows[i]);
  }
}

void hard_f1(std::size_t n, const double* __restrict tp, const double* __restrict fp,
             const double* __restrict positives, double* __restrict value, double* __restrict variance,
             double* __restrict rows) {
  for (std::size_t i = 0; i < n; ++i) {
    const double m = positives[i] + fp[i];
    const double j = tp[i] / m;
    const double slope = 2 / ((1 + j) * (1 + j));
    value[i] = 2 * tp[i] / (m + tp[i]);
    // 0 / 0 in `j` where there are no such rows: then the value is NaN as well.
    variance[i] = slope * slope * j * (1 - j) / m;
    rows[i] = m;
  }
}

void hard_precision(std::size_t n, const double* __restrict tp, const double* __restrict fp,
                    double* __restrict value, double* __restrict variance, double* __restrict rows) {
  for (std::size_t i = 0; i < n; ++i) {
    const double m = tp[i] + fp[i];
    const double v = tp[i] / m;
    value[i] = v;
    variance[i] = v * (1 - v) / m;
    rows[i] = m;
  }
}

void soft_precision(std::size_t n, const SoftSums& sums, double* __restrict value,
                    double* __restrict variance, double* __restrict effective) {
  const double *rows = sums.rows, *tp = sums.tp, *fp = sums.fp, *tp2 = sums.tp2, *fp2 = sums.fp2;
  for (std::size_t i = 0; i < n; ++i) {
    const auto r = ratio(rows[i], tp[i], tp[i] + fp[i], tp2[i], tp2[i], tp2[i] + fp2[i]);
    value[i] = r.value;
    variance[i] = r.variance;
    effective[i] = r.effective;
  }
}

void soft_f1(std::size_t n, const SoftSums& sums, double* __restrict value, double* __restrict variance,
             double* __restrict effective) {
  const double *rows = sums.rows, *positives = sums.positives, *tp = sums.tp, *fp = sums.fp, *tp2 = sums.tp2,
               *fp2 = sums.fp2;
  for (std::size_t i = 0; i < n; ++i) {
    const auto r = ratio(rows[i], 2 * tp[i], tp[i] + fp[i] + positives[i], 4 * tp2[i], 2 * (tp2[i] + tp[i]),
                         tp2[i] + fp2[i] + 2 * tp[i] + positives[i]);
    value[i] = r.value;
    variance[i] = r.variance;
    effective[i] = r.effective;
  }
}

void take(std::size_t n, const double* __restrict value, const double* __restrict variance, const Shifted& to,
          double* __restrict deviation) {
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

void add_products(std::size_t n, const double* __restrict a, const double* __restrict b,
                  double* __restrict to) {
  for (std::size_t i = 0; i < n; ++i) to[i] += a[i] * b[i];
}

void add_scaled(std::size_t n, double a, const double* __restrict b, double* __restrict to) {
  for (std::size_t i = 0; i < n; ++i) to[i] += a * b[i];
}

void add(std::size_t n, const double* __restrict a, double* __restrict to) {
  for (std::size_t i = 0; i < n; ++i) to[i] += a[i];
}

}  // namespace seldon::analysis::kernels

#pragma once
// The values of one trial, for all slots at once. Arrays of equal length, no branches, so that the compiler
// makes vectors of them. A value is NaN where its denominator is 0; a variance also where it takes more rows.

#include <cstddef>

namespace seldon::analysis::kernels {

/// A denominator, with what variances need of it.
struct Rows {
  const double* rows;
  const double* inverse;  ///< 1 / rows
  const double* of_mean;  ///< 1 / (rows (rows - 1)); NaN under two rows
};
void prepare(std::size_t n, const double* rows, double* inverse, double* of_mean);

/// Shares of `rows` that are `hits`, of which each counts 0 or 1; sampling variance v (1 - v) / rows.
void hard_rate(std::size_t n, const double* hits, const Rows& rows, double* value, double* variance);

/// Means of quantities from sum and sum of squares; variance of the mean, s^2 / rows with divisor rows - 1.
void mean(std::size_t n, const double* sum, const double* squares, const Rows& rows, double* value,
          double* variance);

/// 2 TP / (2 TP + FP + FN) from TP, FP and the rows of the class (TP + FN). Variance by the delta method on
/// J = TP / m, m = TP + FP + FN, of which F1 = 2 J / (1 + J): (2 / (1 + J)^2)^2 J (1 - J) / m
/// = 4 m TP (m - TP) / (m + TP)^4 (interval.h, f1_interval). `rows`: TP + FP + FN.
void hard_f1(std::size_t n, const double* tp, const double* fp, const double* positives, double* value,
             double* variance, double* rows);

/// TP / (TP + FP); `rows`: TP + FP.
void hard_precision(std::size_t n, const double* tp, const double* fp, double* value, double* variance,
                    double* rows);

/// Ratios of sums R = x / y over `rows` rows: the formulae of ratio_of_sums (interval.h), for arrays. With
/// s a row's score and l = 1 in the class, else 0, sums over rows of the class (tp, tp2: of s, s^2) and of
/// the others (fp, fp2).
/// Precision: x = s l, y = s. F1: x = 2 s l, y = s + l.
struct SoftSums {
  Rows rows;
  const double *positives, *tp, *fp, *tp2, *fp2;
};
void soft_precision(std::size_t n, const SoftSums& sums, double* value, double* variance, double* effective);
void soft_f1(std::size_t n, const SoftSums& sums, double* value, double* variance, double* effective);

/// Moments of a stream over the trials of a block, about the first value of each slot.
struct Shifted {
  double *count, *shift, *sum, *squares, *within;
};
/// Takes in one trial; `deviation` becomes value - shift, 0 for NaN.
void take(std::size_t n, const double* value, const double* variance, const Shifted& to, double* deviation);

/// For a < b of [begin, end): the next of `to` += values[a] values[b].
void add_pairs(std::size_t begin, std::size_t end, const double* values, double* to);
/// to[i] += a[i] b[i].
void add_products(std::size_t n, const double* a, const double* b, double* to);
/// to[i] += a b[i].
void add_scaled(std::size_t n, double a, const double* b, double* to);
/// to[i] += a[i].
void add(std::size_t n, const double* a, double* to);

}  // namespace seldon::analysis::kernels

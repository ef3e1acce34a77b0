#pragma once
// The values of one trial, for all slots at once. Arrays of equal length, no branches, so that the compiler
// makes vectors of them. A value is NaN where its denominator is 0; a variance also where it takes more rows.

#include <cstddef>

namespace seldon::analysis::kernels {

/// Shares of `rows` that are `hits`, of which each counts 0 or 1; sampling variance v (1 - v) / rows.
void hard_rate(std::size_t n, const double* hits, const double* rows, double* value, double* variance);

/// Means of quantities from sum and sum of squares; variance of the mean, s^2 / rows with divisor rows - 1.
void mean(std::size_t n, const double* sum, const double* squares, const double* rows, double* value,
          double* variance);

/// 2 TP / (2 TP + FP + FN) from TP, FP and the rows of the class (TP + FN). Variance by the delta method on
/// J = TP / (TP + FP + FN), of which F1 = 2 J / (1 + J): (2 / (1 + J)^2)^2 J (1 - J) / (TP + FP + FN)
/// (interval.h, f1_interval). `rows`: TP + FP + FN.
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
  const double *rows, *positives, *tp, *fp, *tp2, *fp2;
};
void soft_precision(std::size_t n, const SoftSums& sums, double* value, double* variance, double* effective);
void soft_f1(std::size_t n, const SoftSums& sums, double* value, double* variance, double* effective);

/// Moments of a stream over the trials of a block, about the first value of each slot.
struct Shifted {
  double *count, *shift, *sum, *squares, *within;
};
/// Takes in one trial; `deviation` becomes value - shift, 0 for NaN.
void take(std::size_t n, const double* value, const double* variance, const Shifted& to, double* deviation);

/// to[i] += a[i] b[i].
void add_products(std::size_t n, const double* a, const double* b, double* to);
/// to[i] += a b[i].
void add_scaled(std::size_t n, double a, const double* b, double* to);
/// to[i] += a[i].
void add(std::size_t n, const double* a, double* to);

}  // namespace seldon::analysis::kernels

#pragma once
// One-sided confidence bounds on the mean of a base node's values. A further bound is a value of BoundKind, a
// function in bound.cpp and a line in each of its tables.

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace seldon::engine {

enum class BoundKind { student_t, clopper_pearson, hoeffding };

/// "student_t", "clopper_pearson", "hoeffding"; throws InputError naming the known ones.
BoundKind bound_kind(std::string_view name);
std::string_view name_of(BoundKind kind);

/// What the values z of a base node were. Sums in double.
struct NodeStatistics {
  double n = 0;
  double mean = 0;          ///< NaN where n = 0
  double sd = 0;            ///< ddof 1; NaN where n < 2
  double min = 0, max = 0;  ///< NaN where n = 0 or a value is NaN
};

/// Two passes, eight partial sums in a fixed order: the same bits for the same values.
NodeStatistics statistics(std::span<const double> z);

/// The sum of z in the order that `statistics` uses: the same bits on machines of one kind.
double sum(std::span<const double> z);

enum class Side { lower, upper };

struct BoundRequest {
  Side side = Side::upper;
  double delta = 0.05;     ///< one-sided
  double m = 0;            ///< rows that the width is computed for: n, or the predicted safety rows
  double inflation = 1.0;  ///< of the half-width of student_t and hoeffding
  std::array<double, 2> range = {0, 1};  ///< hoeffding: where the values lie
  bool rate = false;                     ///< intersect with [0, 1] (the default variant, for rates)
  /// The safety test of the default variant: equal values (max == min) certify nothing by student_t.
  bool safety_test = false;
};

/// A bound and its derivatives by the sample's mean and standard deviation (0 where clipped, infinite or, for
/// clopper_pearson, always: counts do not move by a little, so the gradient of a hard constraint comes from
/// its soft form).
struct BoundValue {
  double value = 0;
  double d_mean = 0, d_sd = 0;
};

/// student_t: mean -+ inflation sd / sqrt(m) t_{1-delta, m-1} (Student 1908); infinite under 5 rows or where
/// m <= 1.
///   Asymptotic for values that are not normal; docs/semantics.md has its measured error rates.
/// clopper_pearson: z must be 0/1. With k = mean m: lower = B^-1(delta; k, m-k+1), 0 at k = 0; upper =
///   B^-1(1-delta; k+1, m-k), 1 at k = m (Clopper and Pearson 1934); k and m need not be whole. Exact.
///   Inflation multiplies its distance from the mean.
/// hoeffding: mean -+ inflation (b - a) sqrt(ln(1/delta) / (2 m)) (Hoeffding 1963, theorem 2). Exact for
/// values in
///   [a, b].
/// The last two are infinite where there are no rows; hoeffding also where a value lies outside [a, b],
///   which shows that [a, b] is no range of z.
/// A mean that is NaN gives NaN.
BoundValue bound(BoundKind kind, const NodeStatistics& sample, const BoundRequest& request);

/// Quantile of Student's t with nu degrees of freedom, cached per thread (candidate selection asks for the
/// same few in each iteration). NaN where nu <= 0 or p lies outside [0, 1].
double student_t_quantile(double p, double nu);

}  // namespace seldon::engine

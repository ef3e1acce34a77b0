#pragma once
// One-sided confidence bounds on the mean of a base node's values. A bound registers here behind one interface.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <array>

namespace seldon::engine {

enum class BoundKind { student_t, clopper_pearson, hoeffding };

/// "student_t", "clopper_pearson", "hoeffding"; throws InputError naming the known ones.
BoundKind bound_kind(std::string_view name);
std::string_view name_of(BoundKind kind);

/// What the values z of a base node were. Sums in double.
struct NodeStatistics {
  double n = 0;
  double mean = 0;
  double sd = 0;        ///< ddof 1; NaN where n < 2
  double min = 0, max = 0;
};
NodeStatistics statistics(std::span<const double> z);

enum class Side { lower, upper };

struct BoundRequest {
  Side side;
  double delta;                            ///< one-sided
  double m;                                ///< rows that the width is computed for: n, or the predicted safety rows
  double inflation = 1.0;                  ///< of the half-width of student_t and hoeffding
  std::array<double, 2> range = {0, 1};    ///< hoeffding
  bool rate = false;                       ///< intersect with [0, 1] (default variant)
  bool safety_test = false;                ///< then a sample that is too small, or constant, certifies nothing by student_t
};

/// A bound and its derivatives by the sample's mean and standard deviation (0 where clipped or not differentiable).
struct BoundValue {
  double value;
  double d_mean = 0, d_sd = 0;
};

/// student_t: mean +- inflation sd / sqrt(m) t_{1-delta, m-1}; infinite under 5 rows, m <= 1, or (safety test, default
///   variant: `rate`-independent, see docs/semantics.md) where max == min.
/// clopper_pearson: z must be 0/1; counts scaled to m rows: real-valued beta quantiles.
/// hoeffding: mean +- inflation (b - a) sqrt(ln(1/delta) / (2 m)).
BoundValue bound(BoundKind kind, const NodeStatistics& sample, const BoundRequest& request);

/// Quantile of Student's t with nu degrees of freedom, cached (candidate selection asks for the same few each iteration).
double student_t_quantile(double p, double nu);

}  // namespace seldon::engine

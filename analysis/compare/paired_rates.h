#pragma once
// The difference of two rates over the same trials.

#include <cstdint>

#include "analysis/statistics/comparison.h"

namespace seldon::analysis {

/// How trials ended that were tried twice, under A and under B.
struct PairedCounts {
  std::uint64_t both = 0, only_a = 0, only_b = 0, neither = 0;
  std::uint64_t trials() const { return both + only_a + only_b + neither; }
};

/// The rate under A minus that under B, with the interval of Newcombe, "Improved confidence intervals for the
/// difference between binomial proportions based on paired data", Statistics in Medicine 17, 1998, 2635-2650,
/// method 10: the margins of both rates' Wilson intervals are added in quadrature, less twice their product
/// times phi, the correlation of the two with a continuity correction. It has a width where all trials agree,
/// and lies in [-1, 1]. NaN for no trials.
Bounded paired_rate_difference(const PairedCounts& counts, double confidence = 0.95);

}  // namespace seldon::analysis

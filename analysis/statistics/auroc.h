#pragma once
// The area under the ROC curve from scores in bins: the share of pairs (a positive, a negative) in which the
// positive has the higher score, half a pair where both lie in one bin. Sources are named as in interval.h.

#include <span>

#include "analysis/statistics/interval.h"

namespace seldon::analysis {

struct Auroc {
  double value = 0;          ///< NaN where a class has no rows
  double variance = 0;       ///< DeLong's; NaN where a class has under two rows
  double binning_error = 0;  ///< the area of the unbinned scores differs from `value` by at most this
  double positives = 0, negatives = 0;
};

/// `positives` and `negatives`: rows by bin of score, ascending, of equal length (else InputError).
///   value: Bamber, "The area above the ordinal dominance graph and the area below the receiver operating
///     characteristic graph", Journal of Mathematical Psychology 12, 1975.
///   variance: DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver
///     operating characteristic curves", Biometrics 44, 1988, eq. 4 to 6, from the placements of each bin:
///     the placements' variance (divisor n - 1) in each class, over its n, summed.
///   binning_error: each of the P_b N_b pairs within bin b counts 1/2 and may count 0 or 1, so the error is
///   at most
///     sum_b P_b N_b / (2 P N).
Auroc auroc(std::span<const double> positives, std::span<const double> negatives);

/// The interval of an area from its variance, on the logit scale: logit A -+ z sd / (A (1 - A)), mapped back
/// (Pepe, "The Statistical Evaluation of Medical Tests for Classification and Prediction", 2003; compared
/// with others by Qin and Hotilovac, "Comparison of non-parametric confidence intervals for the area under
/// the ROC curve of a continuous-scale diagnostic test", Statistical Methods in Medical Research 17, 2008).
/// It is one for the area of the binned scores: the true one may lie `binning_error` farther out. Always
/// defined where both classes have rows: where the logit or a variance does not exist (area 0 or 1, no
/// variance, a class with one row) it is auroc_score_interval. NaN where the value is NaN.
Interval auroc_interval(const Auroc& area, double confidence = 0.95);

/// Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic. Part 2",
/// Statistics in Medicine 25, 2006, method 5: the areas A for which |area - A| <= z sqrt(V(A)), with Hanley
/// and McNeil's V for exponential scores and N* = (P + N) / 2 rows of each class. From the area and the
/// numbers of rows alone; has a width at areas 0 and 1.
Interval auroc_score_interval(double area, double positives, double negatives, double confidence = 0.95);

}  // namespace seldon::analysis

#pragma once
// One pass over the records: what each trial says of each subgroup, summed up over the trials of a point
// (model, data fraction). No more is kept of the trials than their means, variances and covariances.

#include <cstdint>
#include <functional>
#include <vector>

#include "analysis/scan.h"
#include "analysis/subgroups/subgroups.h"

namespace seldon::analysis {

/// A quantity that is followed over the trials. TNR and FNR are not among them (1 - FPR, 1 - TPR), nor is the
/// mean score (the soft positive rate).
struct Stream {
  Measure measure;
  std::uint32_t of_class;
  Rule rule;  ///< value: the same under every rule
  bool operator==(const Stream&) const = default;
};

/// Where a subgroup's numbers stand in arrays over slots: "all" first, then the subgroups, each family
/// together; then, for each of them but "all", the rest of the rows.
class SlotPlan {
 public:
  SlotPlan(std::size_t subgroups, const std::vector<SubgroupFamily>& families);

  std::size_t subgroups() const { return slot_of_.size(); }
  std::size_t slots() const { return 2 * subgroups() - 1; }
  std::size_t slot_of(std::size_t subgroup) const { return slot_of_[subgroup]; }
  std::size_t subgroup_at(std::size_t slot) const { return subgroup_at_[slot]; }
  /// The slot of the rows outside of a subgroup that is not "all".
  std::size_t rest_of(std::size_t subgroup) const { return slot_of_[subgroup] + subgroups() - 1; }

  /// Slots [begin, end) of one family; its pairs stand from `pairs` on in arrays over crosses.
  struct Range {
    std::size_t begin, end, pairs;
  };
  const std::vector<Range>& families() const { return families_; }
  /// Pairs of groups of one family; then each group with its rest.
  std::size_t crosses() const { return crosses_; }
  /// Where the pair of two subgroups of one family stands.
  std::size_t cross(std::size_t family, std::size_t a, std::size_t b) const;
  /// Where a subgroup stands with its rest.
  std::size_t cross_with_rest(std::size_t subgroup) const {
    return crosses_ - subgroups() + slot_of_[subgroup];
  }

 private:
  std::vector<std::size_t> slot_of_, subgroup_at_;
  std::vector<Range> families_;
  std::size_t crosses_ = 0;
};

/// Moments of the streams over trials with a solution. Arrays [stream][slot], `cross` [stream][cross].
struct Moments {
  Moments() = default;
  Moments(std::size_t streams, const SlotPlan& plan, std::size_t classes);
  /// Takes in those of other trials: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
  /// computing sample variances", 1979, eq. 2.1; its like for products.
  void merge(const Moments& other, const SlotPlan& plan);

  std::uint32_t recorded = 0, solutions = 0;
  std::uint32_t without_counts = 0;     ///< solutions whose record holds no counts; not in `solutions`
  std::vector<double> count;            ///< trials with a value
  std::vector<double> mean, squares;    ///< of the values; sum of squared deviations
  std::vector<double> within;           ///< sum of the sampling variances
  std::vector<double> rows, effective;  ///< precision and F1: sums of the denominator, of the effective rows
  std::vector<double> cross;     ///< sum of products of deviations; NaN where a trial lacks one of the values
  std::vector<double> n;         ///< [slot] sum of rows
  std::vector<double> of_class;  ///< [class][slot] sum of rows of that class
  double auroc_error = 0;        ///< largest binning error of an area of a subgroup
};

/// What is computed of each record.
struct AccumulationPlan {
  RecordShape shape;
  std::size_t truth = 0;
  std::vector<Stream> streams;
  SlotPlan slots;
  bool histograms = false;
};

/// The streams of an experiment by the rules asked for, the areas under the ROC curve last.
std::vector<Stream> streams_of(const RecordShape& shape, bool soft, bool hard, bool auroc);

/// Moments of one block's trials.
Moments accumulate(const Block& block, const AccumulationPlan& plan);

}  // namespace seldon::analysis

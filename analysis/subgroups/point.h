#pragma once
// From moments over the trials to estimates, gaps and tests: which formula of analysis/statistics is used for
// which measure (docs/analysis.md has the list).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/statistics/comparison.h"
#include "analysis/subgroups/accumulate.h"
#include "analysis/subgroups/subgroups.h"

namespace seldon::analysis {

/// The columns of an experiment's tables.
std::vector<MeasureColumn> columns_of(const RecordShape& shape, bool auroc);

/// One point under one rule.
class PointStatistics {
 public:
  /// All must outlive this.
  PointStatistics(const AccumulationPlan& plan, const Moments& moments,
                  const std::vector<MeasureColumn>& columns, Rule rule, const SubgroupOptions& options);

  /// A column in a slot: "all", a subgroup, or the rest of the rows.
  Estimate estimate(std::size_t column, std::size_t slot) const;
  /// Slot `a` minus slot `b`, and `a` over `b`. `cross`: where the two stand in Moments::cross.
  struct Comparison {
    std::size_t column, a, b, cross;
    double confidence;
  };
  Estimate difference(const Comparison& of) const;
  Estimate ratio(const Comparison& of) const;
  /// A subgroup against the whole.
  Contrast contrast(std::size_t column, std::size_t subgroup) const;

  double value(std::size_t column, std::size_t slot) const;

 private:
  /// A column's stream, and whether the column is 1 minus the stream.
  struct Source {
    std::size_t stream = 0;
    bool exists = false, complement = false;
  };
  Source source(const MeasureColumn& column) const;
  double mean_rows(std::size_t column, std::size_t slot) const;
  double sampling_variance(std::size_t column, std::size_t slot) const;
  double between(std::size_t column, std::size_t slot) const;
  /// Covariance between trials; where a trial lacks one of the values, the negative bound -sd_a sd_b.
  double covariance(const Comparison& of) const;
  std::uint32_t trials(std::size_t column, std::size_t slot) const;
  /// 0 for a difference that rounding may have left: equal scores, summed in different orders.
  double without_rounding(double difference, const Comparison& of) const;
  Interval range(std::size_t column) const;
  /// The interval of the mean over trials for one evaluation set.
  Bounded within(std::size_t column, std::size_t slot, double confidence) const;
  Bounded compute_within(std::size_t column, std::size_t slot, double confidence) const;
  Interval within_balanced(std::size_t slot, double confidence) const;
  Interval within_stream(std::size_t stream, std::size_t slot, double confidence) const;
  std::string why_nan(std::size_t column, std::size_t slot) const;
  std::size_t at(std::size_t column, std::size_t slot) const;
  Estimate blank(std::uint32_t trials) const;
  void contrast_by_rest(Contrast& contrast, const Comparison& rest) const;
  void contrast_by_whole(Contrast& contrast, const Comparison& rest) const;
  TestResult test(const Comparison& of) const;

  const AccumulationPlan& plan_;
  const Moments& moments_;
  const std::vector<MeasureColumn>& columns_;
  Rule rule_;
  const SubgroupOptions& options_;
  std::vector<Source> sources_;
  mutable std::vector<std::optional<Bounded>>
      within_;  ///< [column][slot] at the usual confidence, once known
};

/// Everything of one point under one rule, as far as the options ask for it.
SubgroupPoint point_of(const AccumulationPlan& plan, const Moments& moments, const SubgroupAnalysis& analysis,
                       Rule rule, const SubgroupOptions& options);

/// The gaps of all families: fairness criteria first, then one for each other column.
std::vector<Gap> gaps_of(const PointStatistics& statistics, const AccumulationPlan& plan,
                         const SubgroupAnalysis& analysis);

}  // namespace seldon::analysis

#pragma once
// The analysis of a store's subgroups as tables (docs/analysis.md, "Subgroup tables").

#include <cstddef>
#include <cstdint>
#include <vector>

#include "analysis/subgroups/subgroups.h"
#include "analysis/table.h"

namespace seldon::analysis {

/// What of the analysis is shown.
struct SubgroupTableOptions {
  std::vector<std::size_t> columns;    ///< of SubgroupAnalysis::columns, in the order wanted
  std::vector<std::size_t> subgroups;  ///< in the order wanted
  std::size_t top = 10;                ///< of the best and of the worst cells
  /// For a screen: subgroups without what the gaps tell as well; of the gaps the common criteria only,
  /// without what their intervals are made of.
  bool brief = false;
};

/// A data fraction under one rule: what most tables show, all models below each other.
struct TablePlace {
  std::uint32_t fraction = 0;
  Rule rule = Rule::soft;
};

/// Measures that suit a screen: those of the fairness criteria, AUROC and calibration; of regression all.
std::vector<std::size_t> usual_columns(const SubgroupAnalysis& analysis);
/// The fewest that tell who is treated how: accuracy, PR, TPR and FPR; as above where there are no such.
std::vector<std::size_t> brief_columns(const SubgroupAnalysis& analysis);
std::vector<std::size_t> all_columns(const SubgroupAnalysis& analysis);
std::vector<std::size_t> all_subgroups(const SubgroupAnalysis& analysis);
/// "all" and the groups of single attributes; all where there are none of these.
std::vector<std::size_t> brief_subgroups(const SubgroupAnalysis& analysis);

/// Rows: model and subgroup; a column for each measure, with its interval.
Table subgroup_table(const SubgroupAnalysis& analysis, const store::Header& header, TablePlace place,
                     const SubgroupTableOptions& options);
/// Rows: model, subgroup and measure; what the interval is made of, in columns of their own.
Table estimate_table(const SubgroupAnalysis& analysis, const store::Header& header, TablePlace place,
                     const SubgroupTableOptions& options);
/// Rows: model, family and criterion; of those whose measure is among the columns and that have a group among
/// the subgroups wanted.
Table gap_table(const SubgroupAnalysis& analysis, const store::Header& header, TablePlace place,
                const SubgroupTableOptions& options);
/// Rows: model, measure and subgroup; against the whole, and the test of equality with the rest.
Table equality_table(const SubgroupAnalysis& analysis, const store::Header& header, TablePlace place,
                     const SubgroupTableOptions& options);
/// The best and the worst `top` cells over models, data fractions and subgroups, by the first of the columns.
Table extremes_table(const SubgroupAnalysis& analysis, const store::Header& header, Rule rule,
                     const SubgroupTableOptions& options);
/// Per subgroup, the means of the ten best and the ten worst (model, data fraction) by the first of the
/// columns, and how far the groups of a family are apart in them.
Table means_of_ten_table(const SubgroupAnalysis& analysis, const store::Header& header, Rule rule,
                         const SubgroupTableOptions& options);
/// What was checked, then a row for each model that breaks it.
Table invariant_table(const SubgroupAnalysis& analysis, const store::Header& header);

}  // namespace seldon::analysis

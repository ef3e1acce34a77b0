#pragma once
// What must hold in every record, whatever the experiment: a breach is a fault of the program that wrote the
// store, or of one that was evaluated on something else than it says (docs/analysis.md, "Invariants").

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/scan.h"
#include "analysis/subgroups/accumulate.h"
#include "analysis/subgroups/subgroups.h"

namespace seldon::analysis {

/// The checks, in the order in which they are reported.
enum class Invariant : std::uint8_t {
  state_and_record,  ///< DONE has an outcome; a reason if and only if there is no solution; g is -inf
                     ///< likewise
  whole_rows,        ///< counts are whole numbers, and "all" has as many rows in every cell; on the original
                     ///< truth those of the table
  matrices,          ///< for each true class, the summed probabilities of all classes are its rows
  groups,            ///< the groups of an attribute that are not overlapping add up to the whole
  performance,       ///< recorded accuracy and log loss are those of the sums of "all"
  constraints,       ///< the recorded soft value of a constraint is that of the sums of its groups
  histograms,        ///< bins add up to rows and to the summed score
};
inline constexpr std::size_t invariant_count = static_cast<std::size_t>(Invariant::histograms) + 1;
std::string_view title_of(Invariant invariant);

/// Deviations above this, relative to the number expected (at least 1), are breaches: records are sums of
/// doubles, of scores that networks compute with 24 bits.
inline constexpr double invariant_tolerance = 1e-6;

/// The same for values of constraints, in which ratios of small rates may magnify what networks compute
/// differently in batches of other rows. What it is to find is larger by far.
inline constexpr double constraint_tolerance = 1e-3;

/// What the checks of some cells found.
struct Findings {
  struct One {
    std::uint64_t checked = 0, breached = 0;
    double largest = 0;
    std::uint32_t fraction = 0, trial = 0;  ///< the first breach
    std::string detail;
  };
  One of[invariant_count];
  std::vector<double> rows_of_whole;  ///< [truth] of the first cell with counts; -1: none yet
  /// Those of later cells of the same model.
  void merge(const Findings& later);
};

/// Checks all truths of one block's records.
Findings check(const Block& block, const store::Header& header, const std::vector<Subgroup>& subgroups,
               const std::vector<SubgroupFamily>& families);

}  // namespace seldon::analysis

#pragma once
// What the engine returns for one trial of one model; the worker turns it into a CellRecord.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/record.h"

namespace seldon::engine {

/// A base node in the safety test.
struct NodeEstimate {
  double n = 0, mean = 0, sd = 0, lower = 0, upper = 0;
};

/// The sums of one subgroup from which every table is made (architecture, decision 4). K x K are
/// [true][class].
struct SubgroupSums {
  std::vector<double> hard_counts, soft_sums, soft_squares;
  std::array<double, 2> log_loss = {0, 0};
  std::array<double, 7> residuals = {0, 0, 0, 0, 0, 0, 0};
  std::vector<double> histogram;  ///< [true class][64][2]
};

/// One ground truth: the original table or the held-out rows.
struct TruthResult {
  std::vector<double> performance;
  std::vector<std::vector<double>> g;  ///< [constraint][rule]
  std::vector<SubgroupSums> subgroups;
};

struct TrialResult {
  std::uint32_t trial = 0;
  Outcome outcome = Outcome::none;
  NsfReason reason = NsfReason::none;
  std::uint64_t rows = 0;
  std::int64_t best_iteration = -1;
  std::vector<double> upper;        ///< [constraint], safety test
  std::vector<NodeEstimate> nodes;  ///< all constraints' base nodes, in order
  std::vector<TruthResult> truths;  ///< empty where there is no solution
  std::vector<double> trace;        ///< [iteration][1 + 2 constraints]
  std::vector<double> parameters;
  double seconds_selection = 0, seconds_safety = 0, seconds_evaluation = 0;
  std::optional<std::string> error;  ///< an exception: the cell is FAILED, all else is void
};

}  // namespace seldon::engine

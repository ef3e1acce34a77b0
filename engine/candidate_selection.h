#pragma once
// Candidate selection: gradient descent on the Lagrangian in the parameters, ascent in the multipliers, the
// best feasible iterate returned. All trials of a pack advance together.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/progress.h"
#include "core/record.h"
#include "engine/learner.h"
#include "engine/optimizer/batches.h"
#include "engine/problem.h"

namespace seldon::engine {

struct SelectionOptions {
  AdamStep adam;  ///< settings; its `toolkit` also brings the toolkit's choice of the iterate
  double step_multipliers = 0.01;
  std::vector<double> multipliers;  ///< start: one per constraint
  std::uint64_t iterations = 0;
  BatchOptions batches;
  bool keep_trace = false;
};

struct Selection {
  enum class Stop {
    no,
    not_finite,      ///< NaN, or an infinite loss or parameter
    infinite_bound,  ///< toolkit variant only
  };
  /// Of the returned iterate; the number of iterations itself means the one after the last step.
  std::int64_t best_iteration = -1;
  bool feasible = false;  ///< predicted to pass the safety test
  Stop stop = Stop::no;
  bool small_group = false;   ///< the last batch held under five rows of a constraint's group
  std::vector<double> trace;  ///< [iteration][1 + 2 constraints], NaN after a stop
};

/// One trial's data: candidate rows of the table, and how many rows the safety test will have.
struct CandidateData {
  std::span<const std::uint32_t> rows;
  double safety_rows = 0;
  std::uint32_t trial = 0;
};

/// Leaves in the learner, settled, the returned iterate of each trial. Throws Stopped when told to stop.
std::vector<Selection> select_candidates(Learner& learner, const Problem& problem,
                                         std::span<const CandidateData> data, const SelectionOptions& options,
                                         Progress& progress);

/// Minimises the objective alone and keeps the last iterate: a baseline without constraints.
std::vector<Selection> train_unconstrained(Learner& learner, const Problem& problem,
                                           std::span<const CandidateData> data,
                                           const SelectionOptions& options, Progress& progress);

}  // namespace seldon::engine

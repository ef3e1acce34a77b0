#pragma once
// The plan of an experiment: which rows, how many iterations, which packs in which order. Made once, when a
// store is created, and stored.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/cell.h"
#include "experiment/description.h"

namespace seldon::experiment {

/// Python's round() of a non-negative number: half to even.
std::uint64_t round_half_even(double value);

/// Rows of a trial at a data fraction: round(fraction * total_rows).
std::uint64_t rows_at(double fraction, std::uint64_t total_rows);

/// Candidate rows among n: round(n (1 - frac_in_safety)); the safety test has the rest.
std::uint64_t candidate_rows(std::uint64_t n, double frac_in_safety);

/// Batches per pass over `rows`. toolkit: ceil(rows / batch_size). Otherwise a last batch under half size
/// joins the one before it. At least 1; 1 where there are no rows.
std::uint64_t batches_per_epoch(std::uint64_t rows, std::uint64_t batch_size, bool toolkit);

/// The Seldonian Toolkit's make_batch_epoch_dict_min_sample_repeat (Experiments 5c97ec5): the epochs at one
/// data fraction that give at least `min_iterations` iterations and let each sample be seen `repeats` times.
/// It counts fractions of a batch.
std::uint64_t epochs_min_sample_repeat(std::uint64_t min_iterations, double fraction,
                                       std::uint64_t total_rows, std::uint64_t batch_size,
                                       std::uint64_t repeats);

/// The training of one model at one data fraction.
struct Schedule {
  std::uint64_t rows = 0;        ///< that candidate selection sees; all n for a baseline
  std::uint64_t batches = 1;     ///< per epoch; 1: full batch
  std::uint64_t epochs = 0;      ///< started, the last one perhaps not finished
  std::uint64_t iterations = 0;  ///< in all; 0 where the model has no schedule (solved, or nothing to train)
  bool operator==(const Schedule&) const = default;
};

/// Of a model, n rows in a trial, `seldonian` rows as candidate_rows says.
Schedule schedule(const ModelSection& model, std::uint64_t n, double frac_in_safety);

/// What the plan asks of a model's architecture, which this room does not know.
struct ModelWork {
  std::uint32_t pack_size = 1;          ///< where the config leaves it open
  double cost_per_row = 1;              ///< multiply-adds of a forward pass, per row
  std::uint64_t solver_iterations = 0;  ///< passes over its rows that a model without a schedule takes
};

struct Plan {
  std::uint64_t total_rows = 0;                  ///< of the table, or of its training part
  std::vector<std::uint64_t> rows;               ///< n at each fraction
  std::vector<std::vector<Schedule>> schedules;  ///< [model][fraction]
  std::vector<std::uint32_t> pack_sizes;         ///< [model]
  std::vector<std::vector<double>> cell_costs;   ///< [model][fraction] multiply-adds of one cell
  std::vector<Pack> packs;  ///< in the order in which they are handed out: largest work first
  std::uint64_t cells = 0;

  double cost(const Pack& pack) const { return pack.width * cell_costs[pack.model][pack.fraction]; }
};

/// Cuts the grid: for each model and fraction consecutive trials of pack_size, the remainder last. Packs are
/// ordered by cost, ties by model, fraction, trial. The last in the order are the cheapest already, so none
/// is cut smaller. `work` has one entry per model. Throws InputError for a fraction that leaves no row.
Plan make_plan(const Description& description, std::uint64_t total_rows, std::span<const ModelWork> work,
               std::uint32_t experiment = 0);

/// What `seldon check` knows besides.
struct PlanFacts {
  struct Group {
    std::string name;
    std::uint64_t rows = 0;  ///< among those that trials are drawn from
  };
  std::uint64_t store_bytes = 0;
  std::vector<std::uint64_t> bytes_per_cell;  ///< [model]
  std::vector<std::string> constraint_lines;  ///< what each constraint's tree needs
  std::vector<Group> groups;                  ///< that constraints bounded by Student's t use
  std::vector<bool> together;  ///< [model] all cells of a pack are recorded at once; missing: one by one
  std::vector<bool> networks;  ///< [model] what device and gpus_per_trial concern; missing: not
  std::vector<std::uint32_t> workers;  ///< [model] that run a pack together; missing: 1
  /// [model] bytes of a GPU's memory that a trial of a network takes at its largest batch; missing, 0:
  /// unknown
  std::vector<double> gpu_bytes_per_trial;
  double cost_per_second = 0;  ///< multiply-adds that one worker does; 0: unknown, no times
};

/// The text of `seldon check`.
std::string describe(const Description& description, const Plan& plan, const PlanFacts& facts);

}  // namespace seldon::experiment

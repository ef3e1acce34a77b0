#pragma once
// How candidate selection went: loss, multipliers, upper bounds and Lagrangian against the iteration, of one
// trial or of all trials of a model and data fraction.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/plots/figure.h"
#include "analysis/results.h"
#include "store/store.h"

namespace seldon::analysis {

/// What stands for several trials: the median between the quartiles, or the mean between one standard error
/// to each side.
enum class TraceBand : std::uint8_t { quartiles, standard_error };

struct TraceChoice {
  std::string model;                   ///< empty: the first that keeps traces
  std::optional<double> fraction;      ///< unset: the largest
  std::optional<std::uint32_t> trial;  ///< unset: all trials
  TraceBand band = TraceBand::quartiles;
};

/// One quantity, [iteration]. Of one trial all three are equal. Over the trials that have a value there; NaN
/// where none has. Quantiles interpolate linearly (Hyndman and Fan, "Sample quantiles in statistical
/// packages", The American Statistician 50, 1996, type 7).
struct TraceLine {
  std::vector<double> centre, lower, upper;
};

/// Of one trial: which iterate candidate selection returned.
struct TraceBest {
  std::uint32_t trial = 0;
  /// As Field::best_iteration: -1 where there is none; the number of iterations itself means the iterate
  /// after the last step.
  std::int64_t iteration = -1;
  bool feasible = false;  ///< predicted to pass the safety test: all upper bounds of its iteration are <= 0
  bool solution = false;  ///< it passed the safety test
};

struct TraceSummary {
  std::string experiment, model;
  double fraction = 0;
  std::uint64_t rows = 0;
  std::uint32_t n_trials = 0;
  std::optional<std::uint32_t> trial;  ///< of one trial
  TraceBand band = TraceBand::quartiles;
  std::vector<store::ConstraintHeader> constraints;  ///< of the model's records, in their order
  std::vector<std::uint32_t> running;                ///< [iteration] trials that have a loss there
  TraceLine loss;
  std::vector<TraceLine> multiplier, upper;  ///< [constraint]
  TraceLine lagrangian;         ///< loss + sum of multiplier x upper bound, of each trial by itself
  std::vector<TraceBest> best;  ///< of the trials with a trace, ascending
  Damage damage = {};           ///< trials left out since their record does not fit its checksum

  std::size_t iterations() const { return running.size(); }
  /// The median of the best feasible iterations, NaN where there are none.
  double best_feasible() const;
};

/// Whether a model's records hold traces.
bool has_trace(const store::Header& header, const std::string& model);

/// InputError where the store, or the chosen model, keeps no traces (and how to keep them), where it has no
/// such model, fraction or trial, and where the chosen cells are not DONE. Cells that are not DONE, whose
/// record does not fit its checksum, or without any iteration are left out.
TraceSummary read_trace(const store::Reader& reader, const TraceChoice& choice);

/// One trial's record of candidate selection: `values` as Field::trace.
struct CellTrace {
  std::vector<double> values;
  TraceBest best;
};

/// Fills the lines, `running` and `best` of a summary whose `constraints` are set from its trials. InputError
/// for no trials; InternalError where the traces are not of one length, in rows of 1 + 2 constraints.
void summarise_traces(std::span<const CellTrace> cells, TraceSummary& summary);

/// The file trace.dat (or as `style.name` says) and its script.
std::string trace_data(const TraceSummary& summary);
std::string trace_script(const TraceSummary& summary, const FigureStyle& style);

/// Writes NAME.gp and NAME.dat into the folder and draws NAME.FORMAT beside them.
void write_trace(const TraceSummary& summary, const FigureStyle& style, const std::filesystem::path& folder,
                 std::span<const Format> formats);

}  // namespace seldon::analysis

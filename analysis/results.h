#pragma once
// What the analysis needs of a store's cells, read once: plain arrays over (fraction, trial).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/cell.h"
#include "core/record.h"
#include "store/store.h"

namespace seldon::analysis {

/// The cells of one model, [fraction][trial] row-major. Of a cell that is not DONE only the state (and run)
/// counts.
struct ModelResults {
  store::ModelHeader header;
  std::vector<CellState> states;
  std::vector<Outcome> outcomes;
  std::vector<NsfReason> reasons;
  std::vector<std::int64_t> rows;   ///< that the trial saw
  std::vector<double> performance;  ///< [cell][truth][measure]
  std::vector<double> g;            ///< [cell][constraint][rule][truth]
  std::vector<double> upper;        ///< [cell][constraint]
  std::vector<RunInfo> runs;        ///< empty unless asked for

  /// Arrays of the right sizes for `cells` cells, all pending.
  static ModelResults empty(store::ModelHeader header, std::size_t cells);

  bool done(std::size_t cell) const { return states[cell] == CellState::done; }
  bool solved(std::size_t cell) const { return done(cell) && outcomes[cell] == Outcome::solution; }
  /// NaN where no measure has that index.
  double performance_at(std::size_t cell, std::size_t truth, std::size_t measure) const;
  /// The ground-truth value of a constraint, -inf where there is no solution.
  double g_at(std::size_t cell, std::size_t constraint, std::size_t rule, std::size_t truth) const;
  double upper_at(std::size_t cell, std::size_t constraint) const;
};

/// DONE cells whose record does not fit its checksum: the machine lost its power, or a bit of the file.
struct Damage {
  std::uint64_t cells = 0;
  std::string first;  ///< model, data fraction and trial of the first such cell, in words
};

struct Results {
  store::Header header;
  std::vector<ModelResults> models;
  Damage damage = {};

  std::size_t cells_per_model() const { return header.data_fracs.size() * header.n_trials; }
};

enum class Runs : bool { leave, read };

/// Reads a store, also one that is being written: cells that become DONE meanwhile may be missing, never half
/// read. The checksum of every record is tested, arrays included; a DONE cell that fails counts as LOST and
/// in `damage`. InputError for a path that is no store and for a DONE cell without an outcome.
Results read_results(const std::string& path, Runs runs = Runs::leave);

/// Which of the recorded versions is shown: decisions soft or hard, truth original or held out.
/// Unset: the rule that the constraint itself decides by; "original" where there is one, else the first.
struct Selection {
  std::optional<std::string> rule, truth;
};

/// Position of the selected truth, or of the rule for a constraint, on the axis of a record; InputError if
/// the store has none of that name.
std::size_t truth_index(const RecordShape& shape, const Selection& selection);
std::size_t rule_index(const RecordShape& shape, const store::ConstraintHeader& constraint,
                       const Selection& selection);

/// Position of a constraint in a model's records, by name; none if the model's records lack it.
std::optional<std::size_t> constraint_index(const RecordShape& shape, const std::string& name);

/// A solution violates its constraint if g > 0 or NaN.
bool has_failed(double g);

/// The rule of results from elsewhere that tell only whether a solution violated its constraint. Where a
/// model's axis of rules has it, it is the only one to judge by: what stands for g there is 1 or 0, so that
/// has_failed() holds, and g itself, under the other rule, is unknown and NaN (docs/store.md).
inline constexpr std::string_view failures_only = "failed";

/// Whether a model's solutions can be judged in one way only, whatever a selection asks for.
bool has_one_rule(const RecordShape& shape);

/// Whether the record's g is the constraint's value, not just the mark of a failure.
inline bool g_is_known(const RecordShape& shape, std::size_t rule) {
  return shape.rules.at(rule) != failures_only;
}

}  // namespace seldon::analysis

#pragma once
// The cells of a store as CSV files.

#include <cstddef>
#include <filesystem>

#include "analysis/results.h"

namespace seldon::analysis {

/// As the Seldonian Toolkit leaves them: FOLDER/{model}_results/{model}_results.csv with data_frac, trial_i,
/// performance, passed_safety (Seldonian models only) and gvec, written as pandas writes them; gvec is
/// NumPy's text of the constraints' ground-truth values; where these are unknown (`failures_only`) the column
/// is `failed`. import_toolkit is the inverse. Cells that are not DONE have no line, since the toolkit knows
/// no such state. Returns how many those are. InputError for a model whose name cannot be a
/// folder.
std::size_t export_toolkit(const Results& results, const Selection& selection,
                           const std::filesystem::path& folder);

/// One line per cell, whatever its state: FOLDER/cells.csv. Numbers read back as the same doubles; what does
/// not exist is empty. Needs results that were read with their runs.
void export_tidy(const Results& results, const Selection& selection, const std::filesystem::path& folder);

/// The columns of cells.csv after those of every experiment follow from the models' shapes.
std::string tidy_csv(const Results& results, const Selection& selection);
std::string toolkit_csv(const Results& results, std::size_t model, const Selection& selection);

/// "pending", "done" ...
std::string_view name_of(CellState state);

}  // namespace seldon::analysis

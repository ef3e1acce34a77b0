#pragma once
// Results of the Seldonian Toolkit as a store, to be drawn, tabled and compared beside one's own.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace seldon::analysis {

struct ImportedConstraint {
  std::string name;
  std::string expression;  ///< kept as a text: the files do not hold it
  double delta = 0.05;
};

struct ImportOptions {
  std::uint64_t rows = 0;  ///< of the table that trials were drawn from: the data fraction 1
  std::vector<ImportedConstraint> constraints;  ///< in the order of gvec
  /// Models under a guarantee; unset: those whose file has a column passed_safety.
  std::optional<std::vector<std::string>> seldonian;
  std::string experiment;                   ///< prefix of the files, where there are several
  std::string name;                         ///< of the store's experiment; empty: the prefix, or "imported"
  std::string performance = "performance";  ///< what the column of that name holds: "log_loss" ...
  std::string version;                      ///< of this program
};

struct Imported {
  std::size_t models = 0, fractions = 0;
  std::uint32_t trials = 0;
  std::uint64_t cells = 0, recorded = 0;  ///< what is not recorded had no row and is PENDING
  std::vector<std::string> g_unknown;     ///< models whose files tell failures only
};

/// Reads FOLDER (toolkit/result_files.h) and makes the store `out`, whole or not at all. InputError for bad
/// results or options, or where `out` exists; IncompleteError where the disk fails.
///
/// A cell is a solution if passed_safety is True; without that column, if it has a performance or a g other
/// than -inf. Where a model's file has `failed` instead of g, its records have the rule `failures_only`
/// (analysis/results.h). There are no subgroups, base nodes, bounds and NSF reasons, since the files have
/// none. n at a fraction is round(fraction * rows), halves to even, as in Python and in `seldon run`.
Imported import_toolkit(const std::filesystem::path& folder, const ImportOptions& options,
                        const std::string& out);

}  // namespace seldon::analysis

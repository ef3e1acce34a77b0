#pragma once
// The result files of the Seldonian Toolkit, read and checked row by row.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace seldon::analysis {

/// One trial of one model at one data fraction.
struct ToolkitRow {
  double fraction = 0;
  std::uint32_t trial = 0;
  double performance = 0;  ///< NaN where the field is empty
  bool passed = false;     ///< column passed_safety; false where there is none
  bool failed = false;     ///< column failed, or some g > 0 or NaN
  std::vector<double> g;   ///< column gvec, one per constraint; empty where only `failed` is known
};

/// A file's rows come from here; both are what a person needs to find it again.
struct ToolkitFile {
  std::string name;    ///< below the folder that was read
  std::string sha256;  ///< of its bytes
};

struct ToolkitModel {
  std::string name;
  bool has_passed_safety = false;  ///< the column is there: the toolkit writes it for Seldonian models
  bool has_gvec = false;           ///< else the column is `failed`
  std::vector<ToolkitRow> rows;
  std::vector<ToolkitFile> files;
};

struct ToolkitResults {
  std::string experiment;            ///< the files' prefix, empty where they have none
  std::vector<ToolkitModel> models;  ///< by name
};

/// All models of one experiment. Three layouts: FOLDER/{model}_results/{model}_results.csv;
/// FOLDER/{model}_results/trial_data/*.csv where that file is not there; FOLDER/{model}_results.csv, also
/// with a prefix as in FOLDER/{experiment}__{model}_results.csv. `experiment` picks a prefix; empty: the only
/// one, or none.
/// InputError, with file and line, for a folder without results, one of several experiments of which none is
/// picked, a file that is no such table, and rows that are ragged, hold what is no number, come twice, have
/// more or fewer constraints than `constraints`, or contradict themselves.
ToolkitResults read_toolkit_results(const std::filesystem::path& folder, const std::string& experiment,
                                    std::size_t constraints);

/// The rows of one file's text. `file` is named in errors.
ToolkitModel parse_toolkit_table(std::string_view text, const std::string& file, std::size_t constraints);

}  // namespace seldon::analysis

#include "programs/report_common.h"

#include <iostream>

namespace seldon::programs {

void warn_of(const analysis::Damage& damage) {
  if (damage.cells == 0) return;
  std::cerr << "seldon-report: warning: " << damage.cells
            << (damage.cells == 1 ? " record does not fit its checksum and is left out ("
                                  : " records do not fit their checksum and are left out (first: ")
            << damage.first
            << (damage.cells == 1 ? "); the same `seldon run` runs that cell again\n"
                                  : "); the same `seldon run` runs these cells again\n");
}

analysis::Results read_store(const std::string& path, analysis::Runs runs) {
  auto results = analysis::read_results(path, runs);
  warn_of(results.damage);
  return results;
}

analysis::Selection SelectionArguments::selection() const {
  analysis::Selection selection;
  if (!rule.empty()) selection.rule = rule;
  if (!truth.empty()) selection.truth = truth;
  return selection;
}

void add_store(CLI::App& command, std::string& store) {
  command.add_option("STORE", store, "the experiment's HDF5 file")->required();
}

void add_folder(CLI::App& command, std::string& folder) {
  command.add_option("--out", folder, "folder to write to; made if need be")->required();
}

void add_selection(CLI::App& command, SelectionArguments& arguments) {
  command.add_option("--rule", arguments.rule,
                     "judge by 'soft' or 'hard' decisions (default: each constraint's own)");
  command.add_option("--truth", arguments.truth, "ground truth 'original' (default) or 'held_out'");
}

}  // namespace seldon::programs

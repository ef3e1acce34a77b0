#pragma once
// What the subcommands of seldon-report share.

#include <string>

#include <CLI/CLI.hpp>

#include "analysis/results.h"

namespace seldon::programs {

/// The store's results, with a warning on stderr where records are damaged.
analysis::Results read_store(const std::string& path, analysis::Runs runs = analysis::Runs::leave);

/// Options --rule and --truth.
struct SelectionArguments {
  std::string rule, truth;  ///< empty: not asked for
  analysis::Selection selection() const;
};

void add_store(CLI::App& command, std::string& store);
void add_folder(CLI::App& command, std::string& folder);
void add_selection(CLI::App& command, SelectionArguments& arguments);

}  // namespace seldon::programs

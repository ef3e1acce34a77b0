#pragma once
// What the subcommands of seldon-report share.

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "analysis/results.h"

namespace seldon::programs {

/// The store's results, with a warning on stderr where records are damaged.
analysis::Results read_store(const std::string& path, analysis::Runs runs = analysis::Runs::leave);

/// Warns on stderr where records are damaged.
void warn_of(const analysis::Damage& damage);

/// Options --rule and --truth.
struct SelectionArguments {
  std::string rule, truth;  ///< empty: not asked for
  analysis::Selection selection() const;
};

/// An option with values separated by commas, in one argument: what follows may be STORE.
template <class Value>
CLI::Option* add_list(CLI::App& command, const std::string& name, std::vector<Value>& values,
                      const std::string& what) {
  return command.add_option(name, values, what)->delimiter(',')->allow_extra_args(false);
}

void add_store(CLI::App& command, std::string& store);
void add_folder(CLI::App& command, std::string& folder);
void add_selection(CLI::App& command, SelectionArguments& arguments);

}  // namespace seldon::programs

#pragma once
// The subcommands of seldon-report that make tables: tables.

#include <CLI/CLI.hpp>

namespace seldon::programs {

/// Adds them to `app`, which must outlive the parsing.
void add_table_commands(CLI::App& app);

}  // namespace seldon::programs

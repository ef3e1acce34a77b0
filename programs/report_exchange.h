#pragma once
// The subcommands of seldon-report that exchange results with other programs: export, import.

#include <CLI/CLI.hpp>

namespace seldon::programs {

/// Adds them to `app`, which must outlive the parsing.
void add_exchange_commands(CLI::App& app);

}  // namespace seldon::programs

#pragma once
// The subcommands of seldon-report that draw: plots, pairs, trace.

#include <CLI/CLI.hpp>

namespace seldon::programs {

/// Adds them to `app`, which must outlive the parsing.
void add_plot_commands(CLI::App& app);

}  // namespace seldon::programs

#pragma once
// The subcommands of seldon-report that look at a run: status, timeline.

#include <CLI/CLI.hpp>

namespace seldon::programs {

/// Adds them to `app`, which must outlive the parsing.
void add_status_commands(CLI::App& app);

}  // namespace seldon::programs

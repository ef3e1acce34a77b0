#pragma once
// The subcommand of seldon-report that makes one document of all: report.

#include <CLI/CLI.hpp>

namespace seldon::programs {

/// Adds them to `app`, which must outlive the parsing.
void add_report_command(CLI::App& app);

}  // namespace seldon::programs

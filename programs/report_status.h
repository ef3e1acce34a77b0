#pragma once
// The subcommands of seldon-report that look at a run: status, timeline.

#include <CLI/CLI.hpp>

#include "core/error.h"

namespace seldon::programs {

/// Adds them to `app`; it and `code`, which they set, must outlive the parsing.
void add_status_commands(CLI::App& app, ExitCode& code);

}  // namespace seldon::programs

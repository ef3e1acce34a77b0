#pragma once
// The subcommands of seldon-report that are about the store itself: verify, merge.

#include <CLI/CLI.hpp>

#include "core/error.h"

namespace seldon::programs {

/// Adds them to `app`. Once one has run, `code` is what the program should exit with. Both must outlive the
/// parsing.
void add_store_commands(CLI::App& app, ExitCode& code);

}  // namespace seldon::programs

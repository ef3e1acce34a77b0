#pragma once
// How a program ends when something was thrown.

#include <exception>

#include "core/error.h"

namespace seldon::programs {

/// That of an Error; of anything else `internal`.
ExitCode code_of(const std::exception& error);

/// Prints "seldon: error: ..." on stderr and returns the exit code.
ExitCode report(const std::exception_ptr& failure);

}  // namespace seldon::programs

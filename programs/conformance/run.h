#pragma once
// All cases of a file, one after the other.

#include <string>
#include <vector>

#include "core/error.h"
#include "engine/constraint/constraint.h"

namespace seldon::conformance {

/// Prints a line for each case that fails, with wanted and got, one for each category that is skipped, and "N
/// passed, M failed, K skipped". Data are looked for in the folders and in that of the file itself. Returns
/// `internal` if a case fails; throws InputError where the file cannot be read.
ExitCode run(const std::string& path, const std::vector<std::string>& folders, engine::Variant variant);

}  // namespace seldon::conformance

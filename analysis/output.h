#pragma once
// Files that the analysis writes.

#include <filesystem>
#include <string>

namespace seldon::analysis {

/// Makes the folder and those above it; one that exists is taken. InputError where that fails.
void make_folder(const std::filesystem::path& folder);

/// Writes (over) a file; InputError with the system's reason where that fails.
void write_file(const std::filesystem::path& file, const std::string& text);

}  // namespace seldon::analysis

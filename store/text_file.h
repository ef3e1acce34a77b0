#pragma once
// The small text files beside a store. Internal to the store room.

#include <optional>
#include <string>

namespace seldon::store {

/// Writes (over) a file, without a sync; IncompleteError with the system's reason where that fails.
void write_text(const std::string& path, const std::string& text);

/// A whole file; nothing where there is none. InputError with the system's reason where it cannot be read.
std::optional<std::string> read_text(const std::string& path);

}  // namespace seldon::store

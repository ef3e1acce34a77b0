#pragma once
// What users should know of how the engine runs, said once. Here and not where it arises: LibTorch's headers
// bring another fmt than spdlog's.

#include <string>

namespace seldon::engine {

/// A line in the log at level info, the first time in this process that this text comes.
void say_once(const std::string& text);

/// A line at level error, every time.
void say_error(const std::string& text);

}  // namespace seldon::engine

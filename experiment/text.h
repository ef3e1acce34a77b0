#pragma once
// Values as text, and the nearest word. Internal to this room.

#include <span>
#include <string>
#include <string_view>

namespace seldon::experiment {

/// The shortest decimal number that reads back as the same double: "0.05", "1e-08", "3"; "nan", "inf",
/// "-inf".
std::string shortest(double value);

/// In double quotes, escaped so that TOML and JSON both read it.
std::string quote(std::string_view text);

/// Letters, digits, '_', '-' and '.', not dots alone, 1 to 64 of them: what models, groups and the like may
/// be called.
bool is_name(std::string_view text);

/// The candidate with the least edit distance (Levenshtein), the first at a tie; empty where there is none.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace seldon::experiment

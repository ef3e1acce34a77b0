#pragma once

#include <optional>
#include <string_view>

namespace seldon::programs {

/// Seconds of "90s", "90m", "1.5h", "2d", and of Slurm's "MM:SS", "HH:MM:SS", "D-HH", "D-HH:MM" and
/// "D-HH:MM:SS"; nothing where the text is none of these, or not above 0. A number without a unit is none: it
/// would be seconds to one reader and, as in Slurm, minutes to another.
std::optional<double> parse_duration(std::string_view text);

}  // namespace seldon::programs

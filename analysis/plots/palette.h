#pragma once

#include <array>

namespace seldon::analysis {

/// Okabe and Ito, "Color universal design", 2008: told apart with any colour vision. Yellow, faint on white,
/// is last.
inline constexpr std::array<const char*, 8> colours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                       "#E69F00", "#56B4E9", "#000000", "#F0E442"};

}  // namespace seldon::analysis

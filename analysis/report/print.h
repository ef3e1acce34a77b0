#pragma once
// The report as PDF, by a Chromium of the machine.

#include <filesystem>
#include <optional>
#include <string>

namespace seldon::analysis {

/// The Chromium to print with: $SELDON_CHROMIUM, or the first of chromium, chromium-browser, google-chrome,
/// google-chrome-stable and chrome that PATH has. None where there is none; InputError where the variable
/// names no program.
std::optional<std::filesystem::path> find_chromium();

/// Prints an HTML file: headless, without a shell, with a profile of its own that is removed afterwards, and
/// without a network's help. Writes `pdf` only once it is whole. InputError, with what Chromium said, if it
/// fails or takes longer than `seconds`.
void print_pdf(const std::filesystem::path& chromium, const std::filesystem::path& html,
               const std::filesystem::path& pdf, double seconds = 120);

}  // namespace seldon::analysis

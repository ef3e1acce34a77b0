#pragma once
// The figure of the Seldonian literature: performance, solution rate and failure rate against the amount of
// data, one row of panels per constraint.

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "analysis/aggregate.h"

namespace seldon::analysis {

enum class Format { svg, pdf, png };
std::string_view name_of(Format format);
/// "svg", "pdf" or "png".
std::optional<Format> format_named(std::string_view name);

/// The numbers of the figure, one gnuplot block per curve, named in comments.
std::string three_plots_data(const Summary& summary);
/// The gnuplot script: labels and styles as variables at its top; draws the format that its variable `format`
/// names.
std::string three_plots_script(const Summary& summary);

/// Writes three_plots.gp and three_plots.dat into the folder (made if need be) and draws three_plots.FORMAT
/// beside them. InputError if the folder cannot be written or gnuplot is missing.
void write_three_plots(const Summary& summary, const std::filesystem::path& folder,
                       std::span<const Format> formats);

}  // namespace seldon::analysis

#pragma once
// The figure of the Seldonian literature: performance, solution rate and failure rate against the amount of
// data, one row of panels per constraint.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "analysis/aggregate.h"
#include "analysis/plots/figure.h"

namespace seldon::analysis {

/// Over which trials failures are rated: all that are recorded, as in the literature, those with a solution,
/// or a panel for each.
enum class FailurePanels : std::uint8_t { all, conditional, both };

struct ThreePlotsOptions {
  FigureStyle style;                                        ///< its `name` is "three_plots" by default
  std::vector<std::pair<std::string, std::string>> labels;  ///< model of the summary, its text in the legend
  std::string x_label, performance_label, solution_label, failure_label;  ///< empty: the usual ones
  bool x_log = true, performance_log = false;
  std::optional<AxisRange> performance_limits;
  FailurePanels failure = FailurePanels::all;
  bool delta = true;          ///< draw it
  bool counts = false;        ///< print how many trials are behind a performance, where some are not
  std::optional<bool> joint;  ///< a row for violations of any constraint; unset: with several constraints
};

/// The numbers of the figure, one gnuplot block per curve, named in comments.
std::string three_plots_data(const Summary& summary);

/// The gnuplot script: labels and styles as variables at its top; draws the format that its variable `format`
/// names. InputError for options that cannot be drawn: limits out of order, a logarithmic axis for values
/// that are not above 0, a label of a model that is not shown.
std::string three_plots_script(const Summary& summary, const ThreePlotsOptions& options = {});

/// Writes NAME.gp and NAME.dat into the folder (made if need be) and draws NAME.FORMAT beside them.
/// InputError if the folder cannot be written or gnuplot is missing.
void write_three_plots(const Summary& summary, const std::filesystem::path& folder,
                       std::span<const Format> formats, const ThreePlotsOptions& options = {});

/// The texts of a legend: each name, or what `labels` says instead. InputError for a label of another name.
std::vector<std::string> legend_texts(const std::vector<std::string>& names,
                                      const std::vector<std::pair<std::string, std::string>>& labels);

}  // namespace seldon::analysis

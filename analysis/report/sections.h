#pragma once
// The report's parts. Each is the inside of a <section>, or empty where the store has nothing for it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/aggregate.h"
#include "analysis/report/report.h"
#include "analysis/results.h"
#include "analysis/status.h"

namespace seldon::analysis::report {

/// What all parts look at.
struct Material {
  const std::string& store;
  const Results& results;
  const ReportOptions& options;
  Summary summary;
  Status status;
};

struct Cells {
  std::uint64_t all = 0, done = 0, failed = 0;
  bool partial() const { return done < all; }
};
Cells cells_of(const Material& material);

/// Whether the store holds the toolkit's result files (seldon-report import), of which much is unknown.
bool is_imported(const Material& material);
/// What the text in the store's `config` is.
std::string config_title(const Material& material);

/// Whether a model carries the guarantee.
bool is_seldonian(const ModelSummary& model);

/// Whether a constraint's delta speaks of the failure rate that is shown: of the data that trials are drawn
/// from, by the decisions that the safety test certified.
bool is_bounded_by_delta(const Summary& summary, const ConstraintSummary& constraint);
/// The same of the probability that any constraint is violated.
bool is_bounded_by_deltas(const Summary& summary);

/// "soft decisions (means of predicted probabilities)", "the original data": as in the Three Plots.
std::string words_for_rule(const std::string& rule);
std::string words_for_truth(const std::string& truth);

/// The page's <header>: title, state, what was run.
std::string masthead(const Material& material);
/// The guarantee in a sentence, and each model at its largest amount of data.
std::string summary_section(const Material& material);
std::string three_plots_section(const Material& material);
/// A dot for each trial.
std::string trials_section(const Material& material);
/// How candidate selection went, where the store keeps it.
std::string traces_section(const Material& material);
/// Heat map, tables, gaps, invariants.
std::string subgroups_section(const Material& material);
/// Failed cells, and why no solution was found.
std::string failures_section(const Material& material);
/// Who worked when, and how long.
std::string timeline_section(const Material& material);
/// How to cite and to reproduce.
std::string reproduction_section(const Material& material);

/// The checkboxes that show and hide models, for a figure with these.
std::string legend(const Summary& summary);

}  // namespace seldon::analysis::report

#pragma once
// One document about an experiment: `seldon-report report` (docs/analysis.md, "The report").

#include <string>

#include "analysis/aggregate.h"
#include "analysis/results.h"

namespace seldon::analysis {

struct ReportOptions {
  Selection selection;
  Choice choice;            ///< models, constraints, measure and intervals of the plots
  double min_rows = 30;     ///< subgroups with fewer rows in a denominator are flagged
  std::string title;        ///< empty: the experiment's name
  std::string program;      ///< name and version of what writes the report
  double now = 0;           ///< seconds since the epoch: when it is written
  bool with_digest = true;  ///< the digest of a finished store of at most 512 MiB, which is read once more
};

/// The report as one HTML file that needs nothing else: no network, no font, no script but its own. `results`
/// are the store's, read with their runs. Whatever a config or a store holds appears as text. InputError as
/// in aggregate().
std::string report_html(const std::string& store, const Results& results, const ReportOptions& options);

}  // namespace seldon::analysis

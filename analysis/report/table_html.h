#pragma once
// A Table (analysis/table.h) as HTML: readable without JavaScript, sorted and filtered with it (report.js).

#include <string>
#include <vector>

#include "analysis/table.h"

namespace seldon::analysis::report {

struct TableLook {
  std::size_t row_header = 0;                 ///< the column whose cells name their rows
  bool filter = false;                        ///< offer a box to filter by
  std::vector<std::string> not_printed = {};  ///< columns that a sheet has no room for
  bool screen_only = false;                   ///< too long to print: the print says where it is
};

/// A <figure> with caption, table, notes, and what the columns are. `decimals` of the columns are kept; the
/// doubles themselves are in data-v, by which the rows are sorted.
std::string to_html(const Table& table, const TableLook& look = {});

}  // namespace seldon::analysis::report

#pragma once
// From a CSV file to a Frame.

#include <string>
#include <string_view>

#include "core/error.h"
#include "table/frame.h"
#include "table/preprocessing.h"
#include "table/read_options.h"

namespace seldon::table {

/// Reads the table that the options describe. InputError for everything that the user must mend: it names the
/// file, the line and the column, or the config's line (docs/data.md lists the messages).
Frame read_csv(const ReadOptions& options);

/// The same from the file's decompressed text; `options.path` is only what messages call it.
Frame read_csv_text(std::string_view text, const ReadOptions& options);

/// Reads further rows as the table of `preprocessing` was read: same features, same scaling. There are no
/// groups, and no labels where the file has no such column. InputError as above, and for a level that the
/// table did not have.
Frame read_new_rows(const std::string& path, const Preprocessing& preprocessing);
Frame read_new_rows_text(std::string_view text, const std::string& file, const Preprocessing& preprocessing);

}  // namespace seldon::table

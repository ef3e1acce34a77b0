#pragma once
// Tables that people read and programs read back: one description, five forms.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace seldon::analysis {

/// What stands in one place of a table. A number may have an interval, and a remark in place of or beside it.
struct TableCell {
  enum class Kind : std::uint8_t { empty, text, count, number };
  Kind kind = Kind::empty;
  std::string text;             ///< of a text; of a number that is NaN: why it is
  double value = 0;             ///< of a number or a count; NaN allowed
  double lower = 0, upper = 0;  ///< of a number with an interval
  bool interval = false;        ///< lower and upper count (either may be NaN or infinite)
  bool flagged = false;         ///< to be read with care; the table's notes say why

  static TableCell of(std::string text);
  static TableCell of_count(std::uint64_t count);
  static TableCell of_number(double value, std::string why_nan = {});
  static TableCell of_interval(double value, double lower, double upper, std::string why_nan = {});
  TableCell flag(bool on = true) && {
    flagged = on;
    return std::move(*this);
  }
};

struct TableColumn {
  std::string name;   ///< for programs: "tpr", "best_group"; unique in its table
  std::string title;  ///< for people: "TPR"
  std::string about;  ///< what the number is, one sentence; may be empty
  int decimals = 3;   ///< of numbers, in the forms for people
};

struct Table {
  std::string name;                ///< for files and programs: letters, digits, '_'
  std::string title;               ///< for people
  std::vector<std::string> notes;  ///< below the table: truth, rule, what the interval is, what a flag means
  std::vector<TableColumn> columns;
  std::vector<std::vector<TableCell>> rows;  ///< each as long as `columns`
};

enum class TableForm : std::uint8_t { console, csv, markdown, latex, json };
std::string_view name_of(TableForm form);
/// "console", "csv", "markdown", "latex" or "json".
std::optional<TableForm> table_form_named(std::string_view name);
/// "txt", "csv", "md", "tex", "json".
std::string_view extension_of(TableForm form);

struct ConsoleStyle {
  bool colour = false;  ///< ANSI colours, where a terminal shows them
};

/// Columns aligned, numbers by their decimal point, at any width; flags as '!'.
std::string to_console(const Table& table, const ConsoleStyle& style = {});
/// RFC 4180, one header line. A number takes one column `name`, and `name_lower`, `name_upper` besides where
/// any row of the column has an interval; the last columns are `flags`, the names of the flagged columns, and
/// `missing`, why which have no value. Shortest decimals that read back as the same double, NaN and what is
/// missing empty. Notes are left out.
std::string to_csv(const Table& table);
/// GitHub's tables: title, table, notes.
std::string to_markdown(const Table& table);
/// A `table` environment with booktabs' rules; every character that LaTeX could take for more than itself is
/// escaped. Needs \usepackage{booktabs}.
std::string to_latex(const Table& table);
/// {"name", "title", "notes", "columns": [{"name", "title", "about"}], "rows": [[cell ...]]}; a cell is null,
/// a string, or {"value", "lower", "upper", "text", "flagged"} with null for NaN and "inf" or "-inf" for
/// infinite.
std::string to_json(const Table& table);

std::string to_text(const Table& table, TableForm form);

}  // namespace seldon::analysis

#include "analysis/table.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <nlohmann/json.hpp>

#include "analysis/text.h"

namespace seldon::analysis {
namespace {

using Kind = TableCell::Kind;

// ---- for people ------------------------------------------------------------------------------------------

/// A number at a column's decimals; what those cannot show, in scientific notation.
std::string for_people(double value, int decimals) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const double size = std::abs(value);
  if (size >= 1e7 || (size > 0 && size < 0.5 * std::pow(10, -decimals))) {
    std::array<char, 32> text;
    std::snprintf(text.data(), text.size(), "%.2e", value);
    return text.data();
  }
  return fixed(value == 0 ? 0 : value, decimals);  // no "-0.000"
}

/// The reasons of all NaN, each with a letter, in the order in which they appear.
class Footnotes {
 public:
  explicit Footnotes(const Table& table) {
    for (const auto& row : table.rows)
      for (const auto& cell : row)
        if (const auto reason = reason_of(cell); !reason.empty() && !letter(reason))
          reasons_.push_back(reason);
  }
  static std::string reason_of(const TableCell& cell) {
    return cell.kind == Kind::number && std::isnan(cell.value) ? one_line(cell.text) : "";
  }
  /// "a" ... "z", "aa" ...; none for what is no reason.
  std::optional<std::string> letter(const std::string& reason) const {
    const auto found = std::ranges::find(reasons_, reason);
    if (found == reasons_.end()) return std::nullopt;
    return letters(static_cast<std::size_t>(found - reasons_.begin()));
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < reasons_.size(); ++i) lines.push_back(letters(i) + ": " + reasons_[i]);
    return lines;
  }

 private:
  static std::string letters(std::size_t index) {
    std::string text(1, static_cast<char>('a' + index % 26));
    if (index >= 26) text.insert(0, letters(index / 26 - 1));
    return text;
  }
  std::vector<std::string> reasons_;
};

/// A cell in pieces, so that each form can set them in its own way.
struct Pieces {
  std::string value, lower, upper, letter;
  std::string interval;  ///< "[lower, upper]"
  bool flagged = false, missing = false;
};

Pieces pieces_of(const TableCell& cell, const TableColumn& column, const Footnotes& footnotes) {
  Pieces pieces;
  pieces.flagged = cell.flagged;
  switch (cell.kind) {
    case Kind::empty:
      break;
    case Kind::text:
      pieces.value = one_line(cell.text);
      break;
    case Kind::count:
      pieces.value = fixed(cell.value, 0);
      break;
    case Kind::number:
      pieces.value = for_people(cell.value, column.decimals);
      pieces.missing = std::isnan(cell.value);
      if (cell.interval && !pieces.missing) {
        pieces.lower = for_people(cell.lower, column.decimals);
        pieces.upper = for_people(cell.upper, column.decimals);
        pieces.interval.append("[").append(pieces.lower).append(", ").append(pieces.upper).append("]");
      }
      if (const auto letter = footnotes.letter(Footnotes::reason_of(cell))) pieces.letter = *letter;
  }
  return pieces;
}

bool holds_text(const Table& table, std::size_t column) {
  return std::ranges::all_of(table.rows, [&](const auto& row) {
    return row[column].kind == Kind::text || row[column].kind == Kind::empty;
  });
}

// ---- console ---------------------------------------------------------------------------------------------

/// Digits after the point, that numbers of one column stand with their points below each other.
std::size_t tail_length(const std::string& number) {
  const auto point = number.find('.');
  return point == std::string::npos ? 0 : number.size() - point;
}

/// One column as lines of equal width; the first is the title.
struct ConsoleColumn {
  std::vector<std::string> lines;
  std::vector<bool> flagged, missing;
  bool left = false;
};

std::string padded(const std::string& text, std::size_t width, bool left) {
  const std::string blanks(width - std::min(width, length(text)), ' ');
  return left ? text + blanks : blanks + text;
}

/// "!", "(a)".
std::string mark_of(const Pieces& cell) {
  std::string mark = cell.flagged ? "!" : "";
  if (!cell.letter.empty()) mark.append("(").append(cell.letter).append(")");
  return mark;
}

ConsoleColumn console_column(const Table& table, std::size_t index, const Footnotes& footnotes) {
  ConsoleColumn column;
  column.left = holds_text(table, index);
  std::vector<Pieces> cells;
  std::size_t tail = 0, value = 0, interval = 0, mark = 0;
  for (const auto& row : table.rows) {
    cells.push_back(pieces_of(row[index], table.columns[index], footnotes));
    if (row[index].kind == Kind::number) tail = std::max(tail, tail_length(cells.back().value));
  }
  for (std::size_t r = 0; r < cells.size(); ++r) {
    if (table.rows[r][index].kind == Kind::number && !cells[r].missing)
      cells[r].value.append(tail - std::min(tail, tail_length(cells[r].value)), ' ');
    value = std::max(value, length(cells[r].value));
    interval = std::max(interval, length(cells[r].interval));
    mark = std::max(mark, mark_of(cells[r]).size());
  }
  std::size_t width = 0;
  for (const auto& cell : cells) {
    auto line = padded(cell.value, value, column.left);
    if (interval > 0) line.append(" ").append(padded(cell.interval, interval, false));
    if (mark > 0) line.append(padded(mark_of(cell), mark, true));
    width = length(line);
    column.lines.push_back(std::move(line));
    column.flagged.push_back(cell.flagged);
    column.missing.push_back(cell.missing);
  }
  const auto title = one_line(table.columns[index].title);
  width = std::max(width, length(title));
  for (auto& line : column.lines) line = padded(line, width, column.left);
  column.lines.insert(column.lines.begin(), padded(title, width, column.left));
  return column;
}

// ---- LaTeX -----------------------------------------------------------------------------------------------

std::string latex_escaped(std::string_view text) {
  std::string escaped;
  for (const char c : one_line(text)) switch (c) {
      case '\\':
        escaped += "\\textbackslash{}";
        break;
      case '~':
        escaped += "\\textasciitilde{}";
        break;
      case '^':
        escaped += "\\textasciicircum{}";
        break;
      case '<':
        escaped += "\\textless{}";
        break;
      case '>':
        escaped += "\\textgreater{}";
        break;
      case '|':
        escaped += "\\textbar{}";
        break;
      case '"':
        escaped += "\\char34{}";
        break;
      case '[':
        escaped += "{[}";
        break;  // after a \\ it would begin an argument
      case ']':
        escaped += "{]}";
        break;
      case '{':
      case '}':
      case '$':
      case '&':
      case '#':
      case '%':
      case '_':
        escaped += '\\';
        [[fallthrough]];
      default:
        escaped += c;
    }
  return escaped;
}

/// A number as math, for the minus sign and the infinite.
std::string latex_number(const std::string& number) {
  if (number == "inf") return "$\\infty$";
  if (number == "-inf") return "$-\\infty$";
  if (number.starts_with('-')) return "$-$" + number.substr(1);
  return number;
}

std::string latex_cell(const Pieces& cell, bool number) {
  auto value = number ? latex_number(cell.value) : latex_escaped(cell.value);
  if (!cell.interval.empty())
    value.append(" {[}")
        .append(latex_number(cell.lower))
        .append(", ")
        .append(latex_number(cell.upper))
        .append("{]}");
  if (cell.flagged) value += "\\rlap{$^{!}$}";
  if (!cell.letter.empty()) value.append("\\textsuperscript{").append(cell.letter).append("}");
  return value;
}

// ---- Markdown --------------------------------------------------------------------------------------------

/// Nothing that Markdown or the HTML in it could take for more than text.
std::string markdown_escaped(std::string_view text) {
  std::string escaped;
  for (const char c : one_line(text)) {
    if (c == '<')
      escaped += "&lt;";
    else if (c == '&')
      escaped += "&amp;";
    else {
      if (std::string_view("\\`*_[]|#~$").find(c) != std::string_view::npos) escaped += '\\';
      escaped += c;
    }
  }
  return escaped;
}

std::string markdown_cell(const Pieces& cell) {
  auto text = markdown_escaped(cell.value);
  if (!cell.interval.empty()) text.append(" ").append(markdown_escaped(cell.interval));
  if (cell.flagged) text += " !";
  if (!cell.letter.empty()) text.append(" <sup>").append(cell.letter).append("</sup>");
  return text;
}

// ---- for programs ----------------------------------------------------------------------------------------

nlohmann::ordered_json json_number(double value) {
  if (std::isnan(value)) return nullptr;
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

nlohmann::ordered_json json_cell(const TableCell& cell) {
  if (cell.kind == Kind::empty) return nullptr;
  if (cell.kind == Kind::text && !cell.flagged) return one_line(cell.text);
  nlohmann::ordered_json json;
  if (cell.kind != Kind::text) json["value"] = json_number(cell.value);
  if (cell.interval) {
    json["lower"] = json_number(cell.lower);
    json["upper"] = json_number(cell.upper);
  }
  if (!cell.text.empty()) json["text"] = one_line(cell.text);
  if (cell.flagged) json["flagged"] = true;
  return json;
}

/// Empty for NaN.
std::string csv_number(double value) {
  return std::isnan(value) ? "" : shortest(value);
}

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
  std::string text;
  for (const auto& part : parts) text.append(text.empty() ? "" : between).append(part);
  return text;
}

/// The last two fields of a line: which columns are flagged, and why which have no value.
void add_remarks(const Table& table, const std::vector<TableCell>& row, std::vector<std::string>& fields) {
  std::vector<std::string> flags, missing;
  for (std::size_t c = 0; c < row.size(); ++c) {
    if (row[c].flagged) flags.push_back(table.columns[c].name);
    if (const auto reason = Footnotes::reason_of(row[c]); !reason.empty())
      missing.push_back(table.columns[c].name + ": " + reason);
  }
  fields.push_back(csv_field(joined(flags, " ")));
  fields.push_back(csv_field(joined(missing, "; ")));
}

constexpr std::array<std::string_view, 5> form_names = {"console", "csv", "markdown", "latex", "json"};
constexpr std::array<std::string_view, 5> form_extensions = {"txt", "csv", "md", "tex", "json"};

}  // namespace

// ---- cells -----------------------------------------------------------------------------------------------

TableCell TableCell::of(std::string text) {
  TableCell cell;
  cell.kind = Kind::text;
  cell.text = std::move(text);
  return cell;
}

TableCell TableCell::of_count(std::uint64_t count) {
  TableCell cell;
  cell.kind = Kind::count;
  cell.value = static_cast<double>(count);
  return cell;
}

TableCell TableCell::of_number(double value, std::string why_nan) {
  TableCell cell;
  cell.kind = Kind::number;
  cell.value = value;
  cell.text = std::move(why_nan);
  return cell;
}

TableCell TableCell::of_interval(double value, double lower, double upper, std::string why_nan) {
  auto cell = of_number(value, std::move(why_nan));
  cell.lower = lower;
  cell.upper = upper;
  cell.interval = true;
  return cell;
}

// ---- forms -----------------------------------------------------------------------------------------------

std::string_view name_of(TableForm form) {
  return form_names[static_cast<std::size_t>(form)];
}

std::string_view extension_of(TableForm form) {
  return form_extensions[static_cast<std::size_t>(form)];
}

std::optional<TableForm> table_form_named(std::string_view name) {
  const auto found = std::ranges::find(form_names, name);
  if (found == form_names.end()) return std::nullopt;
  return static_cast<TableForm>(found - form_names.begin());
}

std::string to_console(const Table& table, const ConsoleStyle& style) {
  const Footnotes footnotes(table);
  std::vector<ConsoleColumn> columns;
  for (std::size_t c = 0; c < table.columns.size(); ++c)
    columns.push_back(console_column(table, c, footnotes));
  const auto painted = [&](std::string text, const char* code) {
    return style.colour && code != nullptr ? code + text.append("\033[0m") : text;
  };
  const char* const bold = "\033[1m";
  const char* const yellow = "\033[33m";
  const char* const faint = "\033[2m";

  std::string text = painted(one_line(table.title), bold).append("\n");
  for (std::size_t line = 0; line <= table.rows.size(); ++line) {
    std::string row;
    for (const auto& column : columns) {
      const char* code = line == 0                  ? bold
                         : column.flagged[line - 1] ? yellow
                         : column.missing[line - 1] ? faint
                                                    : nullptr;
      row.append(row.empty() ? "" : "  ").append(painted(column.lines[line], code));
    }
    while (row.ends_with(' ')) row.pop_back();
    text.append(row).append("\n");
    if (line > 0) continue;
    std::size_t width = columns.empty() ? 0 : 2 * (columns.size() - 1);
    for (const auto& column : columns) width += length(column.lines.front());
    text.append(width, '-').append("\n");
  }
  for (const auto& note : table.notes) text.append(one_line(note)).append("\n");
  for (const auto& note : footnotes.lines()) text.append(note).append("\n");
  return text;
}

std::string to_csv(const Table& table) {
  std::vector<bool> interval(table.columns.size());
  for (const auto& row : table.rows)
    for (std::size_t c = 0; c < row.size(); ++c) interval[c] = interval[c] || row[c].interval;

  std::vector<std::string> fields;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    fields.push_back(csv_field(table.columns[c].name));
    if (!interval[c]) continue;
    fields.push_back(csv_field(table.columns[c].name + "_lower"));
    fields.push_back(csv_field(table.columns[c].name + "_upper"));
  }
  fields.insert(fields.end(), {"flags", "missing"});
  auto text = joined(fields, ",").append("\n");
  for (const auto& row : table.rows) {
    fields.clear();
    for (std::size_t c = 0; c < row.size(); ++c) {
      const auto& cell = row[c];
      const bool number = cell.kind == Kind::number || cell.kind == Kind::count;
      fields.push_back(number ? csv_number(cell.value) : csv_field(one_line(cell.text)));
      if (!interval[c]) continue;
      fields.push_back(cell.interval ? csv_number(cell.lower) : "");
      fields.push_back(cell.interval ? csv_number(cell.upper) : "");
    }
    add_remarks(table, row, fields);
    for (std::size_t f = 0; f < fields.size(); ++f) text.append(f == 0 ? "" : ",").append(fields[f]);
    text += '\n';
  }
  return text;
}

std::string to_markdown(const Table& table) {
  const Footnotes footnotes(table);
  std::string text = "**" + markdown_escaped(table.title) + "**\n\n|", rule = "|";
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    text.append(" ").append(markdown_escaped(table.columns[c].title)).append(" |");
    rule.append(holds_text(table, c) ? " --- |" : " ---: |");
  }
  text.append("\n").append(rule).append("\n");
  for (const auto& row : table.rows) {
    text += '|';
    for (std::size_t c = 0; c < row.size(); ++c)
      text.append(" ").append(markdown_cell(pieces_of(row[c], table.columns[c], footnotes))).append(" |");
    text += '\n';
  }
  auto notes = table.notes;
  for (const auto& note : footnotes.lines()) notes.push_back(note);
  for (const auto& note : notes) text.append("\n").append(markdown_escaped(note)).append("\n");
  return text;
}

std::string to_latex(const Table& table) {
  const Footnotes footnotes(table);
  std::string columns, heads;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    columns += holds_text(table, c) ? 'l' : 'r';
    heads.append(c == 0 ? "" : " & ").append(latex_escaped(table.columns[c].title));
  }
  std::string text = "\\begin{table}\n  \\centering\n  \\caption{" + latex_escaped(table.title) +
                     "}\n  \\label{tab:" + table.name + "}\n  \\begin{tabular}{" + columns +
                     "}\n    \\toprule\n";
  text.append("    ").append(heads).append(" \\\\\n    \\midrule\n");
  for (const auto& row : table.rows) {
    text += "    ";
    for (std::size_t c = 0; c < row.size(); ++c) {
      const bool number = row[c].kind == Kind::number || row[c].kind == Kind::count;
      text.append(c == 0 ? "" : " & ")
          .append(latex_cell(pieces_of(row[c], table.columns[c], footnotes), number));
    }
    text += " \\\\\n";
  }
  text += "    \\bottomrule\n  \\end{tabular}\n";
  auto notes = table.notes;
  for (const auto& note : footnotes.lines()) notes.push_back(note);
  for (const auto& note : notes)
    text.append("\n  \\smallskip\\footnotesize ").append(latex_escaped(note)).append("\n");
  return text.append("\\end{table}\n");
}

std::string to_json(const Table& table) {
  nlohmann::ordered_json json;
  json["name"] = table.name;
  json["title"] = one_line(table.title);
  json["notes"] = nlohmann::ordered_json::array();
  for (const auto& note : table.notes) json["notes"].push_back(one_line(note));
  json["columns"] = nlohmann::ordered_json::array();
  for (const auto& column : table.columns)
    json["columns"].push_back(
        {{"name", column.name}, {"title", one_line(column.title)}, {"about", one_line(column.about)}});
  json["rows"] = nlohmann::ordered_json::array();
  for (const auto& row : table.rows) {
    auto line = nlohmann::ordered_json::array();
    for (const auto& cell : row) line.push_back(json_cell(cell));
    json["rows"].push_back(std::move(line));
  }
  return json.dump(2).append("\n");
}

std::string to_text(const Table& table, TableForm form) {
  switch (form) {
    case TableForm::console:
      return to_console(table);
    case TableForm::csv:
      return to_csv(table);
    case TableForm::markdown:
      return to_markdown(table);
    case TableForm::latex:
      return to_latex(table);
    case TableForm::json:
      return to_json(table);
  }
  return {};
}

}  // namespace seldon::analysis

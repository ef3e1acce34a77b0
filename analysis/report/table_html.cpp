#include "analysis/report/table_html.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "analysis/report/markup.h"
#include "analysis/text.h"

namespace seldon::analysis::report {
namespace {

using Kind = TableCell::Kind;

/// Why numbers are NaN, each reason once, with the letter that stands for it.
class Reasons {
 public:
  std::string letter(const std::string& reason) {
    const auto found = std::ranges::find(reasons_, reason);
    const auto index = static_cast<std::size_t>(found - reasons_.begin());
    if (found == reasons_.end()) reasons_.push_back(reason);
    return letter(index);
  }
  std::string list() const {
    std::string out;
    for (std::size_t i = 0; i < reasons_.size(); ++i)
      out += "<li><sup>" + letter(i) + "</sup> " + escaped(reasons_[i]) + "</li>";
    return out;
  }

 private:
  static std::string letter(std::size_t index) {
    std::string text(1, static_cast<char>('a' + index % 26));
    return index < 26 ? text : letter(index / 26 - 1) + text;
  }
  std::vector<std::string> reasons_;
};

constexpr std::size_t notes_shown = 3;  // the rest on demand
constexpr const char* flag = "<span class=\"flag\"><span class=\"hidden\"> flagged</span></span>";

bool is_numeric(const Table& table, std::size_t column) {
  return std::ranges::any_of(table.rows, [&](const auto& row) {
    return row[column].kind == Kind::number || row[column].kind == Kind::count;
  });
}

/// Long names may be broken after '_'.
std::string breakable(const std::string& html) {
  std::string out;
  for (const char c : html) {
    out += c;
    if (c == '_') out += "<wbr>";
  }
  return out;
}

std::string content_of(const TableCell& cell, const TableColumn& column, Reasons& reasons) {
  std::string out;
  switch (cell.kind) {
    case Kind::empty:
      return "";
    case Kind::text:
      out = breakable(escaped(cell.text));
      break;
    case Kind::count:
      out = count(static_cast<std::uint64_t>(cell.value));
      break;
    case Kind::number:
      out = number(cell.value, column.decimals);
      if (std::isnan(cell.value) && !cell.text.empty()) out += "<sup>" + reasons.letter(cell.text) + "</sup>";
      if (cell.flagged) out += flag;
      if (cell.interval && !std::isnan(cell.value))
        out += " <span class=\"ci\">[" + number(cell.lower, column.decimals) + ", " +
               number(cell.upper, column.decimals) + "]</span>";
  }
  if (cell.flagged && cell.kind != Kind::number) out += flag;
  return out;
}

/// How a column is set.
struct Look {
  bool header, numeric, printed;
  std::string classes() const {
    std::string names;
    if (numeric) names += "n";
    if (!printed) names += names.empty() ? "x" : " x";
    return names.empty() ? "" : " class=\"" + names + "\"";
  }
};

std::string cell_html(const TableCell& cell, const TableColumn& column, const Look& look, Reasons& reasons) {
  std::string out;
  out.append(look.header ? "<th scope=\"row\"" : "<td").append(look.classes());
  if ((cell.kind == Kind::number || cell.kind == Kind::count) && !std::isnan(cell.value))
    out += " data-v=\"" + shortest(cell.value) + "\"";
  out.append(">").append(content_of(cell, column, reasons));
  return out.append(look.header ? "</th>" : "</td>");
}

/// What the columns are, and the notes from `first` on.
std::string explained(const Table& table, std::size_t first) {
  std::string items, notes;
  for (const auto& column : table.columns)
    if (!column.about.empty())
      items += "<div><dt>" + escaped(capitalised(column.title)) + "</dt><dd>" + escaped(column.about) +
               "</dd></div>";
  for (auto i = first; i < table.notes.size(); ++i) notes += "<li>" + escaped(table.notes[i]) + "</li>";
  if (items.empty() && notes.empty()) return "";
  std::string out = "<details class=\"about\"><summary>How to read this table</summary>\n";
  if (!notes.empty()) out += "<ul class=\"notes\">" + notes + "</ul>\n";
  if (!items.empty()) out += "<dl>" + items + "</dl>\n";
  return out + "</details>\n";
}

}  // namespace

std::string to_html(const Table& table, const TableLook& look) {
  const auto id = "table-" + id_of(table.name);
  std::vector<Look> looks;
  for (std::size_t c = 0; c < table.columns.size(); ++c)
    looks.push_back({c == look.row_header, is_numeric(table, c),
                     std::ranges::find(look.not_printed, table.columns[c].name) == look.not_printed.end()});

  std::string out = "<figure class=\"table" + std::string(look.screen_only ? " screen" : "") + "\" id=\"" +
                    id + "\"" + (look.filter ? " data-filter=\"1\"" : "") + ">\n<div class=\"scroll\" " +
                    "role=\"region\" tabindex=\"0\" aria-labelledby=\"" + id + "-caption\">\n<table>\n" +
                    "<caption id=\"" + id + "-caption\"><span>" + escaped(table.title) +
                    "</span></caption>\n<thead><tr>";
  for (std::size_t c = 0; c < table.columns.size(); ++c)
    out += "<th scope=\"col\"" + looks[c].classes() + ">" + escaped(capitalised(table.columns[c].title)) +
           "</th>";
  out += "</tr></thead>\n<tbody>\n";
  Reasons reasons;
  for (const auto& row : table.rows) {
    out += "<tr>";
    for (std::size_t c = 0; c < row.size(); ++c)
      out += cell_html(row[c], table.columns[c], looks[c], reasons);
    out += "</tr>\n";
  }
  out += "</tbody>\n</table>\n</div>\n";
  if (look.screen_only)
    out += "<p class=\"print-only\">" + escaped(table.title) + ": " + counted(table.rows.size(), "row") +
           ", in report.html only.</p>\n";
  const auto shown = std::min(table.notes.size(), notes_shown);
  std::string notes;
  for (std::size_t i = 0; i < shown; ++i) notes += "<li>" + escaped(table.notes[i]) + "</li>";
  if (!notes.empty()) out += "<ul class=\"notes\">" + notes + "</ul>\n";
  const auto why = reasons.list();
  if (!why.empty()) out += "<ul class=\"notes reasons\">" + why + "</ul>\n";
  return out + explained(table, shown) + "</figure>\n";
}

}  // namespace seldon::analysis::report

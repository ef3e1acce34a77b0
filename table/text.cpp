#include "table/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>
#include <utility>
#include <vector>

namespace seldon::table {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

/// Levenshtein's distance, by rows of the usual table.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t above = row[j + 1];
      row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string quote(std::string_view text) {
  constexpr std::size_t longest = 40;
  std::string shown(text.substr(0, longest));
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return "'" + shown + (text.size() > longest ? "..." : "") + "'";
}

Number parse_number(std::string_view text) {
  text = trim(text);
  if (text.empty()) return {0, NumberFault::empty};
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  Number number;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number.value);
  if (end != text.data() + text.size() || error == std::errc::invalid_argument)
    number.fault = NumberFault::not_a_number;
  else if (error == std::errc::result_out_of_range)
    number.fault = NumberFault::out_of_range;
  else if (!std::isfinite(number.value))
    number.fault = NumberFault::not_finite;
  return number;
}

double require_number(std::string_view text, const Location& place, std::string_view column) {
  const Number number = parse_number(text);
  const std::string start = "column " + quote(column);
  switch (number.fault) {
    case NumberFault::none:
      return number.value;
    case NumberFault::empty:
      throw InputError(place, start + " is empty where a number belongs; fill it in or remove the row");
    case NumberFault::not_a_number:
      throw InputError(
          place, start + " holds " + quote(text) +
                     " where a number belongs; correct the field, or do not use the column as a number");
    case NumberFault::not_finite:
      throw InputError(place, start + " holds " + quote(text) +
                                  ", which is not finite; fill in a number or remove the row");
    case NumberFault::out_of_range:
      throw InputError(place, start + " holds " + quote(text) +
                                  ", which is out of the range of double precision; rescale the column");
  }
  throw InternalError("a fault of a number that has no message");
}

std::string nearest(std::string_view name, std::span<const std::string> candidates) {
  constexpr std::size_t compared = 64;  // bounds the work on hostile names
  std::string best;
  std::size_t best_distance = 2 * compared;
  for (const std::string& candidate : candidates) {
    const auto distance =
        edit_distance(name.substr(0, compared), std::string_view(candidate).substr(0, compared));
    if (distance < best_distance) best_distance = distance, best = candidate;
  }
  return best;
}

std::size_t require_column(std::string_view name, std::span<const std::string> columns, const Location& place,
                           const std::string& file) {
  const auto found = std::find(columns.begin(), columns.end(), name);
  if (found != columns.end()) return static_cast<std::size_t>(found - columns.begin());
  throw InputError(place, file + " has no column " + quote(name) + "; the nearest name is " +
                              quote(nearest(name, columns)));
}

}  // namespace seldon::table

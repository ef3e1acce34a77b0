#pragma once
// Text as HTML, and what all parts of the report write in the same way.

#include <cstdint>
#include <string>
#include <string_view>

#include "analysis/escaped.h"

namespace seldon::analysis::report {

/// escaped() text with its lines and tabs kept, for <pre>.
std::string escaped_lines(std::string_view text);

/// JSON for a <script type="application/json">: what could end the element or start a comment there (< > &)
/// and the line separators of JavaScript as \u escapes. `json` is valid JSON in UTF-8.
std::string json_in_script(std::string_view json);

/// ` name="value"`, the value escaped.
std::string attribute(std::string_view name, std::string_view value);

/// Letters, digits, '_' and '-': a part of an id that is the same for the same text.
std::string id_of(std::string_view text);

/// A number for people: fixed decimals, a true minus sign, thousands set off by commas; in scientific
/// notation where those decimals could not show it; "NaN", "∞".
std::string number(double value, int decimals = 3);

/// "1,125"
std::string count(std::uint64_t value);

/// "1,125 cells", "1 cell"
std::string counted(std::uint64_t value, std::string_view what);

/// The first letter a capital; a single letter is a symbol and stays.
std::string capitalised(std::string text);

/// "log_loss" becomes "log loss", on one line. Not escaped.
std::string lower_words(std::string_view name);

/// "log_loss" becomes "Log loss", on one line. Not escaped.
std::string words(std::string_view name);

/// "2026-11-22 17:41 UTC"; "unknown" for what is no time.
std::string date(double seconds_since_epoch);

/// "a", "a and b", "a, b and c".
template <class Range>
std::string enumerated(const Range& texts) {
  std::string out;
  std::size_t left = texts.size();
  for (const auto& text : texts) {
    out += text;
    --left;
    out += left == 0 ? "" : left == 1 ? " and " : ", ";
  }
  return out;
}

}  // namespace seldon::analysis::report

#pragma once
// Numbers and names as text: for tables that programs read back, and for labels that people read.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace seldon::analysis {

/// The shortest decimal text that reads back as the same double; "nan", "inf" or "-inf" for those.
std::string shortest(double value);

/// A number with a fixed count of decimals, in the C locale.
std::string fixed(double value, int decimals);

/// As Python's repr, and so as pandas' to_csv, prints a float: "1.0", "0.0001", "1e-05", "inf", "nan".
std::string python_repr(double value);

/// As NumPy's str prints a one-dimensional float64 array with its default options (at most 8 decimals,
/// columns aligned, lines of at most 75 characters): "[-0.08542279]", "[ 0.1 -0.2]", "[-inf]".
std::string numpy_str(std::span<const double> values);

/// One field of a CSV file, quoted where RFC 4180 asks for it.
std::string csv_field(std::string_view text);

/// "17 s", "4 min", "3.2 h", "2.1 days".
std::string duration(double seconds);

/// Valid UTF-8 without control characters: each of those becomes a blank, each malformed byte U+FFFD.
std::string one_line(std::string_view text);

/// Characters (code points) of valid UTF-8.
std::size_t length(std::string_view utf8);

/// At most `limit` characters of valid UTF-8, the last one an ellipsis where something was cut off.
std::string shortened(std::string_view utf8, std::size_t limit);

/// Lines of at most `width` characters, broken at blanks where there are any; at most `max_lines`, the last
/// one shortened.
std::vector<std::string> wrapped(std::string_view utf8, std::size_t width, std::size_t max_lines);

}  // namespace seldon::analysis

#pragma once
// Small helpers for numbers and names in text, shared by the readers of this room.

#include <span>
#include <string>
#include <string_view>

#include "core/error.h"

namespace seldon::table {

/// Without blanks and tabs at both ends.
std::string_view trim(std::string_view text);

/// The value between single quotes, cut after 40 bytes, control characters as '?': for messages.
std::string quote(std::string_view text);

enum class NumberFault { none, empty, not_a_number, not_finite, out_of_range };
struct Number {
  double value = 0;
  NumberFault fault = NumberFault::none;
  explicit operator bool() const { return fault == NumberFault::none; }
};

/// The decimal number that the whole text is, blanks at the ends aside. "nan" and "inf" are faults, and so is
/// what overflows or underflows a double.
Number parse_number(std::string_view text);

/// parse_number or an InputError that names the place, the column and what is wrong.
double require_number(std::string_view text, const Location& place, std::string_view column);

/// The candidate with the smallest edit distance to `name` (of their first 64 bytes); empty if there is none.
std::string nearest(std::string_view name, std::span<const std::string> candidates);

/// The position of column `name`, or an InputError at `place` that names the nearest one. `file` is the data
/// file.
std::size_t require_column(std::string_view name, std::span<const std::string> columns, const Location& place,
                           const std::string& file);

}  // namespace seldon::table

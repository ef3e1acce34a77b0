#include "analysis/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

namespace seldon::analysis {
namespace {

template <class... Format>
std::string digits_of(double value, Format... format) {
  std::array<char, 512> buffer;  // the longest fixed form of a double has 309 digits before its point
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format...).ptr;
  return {buffer.data(), end};
}

std::string name_of_nonfinite(double value) {
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

/// A finite number as +-d.ddd * 10^exponent, with as few digits as identify it.
struct Decimal {
  bool negative;
  std::string digits;
  int exponent;

  explicit Decimal(double value) : negative(std::signbit(value)), exponent(0) {
    const auto text = digits_of(std::abs(value), std::chars_format::scientific);
    const auto e = text.find('e');
    for (char c : text.substr(0, e))
      if (c != '.') digits += c;
    exponent = std::stoi(text.substr(e + 1));
  }
  std::size_t decimals() const {
    return static_cast<std::size_t>(std::max(0, static_cast<int>(digits.size()) - 1 - exponent));
  }
};

/// "12.5", "0.001", "3." (always with a point), from the shortest digits.
std::string positional(const Decimal& number) {
  std::string digits = number.digits;
  if (number.exponent < 0) digits.insert(0, static_cast<std::size_t>(-number.exponent), '0');
  const auto before = static_cast<std::size_t>(std::max(number.exponent, 0)) + 1;
  if (digits.size() < before) digits.append(before - digits.size(), '0');
  digits.insert(before, 1, '.');
  if (number.negative) digits.insert(0, 1, '-');
  return digits;
}

constexpr std::size_t numpy_precision = 8, numpy_line = 75;

/// NumPy's text of one number: the shortest digits, or `numpy_precision` decimals where those are fewer.
std::string numpy_positional(double value) {
  const Decimal number(value);
  if (number.decimals() <= numpy_precision) return positional(number);
  auto text = digits_of(value, std::chars_format::fixed, static_cast<int>(numpy_precision));
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

struct Scientific {
  std::string whole, decimals, exponent;  ///< "-1", "25", "-05"
};

Scientific numpy_scientific(double value) {
  auto text = digits_of(value, std::chars_format::scientific);
  if (Decimal(value).digits.size() - 1 > numpy_precision)
    text = digits_of(value, std::chars_format::scientific, static_cast<int>(numpy_precision));
  const auto e = text.find('e');
  const auto point = std::min(text.find('.'), e);
  Scientific parts{text.substr(0, point), point < e ? text.substr(point + 1, e - point - 1) : "",
                   text.substr(e + 1)};
  parts.decimals.erase(parts.decimals.find_last_not_of('0') + 1);
  return parts;
}

bool numpy_wants_exponents(std::span<const double> values) {
  double least = std::numeric_limits<double>::infinity(), most = 0;
  for (double value : values) {
    if (!std::isfinite(value) || value == 0) continue;
    least = std::min(least, std::abs(value));
    most = std::max(most, std::abs(value));
  }
  return most > 0 && (most >= 1e8 || least < 1e-4 || most / least > 1000);
}

/// The elements, each padded so that their points stand below each other.
std::vector<std::string> numpy_elements(std::span<const double> values) {
  const bool exponents = numpy_wants_exponents(values);
  std::vector<std::string> before(values.size()), after(values.size());
  std::size_t decimals = 0, exponent = 0;
  if (exponents)
    for (double value : values)
      if (std::isfinite(value)) {
        const auto parts = numpy_scientific(value);
        decimals = std::max(decimals, parts.decimals.size());
        exponent = std::max(exponent, parts.exponent.size());
      }
  std::size_t left = 0, right = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    if (exponents) {
      auto parts = numpy_scientific(values[i]);
      parts.decimals.resize(decimals, '0');
      parts.exponent.insert(1, exponent - parts.exponent.size(), '0');
      before[i] = parts.whole;
      after[i] = parts.decimals + "e" + parts.exponent;
    } else {
      const auto text = numpy_positional(values[i]);
      const auto point = text.find('.');
      before[i] = text.substr(0, point);
      after[i] = text.substr(point + 1);
    }
    left = std::max(left, before[i].size());
    right = std::max(right, after[i].size());
  }
  std::size_t width = left + 1 + right;
  for (double value : values)
    if (!std::isfinite(value)) width = std::max(width, name_of_nonfinite(value).size());
  std::vector<std::string> elements;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) {
      const auto tail = before[i] + "." + after[i] + std::string(right - after[i].size(), ' ');
      elements.push_back(std::string(width - std::min(width, tail.size()), ' ') + tail);
    } else {
      const auto text = name_of_nonfinite(values[i]);
      elements.push_back(std::string(width - std::min(width, text.size()), ' ') + text);
    }
  }
  return elements;
}

/// Bytes of the well-formed UTF-8 character that `text` starts with (RFC 3629), none if it starts with no
/// such.
std::optional<std::size_t> character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < bytes) return std::nullopt;
  for (std::size_t i = 1; i < bytes; ++i)
    if ((byte(i) & 0xC0) != 0x80) return std::nullopt;
  // Too long a form, a surrogate, or beyond U+10FFFF.
  if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F) ||
      (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F))
    return std::nullopt;
  return bytes;
}

/// Control characters (C0, DEL, C1, line and paragraph separators), and U+FFFE and U+FFFF, which XML refuses.
bool is_control(std::string_view one) {
  const auto first = static_cast<unsigned char>(one[0]);
  if (one.size() == 1) return first < 0x20 || first == 0x7F;
  if (one.size() == 2) return first == 0xC2 && static_cast<unsigned char>(one[1]) < 0xA0;
  return one == "\u2028" || one == "\u2029" || one == "\xEF\xBF\xBE" || one == "\xEF\xBF\xBF";
}

/// The first `count` characters of valid UTF-8.
std::string_view head(std::string_view utf8, std::size_t count) {
  std::size_t end = 0;
  while (end < utf8.size() && count-- > 0) end += character(utf8.substr(end)).value_or(1);
  return utf8.substr(0, end);
}

}  // namespace

std::string shortest(double value) {
  return std::isfinite(value) ? digits_of(value) : name_of_nonfinite(value);
}

std::string fixed(double value, int decimals) {
  return std::isfinite(value) ? digits_of(value, std::chars_format::fixed, decimals)
                              : name_of_nonfinite(value);
}

std::string python_repr(double value) {
  if (!std::isfinite(value)) return name_of_nonfinite(value);
  const Decimal number(value);
  if (number.exponent < -4 || number.exponent >= 16) return digits_of(value, std::chars_format::scientific);
  const auto text = positional(number);
  return text.back() == '.' ? text + "0" : text;
}

std::string numpy_str(std::span<const double> values) {
  std::string text, line = "[";
  for (const auto& element : numpy_elements(values)) {
    if (line.size() > 1) {
      line += ' ';
      if (line.size() + element.size() > numpy_line - 1) {
        line.erase(line.find_last_not_of(' ') + 1);
        text += line;
        text += '\n';
        line.assign(1, ' ');
      }
    }
    line += element;
  }
  text += line;
  return text + "]";
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string duration(double seconds) {
  if (seconds < 100) return fixed(seconds, 0) + " s";
  if (seconds < 6000) return fixed(seconds / 60, 0) + " min";
  if (seconds < 48 * 3600) return fixed(seconds / 3600, 1) + " h";
  return fixed(seconds / 86400, 1) + " days";
}

std::string one_line(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const auto bytes = character(text);
    const auto one = text.substr(0, bytes.value_or(1));
    if (!bytes)
      line += "\uFFFD";
    else if (is_control(one))
      line += ' ';
    else
      line += one;
    text.remove_prefix(one.size());
  }
  return line;
}

std::size_t length(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::ranges::count_if(utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string shortened(std::string_view utf8, std::size_t limit) {
  if (length(utf8) <= limit) return std::string(utf8);
  return std::string(head(utf8, limit - 1)) + "…";
}

std::vector<std::string> wrapped(std::string_view utf8, std::size_t width, std::size_t max_lines) {
  std::vector<std::string> lines;
  while (length(utf8) > width && lines.size() + 1 < max_lines) {
    std::string_view line = head(utf8, width);
    const auto blank = line.rfind(' ');
    if (blank != std::string_view::npos && blank > line.size() / 2) line = line.substr(0, blank + 1);
    lines.emplace_back(line);
    utf8.remove_prefix(line.size());
  }
  lines.push_back(shortened(utf8, width));
  return lines;
}

}  // namespace seldon::analysis

#include "analysis/report/markup.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "analysis/text.h"

namespace seldon::analysis::report {
namespace {

/// "1234.5" becomes "1,234.5".
std::string grouped(std::string digits) {
  const auto whole = std::min(digits.find('.'), digits.size());
  for (auto at = static_cast<std::ptrdiff_t>(whole) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  return digits;
}

}  // namespace

std::string escaped_lines(std::string_view text) {
  std::string out;
  while (true) {
    const auto end = text.find_first_of("\n\t");
    out += escaped(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += text[end];
    text.remove_prefix(end + 1);
  }
}

std::string json_in_script(std::string_view json) {
  std::string out;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const auto rest = json.substr(i);
    if (rest.starts_with("\u2028") || rest.starts_with("\u2029")) {
      out += rest[2] == '\xA8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else if (json[i] == '<') {
      out += "\\u003c";
    } else if (json[i] == '>') {
      out += "\\u003e";
    } else if (json[i] == '&') {
      out += "\\u0026";
    } else {
      out += json[i];
    }
  }
  return out;
}

std::string attribute(std::string_view name, std::string_view value) {
  std::string out(" ");
  out.append(name).append("=\"");
  out += escaped(value);
  return out += '"';
}

std::string id_of(std::string_view text) {
  std::string id;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    id += plain ? c : '-';
  }
  return id;
}

std::string number(double value, int decimals) {
  if (std::isnan(value)) return "NaN";
  const double size = std::abs(value);
  std::string text;
  if (std::isinf(value)) {
    text = "∞";
  } else if (size >= 1e7 || (size > 0 && size < 0.5 * std::pow(10, -decimals))) {
    std::array<char, 32> scientific{};
    std::snprintf(scientific.data(), scientific.size(), "%.2e", size);
    text = scientific.data();
  } else {
    text = grouped(fixed(size, decimals));
  }
  return value < 0 ? "−" + text : text;
}

std::string count(std::uint64_t value) {
  return grouped(std::to_string(value));
}

std::string counted(std::uint64_t value, std::string_view what) {
  auto text = count(value).append(" ").append(what);
  return value == 1 ? text : text + "s";
}

std::string lower_words(std::string_view name) {
  auto text = one_line(name);
  for (auto& c : text)
    if (c == '_') c = ' ';
  return text;
}

std::string words(std::string_view name) {
  return capitalised(lower_words(name));
}

std::string capitalised(std::string text) {
  if (text.size() > 1 && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

std::string date(double seconds_since_epoch) {
  std::array<char, 40> text{};
  std::tm parts{};
  if (!(seconds_since_epoch > 0 && seconds_since_epoch < 1e11)) return "unknown";
  const auto seconds = static_cast<std::time_t>(seconds_since_epoch);
  if (!gmtime_r(&seconds, &parts) ||
      std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &parts) == 0)
    return "unknown";
  return text.data();
}

}  // namespace seldon::analysis::report

#include "programs/duration.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace seldon::programs {
namespace {

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) || value < 0)
    return std::nullopt;
  return value;
}

double unit(char letter) {
  switch (letter) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return 86400;
    default:
      return 0;
  }
}

/// "D-HH:MM:SS" without its days, or less of it.
std::optional<double> clock(std::string_view text) {
  if (std::ranges::count(text, ':') > 2) return std::nullopt;
  double seconds = 0;
  while (true) {
    const auto colon = text.find(':');
    const auto part = number(text.substr(0, colon));
    if (!part) return std::nullopt;
    seconds = 60 * seconds + *part;
    if (colon == std::string_view::npos) return seconds;
    text.remove_prefix(colon + 1);
  }
}

std::optional<double> parse(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (const auto dash = text.find('-'); dash != std::string_view::npos) {
    const auto days = number(text.substr(0, dash));
    std::string_view rest = text.substr(dash + 1);
    const auto time = clock(rest);
    if (!days || !time) return std::nullopt;
    // Slurm reads "D-HH" and "D-HH:MM" from the left.
    double scale = 1;
    for (auto colons = std::ranges::count(rest, ':'); colons < 2; ++colons) scale *= 60;
    return *days * 86400 + *time * scale;
  }
  if (text.find(':') != std::string_view::npos) return clock(text);
  const auto value = number(text.substr(0, text.size() - 1));
  return value ? std::optional(*value * unit(text.back())) : std::nullopt;
}

}  // namespace

std::optional<double> parse_duration(std::string_view text) {
  const auto seconds = parse(text);
  return seconds && *seconds > 0 ? seconds : std::nullopt;
}

}  // namespace seldon::programs

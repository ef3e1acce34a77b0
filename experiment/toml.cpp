// TOML text to a toml++ table, and nothing that could crash on the way.

#include "experiment/toml.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

#include "experiment/text.h"

namespace seldon::experiment {
namespace {

constexpr std::size_t most_bytes = std::size_t{1} << 20;
constexpr std::size_t most_dots = 100;

/// Tells, character by character, what is code and what is inside a string or a comment of TOML.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {
    if (text.starts_with("\xef\xbb\xbf")) at_ = 3;  // a byte order mark
  }

  /// The next character of code, the opening quote of a string included; '\0' at the end.
  char next() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"' || c == '\'') {
        skip_string(c);
      } else if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
        continue;
      } else {
        ++at_;
      }
      return c;
    }
    return '\0';
  }
  int line() const {
    return 1 + static_cast<int>(std::count(text_.begin(), text_.begin() + std::ptrdiff_t(at_), '\n'));
  }

 private:
  /// A string that no quote ends goes to the end of its line, or of the text.
  void skip_string(char quote) {
    const std::string three(3, quote);
    const bool lines = text_.substr(at_).starts_with(three);
    at_ += lines ? 3 : 1;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\\' && quote == '"') {
        if (++at_ == text_.size()) return;
      } else if (lines ? text_.substr(at_).starts_with(three) : c == quote) {
        at_ += lines ? 3 : 1;
        // The text of a string over several lines may end in up to two quotes.
        for (int more = 0; lines && more < 2 && at_ < text_.size() && text_[at_] == quote; ++more) ++at_;
        return;
      } else if (!lines && c == '\n') {
        return;
      }
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

/// Refuses what toml++ 3.3 must not see: a key "a.a.a..." nests as deep as it has dots, and a character
/// beyond ASCII outside of strings and comments, which TOML forbids, meets code that its author took for
/// unreachable.
void check_surface(const std::string& text, const auto& at_line) {
  std::size_t dots = 0;
  Lexer lexer(text);
  while (const char c = lexer.next()) {
    if (static_cast<unsigned char>(c) >= 0x80)
      throw InputError(at_line(lexer.line()),
                       "a character beyond ASCII stands outside of quotes; put the text in quotes");
    if (c == '.') ++dots;
    if (c == '\n' || c == ',' || c == '=' || c == '[' || c == '{') dots = 0;
    if (dots > most_dots)
      throw InputError(at_line(lexer.line()),
                       "over " + std::to_string(most_dots) + " dots in one key; shorten it");
  }
}

/// The first line that looks like a section without a name, where toml++ stumbles; 0 if there is none.
int line_of_nameless_section(const std::string& text) {
  int line = 0;
  std::istringstream lines(text);
  for (std::string content; std::getline(lines, content);) {
    ++line;
    const std::size_t bracket = content.find_first_not_of(" \t");
    if (bracket == std::string::npos || content[bracket] != '[') continue;
    const std::size_t name = content.find_first_not_of(" \t[", bracket);
    if (name == std::string::npos ||
        (!is_name({&content[name], 1}) && content[name] != '"' && content[name] != '\''))
      return line;
  }
  return 0;
}

}  // namespace

toml::table parse_toml(const std::string& text, const Location& where, bool is_file) {
  const auto at_line = [&](auto line) { return Location{where.file, is_file ? static_cast<int>(line) : 0}; };
  if (text.size() > most_bytes) throw InputError(where, "this has over 1 MiB; is it the right file?");
  if (text.find('\0') != std::string::npos) throw InputError(where, "this holds zero bytes; it is no text");
  check_surface(text, at_line);
  try {
    return toml::parse(text, where.file);
  } catch (const toml::parse_error& error) {
    const auto place = error.source().begin;
    throw InputError(at_line(place.line), "this is not TOML: " + std::string(error.description()) +
                                              " (column " + std::to_string(place.column) + ")");
  } catch (const ParserDefect&) {
    throw InputError(at_line(line_of_nameless_section(text)),
                     "this is not TOML: a section or key has no name where one should begin");
  }
}

std::string read_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    throw InputError(Location{path, 0}, "is a folder; name a config file");
  std::ifstream file(path, std::ios::binary);
  if (!file) throw InputError(Location{path, 0}, "cannot be opened; check the path and its permissions");
  std::string text(most_bytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) throw InputError(Location{path, 0}, "cannot be read");
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

}  // namespace seldon::experiment

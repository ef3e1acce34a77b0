#include "table/preprocessing.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "table/text.h"

namespace seldon::table {
namespace {

constexpr std::string_view first_line = "seldon preprocessing 1";
constexpr std::array all_regimes = {Regime::classification, Regime::regression,
                                    Regime::multiclass_classification, Regime::reinforcement_learning};

/// A name stands at the end of its line, so only line ends and the escape itself need care.
std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size())
      out += text[++i] == 'n' ? '\n' : text[i];
    else
      out += text[i];
  }
  return out;
}

/// The shortest text that reads back as the same double.
std::string exact(double value) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return std::string(buffer.data(), end);
}

/// Lines of "key rest"; `words` are cut off the front of the rest.
class LineReader {
 public:
  LineReader(std::string_view text, const std::string& source) : text_(text), place_{source, 0} {}

  bool next() {
    if (text_.empty()) return false;
    const std::size_t end = text_.find('\n');
    line_ = text_.substr(0, end);
    text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
    ++place_.line;
    return true;
  }
  std::string_view word() {
    const std::size_t end = std::min(line_.find(' '), line_.size());
    const std::string_view word = line_.substr(0, end);
    line_.remove_prefix(std::min(end + 1, line_.size()));
    return word;
  }
  std::string_view line() const { return line_; }
  std::string rest() const { return unescaped(line_); }
  double number() { return require_number(word(), place_, "a number of the preprocessing"); }
  std::uint32_t count() {
    const double value = number();
    if (!(value >= 0 && value <= 65536) || value != std::floor(value))
      fail("a whole number from 0 to 65536 belongs here");
    return static_cast<std::uint32_t>(value);
  }
  [[noreturn]] void fail(const std::string& message) const {
    throw InputError(place_, message + "; the preprocessing is damaged: take it from the original solution");
  }

 private:
  std::string_view text_, line_;
  Location place_;
};

}  // namespace

std::vector<std::string> Preprocessing::feature_names() const {
  std::vector<std::string> names;
  for (const CategoricalColumn& column : categorical)
    for (const std::string& level : column.levels) names.push_back(column.column + "=" + level);
  for (const NumericColumn& column : numeric) names.push_back(column.column);
  return names;
}

std::string Preprocessing::encode() const {
  std::string out(first_line);
  const auto line = [&out](const std::string& words, std::string_view name) {
    out += "\n" + words + " " + escaped(name);
  };
  line("regime", name_of(regime));
  line("delimiter", std::string(1, format.delimiter));
  line("header", format.header ? "yes" : "no");
  for (const std::string& name : format.names) line("name", name);
  line("label", label);
  if (positive) line("positive", *positive);
  for (const CategoricalColumn& column : categorical) {
    line("categorical", column.column);
    for (const std::string& level : column.levels) line("level", level);
  }
  for (const NumericColumn& column : numeric)
    if (column.standardized)
      line("standardized " + exact(column.mean) + " " + exact(column.sd), column.column);
    else
      line("numeric", column.column);
  if (image)
    line("image " + std::to_string(image->channels) + " " + std::to_string(image->height) + " " +
             std::to_string(image->width),
         image->column);
  return out + "\n";
}

Preprocessing Preprocessing::decode(std::string_view text, const std::string& source) {
  LineReader reader(text, source);
  if (!reader.next() || reader.line() != first_line)
    reader.fail("the first line is not '" + std::string(first_line) + "'");
  Preprocessing read;
  while (reader.next()) {
    const std::string_view key = reader.word();
    if (key == "regime") {
      const auto found = std::find_if(all_regimes.begin(), all_regimes.end(),
                                      [&](Regime known) { return name_of(known) == reader.line(); });
      if (found == all_regimes.end()) reader.fail("there is no regime " + quote(reader.line()));
      read.regime = *found;
    } else if (key == "delimiter") {
      if (reader.line().size() != 1) reader.fail("a delimiter is one character");
      read.format.delimiter = reader.line()[0];
    } else if (key == "header") {
      read.format.header = reader.line() == "yes";
    } else if (key == "name") {
      read.format.names.push_back(reader.rest());
    } else if (key == "label") {
      read.label = reader.rest();
    } else if (key == "positive") {
      read.positive = reader.rest();
    } else if (key == "categorical") {
      read.categorical.push_back({reader.rest(), {}});
    } else if (key == "level") {
      if (read.categorical.empty()) reader.fail("a level stands before its column");
      read.categorical.back().levels.push_back(reader.rest());
    } else if (key == "standardized") {
      const double mean = reader.number(), sd = reader.number();
      if (!(sd > 0)) reader.fail("a standard deviation is positive");
      read.numeric.push_back({reader.rest(), true, mean, sd});
    } else if (key == "numeric") {
      read.numeric.push_back({reader.rest()});
    } else if (key == "image") {
      ImageColumn image;
      image.channels = reader.count(), image.height = reader.count(), image.width = reader.count();
      image.column = reader.rest();
      read.image = image;
    } else {
      reader.fail("there is no entry " + quote(key));
    }
  }
  return read;
}

}  // namespace seldon::table

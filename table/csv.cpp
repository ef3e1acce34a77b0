#include "table/csv.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <unordered_set>
#include <utility>

#include <zlib.h>

#include "table/text.h"

namespace seldon::table {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

std::string_view without_carriage_return(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

[[noreturn]] void throw_unreadable(const std::string& path, const Location& mentioned_at, int error) {
  throw InputError(mentioned_at, "cannot read " + path + " (" + std::strerror(error) +
                                     "); check the path and its permissions");
}

}  // namespace

std::string read_text(const std::string& path, const Location& mentioned_at) {
  errno = 0;
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) throw_unreadable(path, mentioned_at, errno);
  gzbuffer(file.get(), 1U << 20);

  constexpr std::size_t part = std::size_t{1} << 24;
  std::string text;
  std::size_t filled = 0;
  std::error_code no_regular_file;
  const auto size = std::filesystem::file_size(path, no_regular_file);
  if (!no_regular_file) text.reserve(size + part);  // a plain file then grows without copies
  while (true) {
    if (text.capacity() < filled + part) text.reserve(2 * (filled + part));
    text.resize(filled + part);
    errno = 0;
    const int got = gzread(file.get(), text.data() + filled, part);
    if (got > 0) filled += static_cast<std::size_t>(got);
    if (got == static_cast<int>(part)) continue;
    const int system_error = errno;
    int error = Z_OK;
    gzerror(file.get(), &error);
    if (error == Z_ERRNO) throw_unreadable(path, mentioned_at, system_error);
    if (error == Z_BUF_ERROR)
      throw InputError(Location{path, 0},
                       "the gzip file ends early, so rows are missing; fetch or write it again");
    if (error != Z_OK)
      throw InputError(Location{path, 0}, "the gzip file is damaged; fetch or write it again");
    break;
  }
  text.resize(filled);
  return text;
}

CsvScanner::CsvScanner(std::string_view text, char delimiter, std::string file)
    : text_(text), delimiter_(delimiter), file_(std::move(file)) {
  if (text_.starts_with(byte_order_mark)) text_.remove_prefix(byte_order_mark.size());
  const std::string_view ignored_at_end = delimiter_ == ' ' ? "\r\n \t" : "\r\n";
  text_ = text_.substr(0, text_.find_last_not_of(ignored_at_end) + 1);
}

bool CsvScanner::next() {
  fields_.clear();
  unescaped_.clear();
  if (next_.offset >= text_.size()) return false;
  line_ = next_.line;
  const std::size_t end = std::min(text_.find('\n', next_.offset), text_.size());
  const std::string_view line = text_.substr(next_.offset, end - next_.offset);
  if (line.find('"') != std::string_view::npos) {
    split_quoted();
  } else {
    split_plain(without_carriage_return(line));
    next_ = {std::min(end + 1, text_.size()), next_.line + 1};
  }
  return true;
}

void CsvScanner::split_plain(std::string_view line) {
  if (delimiter_ != ' ') {
    while (true) {
      const std::size_t end = line.find(delimiter_);
      fields_.push_back(line.substr(0, end));
      if (end == std::string_view::npos) return;
      line.remove_prefix(end + 1);
    }
  }
  for (line = trim(line); !line.empty();) {
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    fields_.push_back(line.substr(0, end));
    line = trim(line.substr(end));
  }
}

bool CsvScanner::at_line_end() const {
  const std::string_view rest = text_.substr(next_.offset, 2);
  return rest.empty() || rest[0] == '\n' || rest == "\r\n" || rest == "\r";
}

/// A row in which some field may be quoted and so may hold line ends.
void CsvScanner::split_quoted() {
  const bool blanks = delimiter_ == ' ';
  const auto skip_blanks = [&] {
    next_.offset = std::min(text_.find_first_not_of(" \t", next_.offset), text_.size());
  };
  if (blanks) skip_blanks();
  while (true) {
    if (text_.substr(next_.offset, 1) == "\"") {
      fields_.push_back(take_quoted());
    } else {
      const std::string_view line = text_.substr(next_.offset, text_.find('\n', next_.offset) - next_.offset);
      const std::string_view field =
          line.substr(0, blanks ? line.find_first_of(" \t") : line.find(delimiter_));
      next_.offset += field.size();
      fields_.push_back(at_line_end() ? without_carriage_return(field) : field);
    }
    if (blanks) skip_blanks();
    if (at_line_end()) break;
    const char after = text_[next_.offset];
    if (after == delimiter_)
      ++next_.offset;
    else if (!blanks)
      throw InputError(
          Location{file_, next_.line},
          "a quoted field goes on after its closing quote; double the quotes that belong to the text");
  }
  next_ = {std::min(text_.find('\n', next_.offset), text_.size() - 1) + 1, next_.line + 1};
}

/// The field whose opening quote is next; moves behind the closing one.
std::string_view CsvScanner::take_quoted() {
  const int first_line = next_.line;
  const std::size_t start = next_.offset + 1;
  std::size_t end = start;
  bool doubled = false;
  while (true) {
    end = text_.find('"', end);
    if (end == std::string_view::npos)
      throw InputError(Location{file_, first_line},
                       "a quote opens here and never closes; add the closing quote");
    if (text_.substr(end + 1, 1) != "\"") break;
    doubled = true;
    end += 2;
  }
  const std::string_view inner = text_.substr(start, end - start);
  next_.line += static_cast<int>(std::count(inner.begin(), inner.end(), '\n'));
  next_.offset = end + 1;
  if (!doubled) return inner;
  std::string& plain = unescaped_.emplace_back();
  for (std::size_t i = 0; i < inner.size(); ++i) {
    plain += inner[i];
    if (inner[i] == '"') ++i;
  }
  return plain;
}

CsvFile::CsvFile(std::string_view text, const CsvFormat& format, std::string file,
                 const Location& mentioned_at, std::uint64_t most_rows)
    : scanner_(text, format.delimiter, file), file_(std::move(file)), columns_(format.names) {
  const Location whole_file{file_, 0};
  const CsvScanner::Position start = scanner_.position();
  if (!scanner_.next()) throw InputError(whole_file, "the file is empty; it needs rows of data");
  if (format.header) {
    columns_.clear();
    for (std::string_view name : scanner_.fields()) columns_.emplace_back(trim(name));
    check_columns(scanner_.place());
  } else {
    if (columns_.empty())
      throw InputError(mentioned_at, file_ + " has no header, so the names of its " +
                                         std::to_string(scanner_.fields().size()) +
                                         " columns are needed; list them in data.names");
    check_columns(mentioned_at);
    scanner_.seek(start);
  }

  for (auto at = scanner_.position(); starts_.size() < most_rows && scanner_.next();
       at = scanner_.position()) {
    if (scanner_.fields().size() != columns_.size())
      throw InputError(scanner_.place(),
                       "the row has " + std::to_string(scanner_.fields().size()) + " fields where " +
                           (format.header ? "the header has " : "data.names has ") +
                           std::to_string(columns_.size()) + "; correct the row, or check the delimiter");
    starts_.push_back(at);
  }
  if (starts_.empty())
    throw InputError(whole_file, "there is a header and no row of data under it; add rows");
}

void CsvFile::check_columns(const Location& place) const {
  std::unordered_set<std::string_view> seen;
  for (const std::string& name : columns_) {
    if (!seen.insert(name).second)
      throw InputError(place, "two columns are named " + quote(name) + "; rename one of them");
  }
}

std::span<const std::string_view> CsvFile::row(std::size_t index) {
  scanner_.seek(starts_.at(index));
  scanner_.next();
  return scanner_.fields();
}

}  // namespace seldon::table

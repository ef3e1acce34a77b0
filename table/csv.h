#pragma once
// CSV as RFC 4180 has it, and blank-separated tables: from a file to rows of fields, nothing typed yet.

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "table/read_options.h"

namespace seldon::table {

/// The whole file, inflated if it is gzip (told by its content, not its name). InputError where it cannot be
/// read, is damaged or ends early.
std::string read_text(const std::string& path, const Location& mentioned_at);

/// Cuts text into rows, one at a time, and remembers nothing. Lines end in LF or CRLF; a quoted field may
/// hold delimiters, line ends and doubled quotes. Empty lines at the end of the text are no rows.
class CsvScanner {
 public:
  /// `text` must outlive the scanner; `file` is what messages call it.
  CsvScanner(std::string_view text, char delimiter, std::string file);

  struct Position {
    std::size_t offset = 0;
    int line = 1;
  };
  /// Where the next row starts.
  Position position() const { return next_; }
  void seek(Position position) { next_ = position; }

  /// Reads the next row; false at the end.
  bool next();
  /// Of the row just read; valid until the next call.
  std::span<const std::string_view> fields() const { return fields_; }
  /// Where the row just read starts, for messages.
  Location place() const { return {file_, line_}; }

 private:
  void split_plain(std::string_view line);
  void split_quoted();
  std::string_view take_quoted();
  bool at_line_end() const;

  std::string_view text_;
  char delimiter_;
  std::string file_;
  Position next_;
  int line_ = 0;
  std::vector<std::string_view> fields_;
  std::deque<std::string> unescaped_;  ///< fields with doubled quotes, which are no part of the text
};

/// A whole text with named columns, every row of which has the same number of fields.
class CsvFile {
 public:
  /// Finds the rows, at most `most_rows`. Errors name `file` and the line; those of the format name
  /// `mentioned_at`.
  CsvFile(std::string_view text, const CsvFormat& format, std::string file, const Location& mentioned_at,
          std::uint64_t most_rows = UINT64_MAX);

  const std::string& file() const { return file_; }
  const std::vector<std::string>& columns() const { return columns_; }
  std::size_t rows() const { return starts_.size(); }

  /// Fields of a row, valid until the next call.
  std::span<const std::string_view> row(std::size_t index);
  /// Of the row last asked for.
  Location place() const { return scanner_.place(); }

 private:
  void check_columns(const Location& place) const;

  CsvScanner scanner_;
  std::string file_;
  std::vector<std::string> columns_;
  std::vector<CsvScanner::Position> starts_;
};

}  // namespace seldon::table

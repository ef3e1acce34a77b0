#include "store/run_row.h"

#include <algorithm>
#include <string>

namespace seldon::store {
namespace {

/// Copies as many whole UTF-8 characters as leave room for the final NUL.
template <std::size_t size>
void put_text(std::array<char, size>& to, const std::string& text) {
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  std::size_t length = std::min(text.size(), text.find('\0'));
  if (length >= size) {
    length = size - 1;
    while (length > 0 && continues(text[length])) --length;
  }
  std::copy_n(text.begin(), length, to.begin());
}

template <std::size_t size>
std::string get_text(const std::array<char, size>& from) {
  return {from.begin(), std::find(from.begin(), from.end(), '\0')};
}

}  // namespace

RunRow to_row(const RunInfo& run) {
  RunRow row;
  row.attempt = run.attempt;
  row.rank = run.rank;
  put_text(row.host, run.host);
  put_text(row.device, run.device);
  row.width = run.width;
  row.failures = run.failures;
  row.suspicion = run.suspicion.level;
  row.deaths = run.suspicion.deaths;
  row.alone = run.suspicion.alone;
  row.start = run.start;
  row.seconds_selection = run.seconds_selection;
  row.seconds_safety = run.seconds_safety;
  row.seconds_evaluation = run.seconds_evaluation;
  row.seconds_total = run.seconds_total;
  put_text(row.message, run.message);
  return row;
}

RunInfo from_row(const RunRow& row) {
  RunInfo run;
  run.attempt = row.attempt;
  run.rank = row.rank;
  run.host = get_text(row.host);
  run.device = get_text(row.device);
  run.width = row.width;
  run.failures = row.failures;
  run.suspicion = {row.suspicion, row.deaths, row.alone != 0};
  run.start = row.start;
  run.seconds_selection = row.seconds_selection;
  run.seconds_safety = row.seconds_safety;
  run.seconds_evaluation = row.seconds_evaluation;
  run.seconds_total = row.seconds_total;
  run.message = get_text(row.message);
  return run;
}

}  // namespace seldon::store

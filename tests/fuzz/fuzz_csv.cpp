// Any bytes as a table and as a group's condition: a Frame that keeps its promises, or an InputError.
// Input: one byte of switches, the condition up to the first line end, then the file.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "table/read_csv.h"

namespace {

using namespace seldon;
using namespace seldon::table;

void require(bool promise) {
  if (!promise) std::abort();
}

ReadOptions options_of(unsigned switches, std::string_view condition) {
  ReadOptions options;
  options.path = "fuzzed.csv";
  options.label = "y";
  if (switches & 1) options.format = {false, ',', {"a", "y", "c"}};
  if (switches & 2) options.format.delimiter = ' ';
  if (switches & 4) {
    options.image = ImageColumn{"c", 1, 2, 2};
  } else {
    options.numeric = {"a"};
    options.categorical = {"c"};
    if (switches & 8) options.standardize = {"a"};
  }
  if (switches & 16) options.shuffle = true;
  if (switches & 32) options.positive = "1";
  if (switches & 64) options.regime = Regime::regression;
  if (switches & 128) options.rows = 2;
  if (!condition.empty()) options.groups = {{"g", "g", std::string(condition), {"fuzzed.toml", 1}, true}};
  return options;
}

void check(const Frame& frame, std::string_view text, const ReadOptions& options) {
  require(frame.rows() > 0 && frame.features().size() == frame.rows() * frame.width());
  require(frame.labels().size() == frame.rows());
  require(std::all_of(frame.features().begin(), frame.features().end(),
                      [](double x) { return std::isfinite(x); }));
  if (frame.image()) require(frame.pixels().size() == frame.rows() * frame.image()->pixels());
  for (const Frame::Group& group : frame.groups())
    require(std::count(group.member.begin(), group.member.end(), 1) > 0);
  require(Preprocessing::decode(frame.preprocessing().encode()) == frame.preprocessing());

  if (options.rows || options.shuffle) return;
  const Frame again = read_new_rows_text(text, options.path, frame.preprocessing());
  require(std::equal(frame.features().begin(), frame.features().end(), again.features().begin(),
                     again.features().end()));
  require(
      std::equal(frame.pixels().begin(), frame.pixels().end(), again.pixels().begin(), again.pixels().end()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t line_end = std::min(input.find('\n'), input.size());
  const std::string_view condition = input.substr(0, line_end);
  const std::string_view text = input.substr(std::min(line_end + 1, input.size()));
  const ReadOptions options = options_of(data[0], condition);
  try {
    check(read_csv_text(text, options), text, options);
  } catch (const InputError&) {
  }
  try {
    require(Preprocessing::decode(Preprocessing::decode(text).encode()) == Preprocessing::decode(text));
  } catch (const InputError&) {
  }
  return 0;
}

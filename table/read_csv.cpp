#include "table/read_csv.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "core/random.h"
#include "core/sha256.h"
#include "table/csv.h"
#include "table/text.h"

namespace seldon::table {
namespace {

constexpr std::size_t most_levels = 1000;  // more look like an identifier, and each is a feature
constexpr std::size_t most_pixels = std::size_t{1} << 26;

// ---- what can be said before the file is open
// ----------------------------------------------------------------------

void check_image(const ReadOptions& options) {
  const ImageColumn& image = *options.image;
  if (!options.numeric.empty() || !options.categorical.empty())
    throw InputError(options.place("image"),
                     "data.image excludes data.numeric and data.categorical; keep the one or the others");
  const bool sides_fit = image.channels <= 4096 && image.height <= 65536 && image.width <= 65536;
  if (image.pixels() == 0 || !sides_fit || image.pixels() > most_pixels)
    throw InputError(options.place("image"),
                     "an image has at least one and at most 2^26 pixels; correct data.image");
}

void check_features(const ReadOptions& options) {
  std::set<std::string> seen;
  const auto check_list = [&](const std::vector<std::string>& list, const Location& place) {
    for (const std::string& column : list) {
      if (!seen.insert(column).second)
        throw InputError(place, "column " + quote(column) + " is listed twice as a feature; keep one");
      if (column == options.label)
        throw InputError(
            place, "column " + quote(column) + " is the label and a feature; remove it from the features");
    }
  };
  check_list(options.categorical, options.place("categorical"));
  check_list(options.numeric, options.place("numeric"));
  if (seen.empty())
    throw InputError(
        options.location,
        "there are no features; list columns in data.numeric or data.categorical, or give data.image");
  for (const std::string& column : options.standardize)
    if (std::find(options.numeric.begin(), options.numeric.end(), column) == options.numeric.end())
      throw InputError(
          options.place("standardize"),
          quote(column) + " is to be standardised and is not in data.numeric; list it there too");
}

void check(const ReadOptions& options) {
  if (options.regime == Regime::reinforcement_learning)
    throw InputError(options.location, "a CSV of rows holds no episodes of reinforcement learning");
  if (options.image)
    check_image(options);
  else
    check_features(options);
  if (options.rows == 0)
    throw InputError(options.place("rows"), "data.rows is 0; leave it out to read all rows");
}

Preprocessing wanted(const ReadOptions& options) {
  Preprocessing wanted;
  wanted.format = options.format;
  wanted.label = options.label;
  wanted.positive = options.positive;
  wanted.regime = options.regime;
  wanted.image = options.image;
  for (const std::string& column : options.categorical) wanted.categorical.push_back({column, {}});
  for (const std::string& column : options.numeric) {
    const auto& list = options.standardize;
    wanted.numeric.push_back({column, std::find(list.begin(), list.end(), column) != list.end()});
  }
  return wanted;
}

// ---- single fields
// -------------------------------------------------------------------------------------------------

std::string_view require_text(std::string_view field, const Location& place, const std::string& column) {
  field = trim(field);
  if (field.empty())
    throw InputError(place, "column " + quote(column) + " is empty; fill in a value or remove the row");
  return field;
}

/// "1" is 1.0, other text is only itself.
bool same_value(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const Number x = parse_number(a), y = parse_number(b);
  return x && y && x.value == y.value;
}

/// Appends the pixels of one row.
void read_pixels(std::string_view field, const ImageColumn& image, const Location& place,
                 std::vector<std::uint8_t>& pixels) {
  const std::size_t before = pixels.size(), expected = image.pixels();
  pixels.resize(before + expected);
  std::size_t count = 0;
  for (auto at = field.begin(); at != field.end();) {
    if (*at == ' ' || *at == '\t') {
      ++at;
      continue;
    }
    const auto start = at;
    unsigned value = 0;
    for (; at != field.end() && *at >= '0' && *at <= '9' && value <= 255; ++at)
      value = 10 * value + static_cast<unsigned>(*at - '0');
    if (value > 255 || at == start || (at != field.end() && *at != ' ' && *at != '\t')) {
      const std::string_view number(start, std::find(start, field.end(), ' '));
      throw InputError(place, "column " + quote(image.column) + ": number " + std::to_string(count + 1) +
                                  " is " + quote(number) + "; a pixel is a whole number from 0 to 255");
    }
    if (count < expected) pixels[before + count] = static_cast<std::uint8_t>(value);
    ++count;
  }
  if (count != expected)
    throw InputError(place, "column " + quote(image.column) + " has " + std::to_string(count) +
                                " numbers (an image of " + std::to_string(image.channels) + " x " +
                                std::to_string(image.height) + " x " + std::to_string(image.width) + " has " +
                                std::to_string(expected) + "); correct the row or data.image");
}

/// The label column: what is a valid label depends on the regime.
class LabelReader {
 public:
  LabelReader(const Preprocessing& preprocessing, const Location& mentioned_at)
      : column_(preprocessing.label),
        positive_(preprocessing.positive),
        regime_(preprocessing.regime),
        mentioned_at_(mentioned_at) {}

  double read(std::string_view field, const Location& place) {
    if (regime_ == Regime::classification && positive_)
      return read_named(require_text(field, place, column_), place);
    const double value = require_number(field, place, column_);
    if (regime_ == Regime::classification && value != 0 && value != 1)
      throw InputError(place,
                       "the label " + quote(column_) + " is " + quote(field) +
                           ", and a binary label is 0 or 1; correct it, or give data.positive, the value of "
                           "class 1");
    if (regime_ == Regime::multiclass_classification &&
        (value < 0 || value > 65535 || value != std::floor(value)))
      throw InputError(place, "the label " + quote(column_) + " is " + quote(field) +
                                  ", and a class is a whole number from 0 on; correct it");
    return value;
  }

  /// After the last row.
  void finish(const std::string& file) const {
    if (positive_ && regime_ == Regime::classification && !found_positive_)
      throw InputError(mentioned_at_, "no row of " + file + " has the label " + quote(column_) + " = " +
                                          quote(*positive_) + "; correct data.positive");
  }

 private:
  double read_named(std::string_view value, const Location& place) {
    if (same_value(value, *positive_)) {
      found_positive_ = true;
      return 1;
    }
    if (!negative_) negative_ = std::string(value);
    if (!same_value(value, *negative_))
      throw InputError(place, "the label " + quote(column_) + " is " + quote(value) +
                                  ", a third value besides " + quote(*positive_) + " and " +
                                  quote(*negative_) + ", and a binary label has two; correct it");
    return 0;
  }

  std::string column_;
  std::optional<std::string> positive_, negative_;
  Regime regime_;
  Location mentioned_at_;
  bool found_positive_ = false;
};

/// A categorical column's levels. Learns them, or knows them and takes no other.
class LevelReader {
 public:
  LevelReader(CategoricalColumn column, bool learn) : column_(std::move(column)), learn_(learn) {
    for (const std::string& level : column_.levels) codes_.emplace(level, codes_.size());
  }

  std::size_t read(std::string_view field, const Location& place) {
    std::string level(require_text(field, place, column_.column));
    const auto found = codes_.find(level);
    if (found != codes_.end()) return found->second;
    if (!learn_) throw_unknown(level, place);
    if (codes_.size() == most_levels)
      throw InputError(place,
                       "column " + quote(column_.column) + " has more than " + std::to_string(most_levels) +
                           " levels, each of which would be a feature; is it an identifier, or numeric?");
    column_.levels.push_back(level);
    return codes_.emplace(std::move(level), codes_.size()).first->second;
  }

  /// The column with its levels in byte order, and the position there of each code that read() gave.
  std::pair<CategoricalColumn, std::vector<std::size_t>> finish() const {
    CategoricalColumn sorted = column_;
    std::sort(sorted.levels.begin(), sorted.levels.end());
    std::vector<std::size_t> position;
    for (const std::string& level : column_.levels)
      position.push_back(static_cast<std::size_t>(
          std::lower_bound(sorted.levels.begin(), sorted.levels.end(), level) - sorted.levels.begin()));
    return {sorted, position};
  }

 private:
  [[noreturn]] void throw_unknown(const std::string& level, const Location& place) const {
    std::string known;
    for (std::size_t i = 0; i < std::min<std::size_t>(column_.levels.size(), 10); ++i)
      known += (i == 0 ? "" : ", ") + column_.levels[i];
    if (column_.levels.size() > 10) known += ", ...";
    throw InputError(place, "column " + quote(column_.column) + " holds " + quote(level) +
                                ", a level that the table of the training did not have (" + known +
                                "); remove the row, or train on a table that has it");
  }

  CategoricalColumn column_;
  bool learn_;
  std::unordered_map<std::string, std::size_t> codes_;
};

class CsvRow final : public RowValues {
 public:
  CsvRow(std::span<const std::string_view> fields, const CsvFile& file) : fields_(fields), file_(file) {}
  std::string_view text(std::size_t column) const override {
    return require_text(fields_[column], file_.place(), file_.columns()[column]);
  }
  double number(std::size_t column) const override {
    return require_number(fields_[column], file_.place(), file_.columns()[column]);
  }

 private:
  std::span<const std::string_view> fields_;
  const CsvFile& file_;
};

// ---- columns
// -------------------------------------------------------------------------------------------------------

using PlaceOf = std::function<Location(const std::string& key)>;

/// Turns the fields of each row into features, as the preprocessing says; learns what it lacks if `learn`.
class FeatureReader {
 public:
  /// `mentioned_at(key)` is where the config's key [data] key was written.
  FeatureReader(const CsvFile& file, const Preprocessing& preprocessing, bool learn, PlaceOf mentioned_at)
      : preprocessing_(preprocessing), learn_(learn), mentioned_at_(std::move(mentioned_at)) {
    const auto find = [&](const std::string& name, const char* key) {
      return require_column(name, file.columns(), mentioned_at_(key), file.file());
    };
    for (const CategoricalColumn& column : preprocessing.categorical) {
      categorical_at_.push_back(find(column.column, "categorical"));
      levels_.emplace_back(column, learn);
    }
    for (const NumericColumn& column : preprocessing.numeric)
      numeric_at_.push_back(find(column.column, "numeric"));
    if (preprocessing.image) image_at_ = find(preprocessing.image->column, "image");
  }

  void add(std::span<const std::string_view> fields, const Location& place) {
    for (std::size_t c = 0; c < levels_.size(); ++c)
      codes_.push_back(levels_[c].read(fields[categorical_at_[c]], place));
    for (std::size_t c = 0; c < numeric_at_.size(); ++c)
      numbers_.push_back(require_number(fields[numeric_at_[c]], place, preprocessing_.numeric[c].column));
    if (preprocessing_.image) read_pixels(fields[image_at_], *preprocessing_.image, place, pixels_);
    ++rows_;
  }

  /// Fills rows, preprocessing, features and pixels.
  void finish(FrameParts& parts) {
    parts.rows = rows_;
    if (learn_) standardize();
    std::vector<std::vector<std::size_t>> positions;
    for (std::size_t c = 0; c < levels_.size(); ++c) {
      auto [column, position] = levels_[c].finish();
      preprocessing_.categorical[c] = std::move(column);
      positions.push_back(std::move(position));
    }

    const std::size_t width = preprocessing_.feature_names().size();
    parts.features.assign(rows_ * width, 0.0);
    for (std::size_t row = 0; row < rows_; ++row) {
      double* feature = parts.features.data() + row * width;
      for (std::size_t c = 0; c < levels_.size(); ++c) {
        feature[positions[c][codes_[row * levels_.size() + c]]] = 1;
        feature += positions[c].size();
      }
      for (std::size_t c = 0; c < numeric_at_.size(); ++c) {
        const NumericColumn& column = preprocessing_.numeric[c];
        const double value = numbers_[row * numeric_at_.size() + c];
        *feature++ = column.standardized ? (value - column.mean) / column.sd : value;
      }
    }
    parts.pixels = std::move(pixels_);
    parts.preprocessing = std::move(preprocessing_);
  }

 private:
  /// Learns mean and standard deviation (ddof 0) of each column that wants them.
  void standardize() {
    const std::size_t stride = numeric_at_.size();
    const auto n = static_cast<double>(rows_);
    for (std::size_t c = 0; c < stride; ++c) {
      NumericColumn& column = preprocessing_.numeric[c];
      if (!column.standardized) continue;
      double sum = 0, squares = 0;
      for (std::size_t row = 0; row < rows_; ++row) sum += numbers_[row * stride + c];
      column.mean = sum / n;
      for (std::size_t row = 0; row < rows_; ++row)
        squares += std::pow(numbers_[row * stride + c] - column.mean, 2);
      column.sd = std::sqrt(squares / n);
      if (!std::isfinite(column.sd))
        throw InputError(mentioned_at_("standardize"),
                         "the values of column " + quote(column.column) +
                             " are too large to standardise; rescale the column");
      if (column.sd == 0)
        throw InputError(mentioned_at_("standardize"),
                         "column " + quote(column.column) +
                             " has the same value in every row and cannot be standardised; remove it");
    }
  }

  Preprocessing preprocessing_;
  bool learn_;
  PlaceOf mentioned_at_;
  std::vector<std::size_t> categorical_at_, numeric_at_;
  std::size_t image_at_ = 0;
  std::vector<LevelReader> levels_;
  std::size_t rows_ = 0;
  std::vector<std::size_t> codes_;  ///< rows x categorical columns, numbered as the levels appear
  std::vector<double> numbers_;     ///< rows x numeric columns, as in the file
  std::vector<std::uint8_t> pixels_;
};

/// The rows to read, in order.
std::vector<std::uint32_t> rows_to_read(const ReadOptions& options, std::size_t available) {
  const std::uint64_t count = options.rows.value_or(available);
  if (count > available)
    throw InputError(options.place("rows"), "data.rows is " + std::to_string(count) + " and " + options.path +
                                                " has " + std::to_string(available) +
                                                " rows; lower it or leave it out");
  std::vector<std::uint32_t> order(available);
  std::iota(order.begin(), order.end(), 0U);
  if (options.shuffle)
    order = Stream(Purpose::split, options.seed, {}, "data.shuffle").permutation(available);
  order.resize(count);
  return order;
}

std::string hash_of(std::string_view text) {
  return sha256_hex(std::as_bytes(std::span(text)));
}

}  // namespace

Frame read_csv(const ReadOptions& options) {
  check(options);
  return read_csv_text(read_text(options.path, options.location), options);
}

Frame read_csv_text(std::string_view text, const ReadOptions& options) {
  check(options);
  const std::uint64_t most_rows = options.shuffle ? UINT64_MAX : options.rows.value_or(UINT64_MAX);
  CsvFile file(text, options.format, options.path, options.location, most_rows);
  FeatureReader features(file, wanted(options), true,
                         [&](const std::string& key) { return options.place(key); });
  const std::size_t label_at =
      require_column(options.label, file.columns(), options.place("label"), file.file());
  LabelReader label(wanted(options), options.place("positive"));
  GroupBuilder groups(options.groups, file.columns(), file.file());

  FrameParts parts;
  for (const std::uint32_t row : rows_to_read(options, file.rows())) {
    const auto fields = file.row(row);
    features.add(fields, file.place());
    parts.labels.push_back(label.read(fields[label_at], file.place()));
    groups.add(CsvRow(fields, file), file.place());
  }
  label.finish(file.file());
  features.finish(parts);
  parts.groups = std::move(groups).finish();
  parts.content_hash = hash_of(text);
  return Frame(parts);
}

Frame read_new_rows(const std::string& path, const Preprocessing& preprocessing) {
  return read_new_rows_text(read_text(path, Location{path, 0}), path, preprocessing);
}

Frame read_new_rows_text(std::string_view text, const std::string& path, const Preprocessing& preprocessing) {
  const Location whole_file{path, 0};
  CsvFile file(text, preprocessing.format, path, whole_file);
  FeatureReader features(file, preprocessing, false, [&](const std::string&) { return Location{path, 0}; });
  const auto found = std::find(file.columns().begin(), file.columns().end(), preprocessing.label);
  const auto label_at = static_cast<std::size_t>(found - file.columns().begin());
  LabelReader label(preprocessing, whole_file);

  FrameParts parts;
  for (std::size_t row = 0; row < file.rows(); ++row) {
    const auto fields = file.row(row);
    features.add(fields, file.place());
    if (found != file.columns().end()) parts.labels.push_back(label.read(fields[label_at], file.place()));
  }
  features.finish(parts);
  parts.content_hash = hash_of(text);
  return Frame(parts);
}

}  // namespace seldon::table

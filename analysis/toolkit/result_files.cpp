#include "analysis/toolkit/result_files.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <system_error>
#include <utility>

#include "analysis/results.h"
#include "analysis/text.h"
#include "core/error.h"
#include "core/sha256.h"

namespace seldon::analysis {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view results_suffix = "_results", csv_suffix = "_results.csv", prefix_end = "__";

// ---- CSV as RFC 4180 describes it ------------------------------------------------------------------------

struct CsvLine {
  int number = 0;  ///< of its first character, from 1
  std::vector<std::string> fields;
};

/// Splits a text into lines and fields; quoted fields may hold line ends.
class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& file) : rest_(text), file_(file) {
    if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
  }

  /// The next line that is not empty, none at the end.
  std::optional<CsvLine> next() {
    while (!rest_.empty() && (rest_.front() == '\n' || rest_.front() == '\r')) take();
    if (rest_.empty()) return std::nullopt;
    CsvLine line{line_, {}};
    do {
      line.fields.push_back(field());
    } while (take_if(','));
    take_if('\r');
    if (!rest_.empty() && !take_if('\n'))
      throw InputError({file_, line_}, "text follows a closing quote; quote the whole field");
    return line;
  }

 private:
  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    line_ += c == '\n';
    return c;
  }
  bool take_if(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    take();
    return true;
  }
  std::string field() {
    if (take_if('"')) return quoted();
    std::string text;
    while (!rest_.empty() && rest_.front() != ',' && rest_.front() != '\n' && rest_.front() != '\r')
      text += take();
    return text;
  }
  std::string quoted() {
    const int begins = line_;
    std::string text;
    while (true) {
      if (rest_.empty()) throw InputError({file_, begins}, "a quote is opened and never closed");
      const char c = take();
      if (c == '"' && !take_if('"')) return text;
      text += c;
    }
  }

  std::string_view rest_;
  std::string file_;
  int line_ = 1;
};

// ---- fields ----------------------------------------------------------------------------------------------

[[noreturn]] void refuse_field(const Location& where, std::string_view column, std::string_view text,
                               const std::string& wanted) {
  throw InputError(
      where, std::string(column) + " is '" + shortened(one_line(text), 60) + "', which is no " + wanted);
}

/// "0.5", "1e-05", "inf", "nan".
std::optional<double> number_in(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

double fraction_in(std::string_view text, const Location& where) {
  const auto value = number_in(text);
  if (!value || !(*value > 0 && *value <= 1)) refuse_field(where, "data_frac", text, "number in (0, 1]");
  return *value;
}

std::uint32_t trial_in(std::string_view text, const Location& where) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() ||
      value == std::numeric_limits<std::uint32_t>::max())
    refuse_field(where, "trial_i", text, "trial's number (0, 1, 2 ...)");
  return value;
}

double performance_in(std::string_view text, const Location& where) {
  if (text.empty()) return std::nan("");
  const auto value = number_in(text);
  if (!value) refuse_field(where, "performance", text, "number");
  return *value;
}

bool truth_value_in(std::string_view column, std::string_view text, const Location& where) {
  if (text == "True" || text == "true" || text == "1") return true;
  if (text == "False" || text == "false" || text == "0") return false;
  refuse_field(where, column, text, "truth value (True or False)");
}

/// The numbers in NumPy's text of a one-dimensional array: "[-0.1]", "[ 0.1  nan]".
std::vector<double> array_in(std::string_view text, const Location& where) {
  constexpr std::string_view blanks = " \t\r\n,";
  const std::string wanted = "array of numbers such as [-0.1 0.25]";
  auto inner = text;
  if (inner.size() < 2 || inner.front() != '[' || inner.back() != ']')
    refuse_field(where, "gvec", text, wanted);
  inner = inner.substr(1, inner.size() - 2);
  std::vector<double> values;
  while (true) {
    inner.remove_prefix(std::min(inner.find_first_not_of(blanks), inner.size()));
    if (inner.empty()) return values;
    const auto one = inner.substr(0, inner.find_first_of(blanks));
    const auto value = number_in(one);
    if (!value) refuse_field(where, "gvec", text, wanted);
    values.push_back(*value);
    inner.remove_prefix(one.size());
  }
}

// ---- a table ---------------------------------------------------------------------------------------------

enum Column : std::uint8_t { data_frac, trial_i, performance, passed_safety, failed, gvec };
constexpr std::array<std::string_view, 6> column_names = {"data_frac",     "trial_i", "performance",
                                                          "passed_safety", "failed",  "gvec"};

/// Where each column stands in this file.
class Columns {
 public:
  Columns(const CsvLine& header, const std::string& file) : count_(header.fields.size()) {
    const Location where{file, header.number};
    for (std::size_t i = 0; i < header.fields.size(); ++i) {
      const auto found = std::ranges::find(column_names, header.fields[i]);
      if (found == column_names.end())
        throw InputError(where, "'" + shortened(one_line(header.fields[i]), 60) +
                                    "' is no column of the toolkit's results; they are " +
                                    "data_frac, trial_i, performance, passed_safety, and failed or gvec");
      auto& place = places_[static_cast<std::size_t>(found - column_names.begin())];
      if (place) throw InputError(where, "the column '" + header.fields[i] + "' comes twice");
      place = i;
    }
    for (const Column needed : {data_frac, trial_i, performance})
      if (!has(needed))
        throw InputError(where, "there is no column '" + std::string(column_names[needed]) +
                                    "'; is this a result file of the toolkit?");
    if (has(failed) == has(gvec))
      throw InputError(where, has(failed)
                                  ? "there are both columns 'failed' and 'gvec'; remove 'failed', which "
                                    "follows from the other"
                                  : "there is neither a column 'failed' nor 'gvec', so nothing says which "
                                    "solutions violate the constraint");
  }
  bool has(Column column) const { return places_[column].has_value(); }
  std::string_view of(const CsvLine& line, Column column) const { return line.fields[*places_[column]]; }
  std::size_t count() const { return count_; }

 private:
  std::array<std::optional<std::size_t>, column_names.size()> places_;
  std::size_t count_;
};

std::string counted(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

void take_failures(ToolkitRow& row, const CsvLine& line, const Columns& columns, std::size_t constraints,
                   const Location& where) {
  if (!columns.has(gvec)) {
    row.failed = truth_value_in("failed", columns.of(line, failed), where);
    return;
  }
  row.g = array_in(columns.of(line, gvec), where);
  if (row.g.size() != constraints)
    throw InputError(where, "gvec has " + counted(row.g.size(), "constraint") + " and --constraint names " +
                                std::to_string(constraints) +
                                "; name each once, in the order of the columns");
  row.failed = std::ranges::any_of(row.g, has_failed);
}

/// What a trial without a solution cannot have.
void require_consistent(const ToolkitRow& row, const Columns& columns, const Location& where) {
  if (!columns.has(passed_safety) || row.passed) return;
  if (!std::isnan(row.performance))
    throw InputError(where,
                     "passed_safety is False, and yet there is a performance; a trial without a "
                     "solution has none");
  if (row.failed || std::ranges::any_of(row.g, [](double g) { return !std::isinf(g); }))
    throw InputError(where, row.g.empty() ? "passed_safety is False and failed is True; a trial without a "
                                            "solution cannot violate a constraint"
                                          : "passed_safety is False, and gvec is not -inf; a trial without a "
                                            "solution cannot violate a constraint");
}

ToolkitRow row_of(const CsvLine& line, const Columns& columns, std::size_t constraints,
                  const Location& where) {
  if (line.fields.size() != columns.count())
    throw InputError(where, "there are " + counted(line.fields.size(), "field") + " under " +
                                counted(columns.count(), "column"));
  ToolkitRow row;
  row.fraction = fraction_in(columns.of(line, data_frac), where);
  row.trial = trial_in(columns.of(line, trial_i), where);
  row.performance = performance_in(columns.of(line, performance), where);
  if (columns.has(passed_safety))
    row.passed = truth_value_in("passed_safety", columns.of(line, passed_safety), where);
  take_failures(row, line, columns, constraints, where);
  require_consistent(row, columns, where);
  return row;
}

using CellPlaces = std::map<std::pair<double, std::uint32_t>, Location>;

/// Adds a file's rows to a model's.
void add_table(ToolkitModel& model, std::string_view text, const std::string& file, std::size_t constraints,
               CellPlaces& places) {
  CsvReader reader(text, file);
  const auto header = reader.next();
  if (!header) throw InputError({file, 0}, "is empty; a result file begins with the names of its columns");
  const Columns columns(*header, file);
  const bool first = places.empty();
  if (!first &&
      (model.has_gvec != columns.has(gvec) || model.has_passed_safety != columns.has(passed_safety)))
    throw InputError({file, header->number}, "has other columns than the files before it");
  model.has_gvec = columns.has(gvec);
  model.has_passed_safety = columns.has(passed_safety);
  if (!model.has_gvec && constraints != 1)
    throw InputError({file, header->number},
                     "the column 'failed' speaks of one constraint, and --constraint "
                     "names " +
                         std::to_string(constraints) + "; name one, such as all of them together");
  while (const auto line = reader.next()) {
    const Location where{file, line->number};
    auto row = row_of(*line, columns, constraints, where);
    const auto [known, is_new] = places.emplace(std::pair(row.fraction, row.trial), where);
    if (!is_new)
      throw InputError(where, "trial " + std::to_string(row.trial) + " at data fraction " +
                                  shortest(row.fraction) + " was there already: " + known->second.str());
    model.rows.push_back(std::move(row));
  }
}

// ---- files -----------------------------------------------------------------------------------------------

std::string read_text(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text;
  if (in) text.assign(std::istreambuf_iterator<char>(in), {});
  if (!in || in.bad()) throw InputError({file.string(), 0}, "cannot be read; look at its rights");
  return text;
}

std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    entries.push_back(*at);
  if (error)
    throw InputError({folder.string(), 0}, "cannot be read as a folder: " + error.message() +
                                               "; name the folder that holds the toolkit's results");
  std::ranges::sort(entries, {}, [](const fs::directory_entry& entry) { return entry.path(); });
  return entries;
}

/// The files of one model.
using FilesByModel = std::map<std::string, std::vector<fs::path>>;

bool is_trial_file(const fs::directory_entry& entry) {
  const auto name = entry.path().filename().string();
  return name.starts_with("data_frac_") && name.ends_with(".csv") && entry.is_regular_file();
}

/// What FOLDER/{model}_results holds: one file, or those of the trials.
std::vector<fs::path> files_in_model_folder(const fs::path& folder, const std::string& model) {
  const auto whole = folder / (model + std::string(csv_suffix));
  if (fs::is_regular_file(whole)) return {whole};
  std::vector<fs::path> files;
  if (fs::is_directory(folder / "trial_data"))
    for (const auto& entry : entries_of(folder / "trial_data"))
      if (is_trial_file(entry)) files.push_back(entry.path());
  return files;
}

/// By experiment; the name of one without a prefix is empty.
std::map<std::string, FilesByModel> find_files(const fs::path& folder) {
  std::map<std::string, FilesByModel> found;
  for (const auto& entry : entries_of(folder)) {
    const auto name = entry.path().filename().string();
    std::string experiment, model;
    std::vector<fs::path> files;
    if (entry.is_directory() && name.ends_with(results_suffix)) {
      model = name.substr(0, name.size() - results_suffix.size());
      files = files_in_model_folder(entry.path(), model);
    } else if (entry.is_regular_file() && name.ends_with(csv_suffix)) {
      model = name.substr(0, name.size() - csv_suffix.size());
      if (const auto at = model.find(prefix_end); at != std::string::npos) {
        experiment = model.substr(0, at);
        model = model.substr(at + prefix_end.size());
      }
      files = {entry.path()};
    }
    if (model.empty() || files.empty()) continue;
    if (!found[experiment].emplace(model, std::move(files)).second)
      throw InputError({folder.string(), 0}, "holds the model '" + one_line(model) +
                                                 "' as a file and as a folder; remove one of them");
  }
  return found;
}

/// The chosen experiment, or the only one.
std::pair<std::string, FilesByModel> files_of(const fs::path& folder, const std::string& experiment) {
  const auto found = find_files(folder);
  if (found.empty())
    throw InputError({folder.string(), 0},
                     "holds no results of the toolkit: neither folders "
                     "'{model}_results' nor files '{model}_results.csv'");
  std::string known;
  for (const auto& [name, models] : found) known += (known.empty() ? "'" : ", '") + one_line(name) + "'";
  if (experiment.empty() && found.size() == 1) return *found.begin();
  const auto wanted = found.find(experiment);
  if (wanted == found.end() && found.size() == 1 && found.contains(""))
    throw InputError({folder.string(), 0}, "holds no experiment '" + one_line(experiment) +
                                               "': its files have no prefix; leave out --experiment");
  if (wanted == found.end())
    throw InputError({folder.string(), 0},
                     (experiment.empty() ? "holds several experiments"
                                         : "holds no experiment '" + one_line(experiment) + "'") +
                         "; choose with --experiment one of " + known);
  return *wanted;
}

}  // namespace

ToolkitModel parse_toolkit_table(std::string_view text, const std::string& file, std::size_t constraints) {
  ToolkitModel model;
  CellPlaces places;
  add_table(model, text, file, constraints, places);
  if (model.rows.empty()) throw InputError({file, 0}, "holds no trial");
  return model;
}

ToolkitResults read_toolkit_results(const fs::path& folder, const std::string& experiment,
                                    std::size_t constraints) {
  const auto [prefix, files_by_model] = files_of(folder, experiment);
  ToolkitResults results{prefix, {}};
  for (const auto& [name, files] : files_by_model) {
    auto& model = results.models.emplace_back();
    model.name = name;
    CellPlaces places;
    for (const auto& file : files) {
      const auto text = read_text(file);
      add_table(model, text, file.string(), constraints, places);
      model.files.push_back(
          {file.lexically_relative(folder).string(), sha256_hex(std::as_bytes(std::span(text)))});
    }
    if (model.rows.empty()) throw InputError({files.front().string(), 0}, "holds no trial");
  }
  return results;
}

}  // namespace seldon::analysis

#include "programs/conformance/data.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <numeric>
#include <regex>
#include <set>

#include <nlohmann/json.hpp>
#include <zlib.h>

#include "core/error.h"
#include "engine/dataset/sampling.h"

namespace seldon::conformance {
namespace {

namespace fs = std::filesystem;

std::string read_all(const fs::path& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  if (!file) throw InputError({path.string(), 0}, "cannot be opened; check that it can be read");
  std::string text;
  char buffer[1 << 16];
  int got = 0;
  while ((got = gzread(file, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<std::size_t>(got));
  gzclose(file);
  if (got < 0) throw InputError({path.string(), 0}, "is damaged; fetch it again");
  return text;
}

/// Lower case, blanks as underscores, without .gz and .csv.
std::string simplified(std::string name) {
  for (char& c : name) c = c == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const std::string ending : {".gz", ".csv"})
    if (name.ends_with(ending)) name.resize(name.size() - ending.size());
  return name;
}

struct Metadata {
  Regime regime = Regime::regression;
  std::vector<std::string> columns;
  std::set<std::string> labels, sensitive;
};

/// The metadata file beside a data file whose name, after "metadata_", is part of the data file's name.
std::optional<Metadata> metadata_of(const fs::path& data) {
  for (const auto& entry : fs::directory_iterator(data.parent_path())) {
    const std::string name = entry.path().stem().string();
    const std::string start = "metadata_";
    if (entry.path().extension() != ".json" || !name.starts_with(start)) continue;
    if (data.filename().string().find(name.substr(start.size())) == std::string::npos) continue;
    std::ifstream in(entry.path());
    const auto json = nlohmann::json::parse(in);
    Metadata result;
    result.regime =
        json.value("sub_regime", "") == "regression" ? Regime::regression : Regime::classification;
    result.columns = json.at("all_col_names").get<std::vector<std::string>>();
    result.labels = json.at("label_col_names").get<std::set<std::string>>();
    result.sensitive = json.value("sensitive_col_names", std::set<std::string>());
    return result;
  }
  return std::nullopt;
}

Table make_table(const fs::path& path) {
  const std::vector<std::vector<double>> numbers = read_numbers(path);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    if (numbers[i].size() != numbers.front().size())
      throw InputError({path.string(), static_cast<int>(i) + 1},
                       "has another number of fields than the first line; mend it");
  std::optional<Metadata> metadata = metadata_of(path);
  const std::size_t columns = numbers.empty() ? 0 : numbers.front().size();
  if (!metadata) {  // features, then the label
    metadata.emplace();
    for (std::size_t j = 0; j < columns; ++j) metadata->columns.push_back("column " + std::to_string(j));
    if (columns > 0) metadata->labels = {metadata->columns.back()};
  }
  if (metadata->columns.size() != columns)
    throw InputError({path.string(), 0}, "has " + std::to_string(columns) +
                                             " columns, but its metadata name " +
                                             std::to_string(metadata->columns.size()) + "; mend one of them");
  Table table;
  table.name = path.filename().string();
  table.regime = metadata->regime;
  table.rows = numbers.size();
  for (std::size_t j = 0; j < columns; ++j) {
    const std::string& name = metadata->columns[j];
    if (metadata->labels.contains(name)) {
      for (const auto& row : numbers) table.labels.push_back(row[j]);
    } else if (metadata->sensitive.contains(name)) {
      auto& member = table.groups.emplace_back(name, std::vector<std::uint8_t>()).second;
      for (const auto& row : numbers) member.push_back(row[j] == 1 ? 1 : 0);
    } else {
      ++table.width;
    }
  }
  for (const auto& row : numbers)
    for (std::size_t j = 0; j < columns; ++j)
      if (!metadata->labels.contains(metadata->columns[j]) &&
          !metadata->sensitive.contains(metadata->columns[j]))
        table.features.push_back(row[j]);
  return table;
}

engine::Rows range(std::size_t first, std::size_t last) {
  engine::Rows rows(last + 1 - first);
  std::iota(rows.begin(), rows.end(), static_cast<std::uint32_t>(first));
  return rows;
}

/// The file's name ends where rows, a side, a remark or a parameter begins.
std::string file_part(const std::string& reference) {
  static const std::regex end(R"(( \(|[;,]| (candidate|safety|all)? ?rows| rho).*$)");
  return fs::path(std::regex_replace(reference, end, "")).filename().string();
}

}  // namespace

std::vector<std::vector<double>> read_numbers(const fs::path& path) {
  const std::string text = read_all(path);
  std::vector<std::vector<double>> rows;
  std::vector<double> row;
  int line = 1;
  for (const char *at = text.data(), *end = text.data() + text.size(); at < end;) {
    double value = 0;
    const auto result = std::from_chars(at, end, value);
    if (result.ec != std::errc())
      throw InputError({path.string(), line}, "holds text where a number belongs");
    row.push_back(value);
    at = result.ptr;
    if (at < end && *at == '\r') ++at;
    if (at < end && *at == ',') {
      ++at;
    } else if (at == end || *at == '\n') {
      rows.push_back(std::move(row));
      row.clear();
      ++line;
      if (at < end) ++at;
    } else {
      throw InputError({path.string(), line}, "holds text where a number belongs");
    }
  }
  return rows;
}

engine::Dataset Table::dataset() const {
  engine::Dataset data;
  data.regime = regime;
  data.rows = rows;
  data.width = width;
  data.features = features;
  data.labels = labels;
  for (const auto& [group, member] : groups) data.groups.push_back({group, member});
  return data;
}

std::vector<std::string> Table::group_names() const {
  std::vector<std::string> names;
  for (const auto& group : groups) names.push_back(group.first);
  return names;
}

DataFolders::DataFolders(std::vector<fs::path> folders) {
  for (const fs::path& folder : folders) {
    if (!fs::is_directory(folder)) throw InputError("'" + folder.string() + "' is not a folder; mend --data");
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (entry.is_regular_file() && (name.ends_with(".csv") || name.ends_with(".csv.gz")))
        files_.push_back(entry.path());
    }
  }
  std::sort(files_.begin(), files_.end());
}

fs::path DataFolders::find(const std::string& name) const {
  const std::string wanted = simplified(name);
  const auto fits = [&](bool whole) {
    std::vector<fs::path> found;
    for (const fs::path& file : files_) {
      const std::string candidate = simplified(file.filename().string());
      const bool known = std::any_of(found.begin(), found.end(),
                                     [&](const fs::path& other) { return fs::equivalent(other, file); });
      if (!known && (whole ? candidate == wanted : candidate.starts_with(wanted))) found.push_back(file);
    }
    return found;
  };
  std::vector<fs::path> found = fits(true);
  if (found.empty()) found = fits(false);
  if (found.empty())
    throw InputError("the data file '" + name + "' is not there; give its folder with --data");
  if (found.size() > 1)
    throw InputError("the data file '" + name + "' could be " + found[0].string() + " or " +
                     found[1].string() + "; keep one of them under --data");
  return found.front();
}

const Table& DataFolders::table(const std::string& reference) const {
  const fs::path path = find(file_part(reference));
  std::unique_ptr<Table>& slot = tables_[path];
  if (!slot) slot = std::make_unique<Table>(make_table(path));
  return *slot;
}

DataReference DataFolders::resolve(const std::string& reference) const {
  const Table& whole = table(reference);
  DataReference result;
  result.file = file_part(reference);
  static const std::regex ranges(R"((candidate|safety)?[ =]*rows (\d+)\.\.(\d+))");
  for (std::sregex_iterator match(reference.begin(), reference.end(), ranges), end; match != end; ++match) {
    const std::size_t first = std::stoul((*match)[2]), last = std::stoul((*match)[3]);
    if (last < first || last >= whole.rows)
      throw InputError("the rows " + match->str() + " are not in " + whole.name + ", which has " +
                       std::to_string(whole.rows));
    const std::string side = (*match)[1];
    (side == "candidate" ? result.candidate
     : side == "safety"  ? result.safety
                         : result.rows) = range(first, last);
  }
  std::smatch rho;
  if (std::regex_search(reference, rho, std::regex(R"(rho ?= ?([0-9.]+))"))) {
    const engine::Split parts = engine::split(range(0, whole.rows - 1), std::stod(rho[1]));
    result.candidate = parts.candidate;
    result.safety = parts.safety;
  }
  if (result.candidate.empty() && result.safety.empty() && result.rows.empty())
    result.rows = range(0, whole.rows - 1);
  return result;
}

}  // namespace seldon::conformance

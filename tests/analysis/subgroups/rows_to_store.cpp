// A store from rows that a test chose, with the sums of docs/store.md:
//
//     rows_to_store ROWS.csv STORE.h5 SUBGROUP ...
//
// ROWS.csv has the columns `trial` (0, 1 ... in order), `y`, the predictions, and one column for each
// attribute. Predictions: `p`, the probability of class 1; or `p0`, `p1` ... of each of several classes; or
// `yhat`, of a regression. A SUBGROUP is named as in records: all, gender=F, "gender=F x age=old". One model,
// one data fraction, and every trial has a solution.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/record.h"
#include "store/store.h"

namespace {

using namespace seldon;

struct Rows {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> values;

  std::size_t column(const std::string& name) const {
    const auto found = std::ranges::find(columns, name);
    if (found == columns.end()) throw std::runtime_error("no column " + name);
    return static_cast<std::size_t>(found - columns.begin());
  }
  bool has(const std::string& name) const { return std::ranges::find(columns, name) != columns.end(); }
  double number(std::size_t row, const std::string& name) const {
    return std::stod(values[row][column(name)]);
  }
};

std::vector<std::string> split(const std::string& text, const std::string& by) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (auto end = text.find(by); end != std::string::npos; end = text.find(by, begin)) {
    parts.push_back(text.substr(begin, end - begin));
    begin = end + by.size();
  }
  parts.push_back(text.substr(begin));
  return parts;
}

Rows read(const std::string& path) {
  std::ifstream file(path);
  Rows rows;
  std::string line;
  if (!std::getline(file, line)) throw std::runtime_error("cannot read " + path);
  rows.columns = split(line, ",");
  while (std::getline(file, line)) rows.values.push_back(split(line, ","));
  return rows;
}

std::string column_of_class(std::size_t k) {
  std::string name = "p";
  name += std::to_string(k);
  return name;
}

bool is_member(const Rows& rows, std::size_t row, const std::string& subgroup) {
  if (subgroup == "all") return true;
  for (const auto& condition : split(subgroup, " x ")) {
    const auto parts = split(condition, "=");
    if (rows.values[row][rows.column(parts.at(0))] != parts.at(1)) return false;
  }
  return true;
}

RecordShape shape_of(const Rows& rows, std::vector<std::string> subgroups) {
  RecordShape shape;
  shape.subgroups = std::move(subgroups);
  shape.truths = {"original"};
  shape.rules = {"soft", "hard"};
  if (rows.has("yhat")) {
    shape.regime = Regime::regression;
    shape.classes = 0;
    shape.rules = {"value"};
  } else if (rows.has("p0")) {
    shape.regime = Regime::multiclass_classification;
    while (rows.has(column_of_class(shape.classes))) ++shape.classes;
  }
  return shape;
}

void add_classes(CellRecord& record, std::size_t subgroup, const Rows& rows, std::size_t row,
                 std::size_t classes) {
  std::vector<double> p;
  if (rows.has("p"))
    p = {1 - rows.number(row, "p"), rows.number(row, "p")};
  else
    for (std::size_t k = 0; k < classes; ++k) p.push_back(rows.number(row, column_of_class(k)));
  const auto label = static_cast<std::size_t>(rows.number(row, "y"));
  const std::size_t decided = classes == 2
                                  ? (p[1] >= 0.5 ? 1 : 0)
                                  : static_cast<std::size_t>(std::ranges::max_element(p) - p.begin());
  const std::size_t at = (subgroup * classes + label) * classes;
  record.doubles(Field::hard_counts)[at + decided] += 1;
  for (std::size_t k = 0; k < classes; ++k) {
    record.doubles(Field::soft_sums)[at + k] += p[k];
    record.doubles(Field::soft_squares)[at + k] += p[k] * p[k];
  }
  const double loss = -std::log(std::clamp(p[label], 1e-15, 1 - 1e-15));
  record.doubles(Field::log_loss)[subgroup * 2] += loss;
  record.doubles(Field::log_loss)[subgroup * 2 + 1] += loss * loss;
  const auto bin = static_cast<std::size_t>(std::clamp(p.back() * 64, 0.0, 63.0));
  const std::size_t place = ((subgroup * classes + label) * histogram_bins + bin) * 2;
  record.doubles(Field::histogram)[place] += 1;
  record.doubles(Field::histogram)[place + 1] += p.back();
}

void add_residual(CellRecord& record, std::size_t subgroup, const Rows& rows, std::size_t row) {
  const double y = rows.number(row, "y"), e = rows.number(row, "yhat") - y;
  const double terms[] = {1, y, y * y, e, std::fabs(e), e * e, e * e * e * e};
  for (std::size_t k = 0; k < 7; ++k) record.doubles(Field::residuals)[subgroup * 7 + k] += terms[k];
}

CellRecord record_of(const RecordLayout& layout, const Rows& rows, std::uint32_t trial) {
  const auto& shape = layout.shape();
  CellRecord record(layout);
  record.set_outcome(Outcome::solution, NsfReason::none);
  const bool regression = shape.regime == Regime::regression;
  for (const auto field : {Field::hard_counts, Field::soft_sums, Field::soft_squares, Field::log_loss,
                           Field::histogram, Field::residuals})
    if (layout.find(field)) std::ranges::fill(record.doubles(field), 0.0);
  for (std::size_t row = 0; row < rows.values.size(); ++row) {
    if (std::stoul(rows.values[row][rows.column("trial")]) != trial) continue;
    for (std::size_t s = 0; s < shape.subgroups.size(); ++s) {
      if (!is_member(rows, row, shape.subgroups[s])) continue;
      if (regression)
        add_residual(record, s, rows, row);
      else
        add_classes(record, s, rows, row, shape.classes);
    }
  }
  record.seal("model", 1.0, trial);
  return record;
}

void convert(const std::string& from, const std::string& to, std::vector<std::string> subgroups) {
  const auto rows = read(from);
  if (rows.values.empty()) throw std::runtime_error("no rows");
  store::Header header;
  header.name = "rows";
  header.version = "test";
  header.n_trials = static_cast<std::uint32_t>(std::stoul(rows.values.back()[rows.column("trial")])) + 1;
  header.total_rows = static_cast<std::uint64_t>(
      std::ranges::count_if(rows.values, [&](const auto& row) { return row[rows.column("trial")] == "0"; }));
  header.data_fracs = {1.0};
  header.rows = {header.total_rows};
  header.identity = header.numerics = "{}";
  header.models = {{"model", "baseline", shape_of(rows, std::move(subgroups))}};
  header.packs = {{0, 0, 0, 0, header.n_trials}};
  auto writer = store::Writer::create(to, header);
  for (std::uint32_t trial = 0; trial < header.n_trials; ++trial) {
    auto record = record_of(writer.layout(0), rows, trial);
    writer.write({{0, 0, 0, trial}, CellState::done, std::move(record).take_bytes(), {}});
  }
  writer.sync();
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() < 3) {
    std::fputs("rows_to_store ROWS.csv STORE.h5 SUBGROUP ...\n", stderr);
    return 2;
  }
  try {
    convert(arguments[0], arguments[1], {arguments.begin() + 2, arguments.end()});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rows_to_store: %s\n", error.what());
    return 2;
  }
}

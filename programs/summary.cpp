#include "programs/summary.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include <spdlog/spdlog.h>

namespace seldon::programs {
namespace {

std::string quoted(const std::string& field) {
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string text = "\"";
  for (const char c : field) {
    if (c == '"') text += '"';
    text += c;
  }
  return text += '"';
}

std::string number(double value) {
  if (std::isnan(value)) return "";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.6g", value);
  return text.data();
}

std::string line(const std::vector<std::string>& fields) {
  std::string text;
  for (std::size_t i = 0; i < fields.size(); ++i) text.append(i > 0 ? "," : "").append(quoted(fields[i]));
  return text += '\n';
}

/// A model under the measure that it is judged by.
using Column = std::pair<std::string, std::string>;

std::vector<Column> columns_of(const std::vector<SummaryRow>& rows) {
  std::vector<Column> columns;
  for (const SummaryRow& row : rows)
    for (const ModelTally& model : row.models) {
      const Column column{model.model, model.measure};
      if (std::ranges::find(columns, column) == columns.end()) columns.push_back(column);
    }
  return columns;
}

void add_head(std::vector<std::string>& fields, const Column& column) {
  const auto& [model, measure] = column;
  const std::string performance = model + "." + (measure.empty() ? "performance" : measure);
  for (const std::string& name : {model + ".trials", performance, performance + ".se",
                                  model + ".solution_rate", model + ".failure_rate"})
    fields.push_back(name);
}

void add_model(std::vector<std::string>& fields, const SummaryRow& row, const Column& column) {
  const auto found = std::ranges::find(row.models, column, [](const ModelTally& model) {
    return Column{model.model, model.measure};
  });
  if (found == row.models.end()) {
    fields.resize(fields.size() + 5);
    return;
  }
  fields.push_back(std::to_string(found->trials));
  for (const double value :
       {found->performance, found->performance_error, found->solution_rate, found->failure_rate})
    fields.push_back(number(value));
}

}  // namespace

std::string summary_csv(const std::vector<std::string>& keys, const std::vector<SummaryRow>& rows) {
  const auto columns = columns_of(rows);
  std::vector<std::string> head = {"name", "config"};
  head.insert(head.end(), keys.begin(), keys.end());
  for (const char* name : {"state", "cells", "done", "failed", "no_solution"}) head.emplace_back(name);
  for (const Column& column : columns) add_head(head, column);
  head.emplace_back("message");
  std::string text = line(head);
  for (const SummaryRow& row : rows) {
    std::vector<std::string> fields = {row.name, row.config};
    fields.insert(fields.end(), row.values.begin(), row.values.end());
    fields.push_back(row.state);
    for (const std::uint64_t count : {row.cells, row.done, row.failed, row.no_solution})
      fields.push_back(std::to_string(count));
    for (const Column& column : columns) add_model(fields, row, column);
    fields.push_back(row.message);
    text += line(fields);
  }
  return text;
}

SummaryFile::SummaryFile(const std::string& folder)
    : path_((std::filesystem::path(folder) / "summary.csv").string()) {}

void SummaryFile::write(const std::string& text) {
  const std::string part = path_ + ".part";
  std::ofstream file(part, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(part, path_, error);
  if (file && !error) return;
  const std::string why = error ? error.message() : std::generic_category().message(errno);
  if (!std::exchange(warned_, true))
    spdlog::warn("'{}' cannot be written: {}; the run goes on without it", path_, why);
}

}  // namespace seldon::programs

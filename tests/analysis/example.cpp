#include "example.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <stdlib.h>

namespace seldon::analysis::example {
namespace {

RecordShape shape() {
  RecordShape shape;
  shape.performance = {"log_loss", "accuracy"};
  shape.constraints = {"parity"};
  shape.base_nodes = {"parity: PR | [M]", "parity: PR | [F]"};
  shape.subgroups = {"all"};
  shape.truths = {"original", "held_out"};
  shape.rules = {"soft", "hard"};
  shape.histograms = true;
  return shape;
}

std::size_t cell_of(const Results& results, std::size_t fraction, std::size_t trial) {
  return fraction * results.header.n_trials + trial;
}

/// The record of one cell, as a worker would send it.
CellReport report_of(const Results& results, std::uint32_t m, std::uint32_t fraction, std::uint32_t trial,
                     const RecordLayout& layout) {
  const auto& model = results.models[m];
  const auto cell = cell_of(results, fraction, trial);
  CellReport report{{0, m, fraction, trial}, model.states[cell], {}, model.runs[cell]};
  if (!model.done(cell)) return report;
  CellRecord record(layout);
  record.set_outcome(model.outcomes[cell], model.reasons[cell]);
  record.view<std::int64_t>(Field::rows)[0] = model.rows[cell];
  const auto copy = [&](Field field, const std::vector<double>& from) {
    auto to = record.doubles(field);
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(cell * to.size()), to.size(), to.begin());
  };
  copy(Field::performance, model.performance);
  copy(Field::g, model.g);
  copy(Field::upper, model.upper);
  record.seal(model.header.name, results.header.data_fracs[fraction], trial);
  report.record = std::move(record).take_bytes();
  return report;
}

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, ',');) fields.push_back(field);
  return fields;
}

}  // namespace

Results empty(std::size_t models, std::vector<double> fractions, std::uint32_t trials,
              std::uint64_t total_rows) {
  Results results;
  auto& header = results.header;
  header.name = "example";
  header.version = "0.1.0";
  header.n_trials = trials;
  header.total_rows = total_rows;
  for (double fraction : fractions)
    header.rows.push_back(
        static_cast<std::uint64_t>(std::lround(fraction * static_cast<double>(total_rows))));
  header.data_fracs = std::move(fractions);
  header.config = "# a test";
  header.identity = "{}";
  header.numerics = "{}";
  header.constraints = {{"parity", "abs((PR | [M]) - (PR | [F])) <= 0.2", "soft", "student_t", 0.05}};
  for (std::size_t m = 0; m < models; ++m) {
    header.models.push_back(
        {m == 0 ? "qsa" : "baseline_" + std::to_string(m), m == 0 ? "seldonian" : "baseline", shape()});
    results.models.push_back(ModelResults::empty(header.models.back(), header.data_fracs.size() * trials));
    results.models.back().runs.resize(header.data_fracs.size() * trials);
    for (std::uint32_t fraction = 0; fraction < header.data_fracs.size(); ++fraction)
      header.packs.push_back({0, static_cast<std::uint32_t>(m), fraction, 0, trials});
  }
  return results;
}

void solve(Results& results, std::size_t m, std::size_t fraction, std::size_t trial, double performance,
           double g) {
  auto& model = results.models[m];
  const auto cell = cell_of(results, fraction, trial);
  model.states[cell] = CellState::done;
  model.outcomes[cell] = Outcome::solution;
  model.rows[cell] = static_cast<std::int64_t>(results.header.rows[fraction]);
  for (std::size_t truth = 0; truth < 2; ++truth) {
    for (std::size_t measure = 0; measure < 2; ++measure)
      model.performance[cell * 4 + truth * 2 + measure] =
          performance + 10.0 * static_cast<double>(truth) + static_cast<double>(measure);
    for (std::size_t rule = 0; rule < 2; ++rule)
      model.g[cell * 4 + rule * 2 + truth] =
          g + static_cast<double>(rule) + 10.0 * static_cast<double>(truth);
  }
  if (m == 0) model.upper[cell] = g + 0.125;
  auto& run = model.runs[cell];
  run.attempt = 1;
  run.rank = 1;
  run.host = "node";
  run.start = 1000;
  run.seconds_total = 0.25;
}

void refuse(Results& results, std::size_t m, std::size_t fraction, std::size_t trial, NsfReason reason) {
  solve(results, m, fraction, trial, std::nan(""), -std::numeric_limits<double>::infinity());
  auto& model = results.models[m];
  const auto cell = cell_of(results, fraction, trial);
  model.outcomes[cell] = Outcome::no_solution_found;
  model.reasons[cell] = reason;
  model.upper[cell] = std::nan("");
}

void set_state(Results& results, std::size_t m, std::size_t fraction, std::size_t trial, CellState state,
               const std::string& message) {
  const auto cell = cell_of(results, fraction, trial);
  results.models[m].states[cell] = state;
  results.models[m].runs[cell].attempt = 1;
  results.models[m].runs[cell].message = message;
}

Results small() {
  auto results = empty(2, {0.01, 0.1, 0.5, 1.0}, 10);
  for (std::size_t fraction = 0; fraction < 4; ++fraction)
    for (std::size_t trial = 0; trial < 10; ++trial) {
      const double x = static_cast<double>(fraction * 10 + trial);
      if (trial < 3 * fraction)
        solve(results, 0, fraction, trial, 0.7 - 0.001 * x, -0.1);
      else
        refuse(results, 0, fraction, trial, NsfReason::safety_test);
      solve(results, 1, fraction, trial, 0.6 - 0.002 * x, trial % 3 == 0 ? 0.1 : -0.1);
    }
  return results;
}

std::string write_store(const Results& results, const std::filesystem::path& folder) {
  const auto path = (folder / "example.h5").string();
  auto writer = store::Writer::create(path, results.header);
  for (std::uint32_t m = 0; m < results.models.size(); ++m)
    for (std::uint32_t cell = 0; cell < results.models[m].states.size(); ++cell) {
      const CellKey key{0, m, cell / results.header.n_trials, cell % results.header.n_trials};
      const auto state = results.models[m].states[cell];
      if (is_final(state))
        writer.write(report_of(results, m, key.fraction, key.trial, writer.layout(m)));
      else if (state != CellState::pending)
        writer.set_states(std::span(&key, 1), state, 1);
    }
  writer.sync();
  return path;
}

void damage(const std::string& path, double number) {
  std::string bytes = read_file(path);
  const std::string_view wanted(reinterpret_cast<const char*>(&number), sizeof number);
  const auto at = bytes.find(wanted);
  if (at == std::string::npos || bytes.find(wanted, at + 1) != std::string::npos)
    throw std::runtime_error("the store does not hold that number exactly once");
  bytes[at] ^= 1;
  std::ofstream(path, std::ios::binary) << bytes;
}

std::filesystem::path shared_folder() {
  const char* named = std::getenv("SELDON_SHARED");
  const std::filesystem::path folder =
      named ? std::filesystem::path(named) : std::filesystem::path(SELDON_SOURCE_DIR) / ".." / "shared";
  return std::filesystem::is_directory(folder) ? folder : std::filesystem::path();
}

Results loans(const std::filesystem::path& reference_results) {
  const std::vector<std::string> names = {"qsa", "logistic_regression", "uniform_random"};
  std::vector<std::vector<std::vector<std::string>>> tables;  // [model][line][field]
  std::vector<double> fractions;
  for (const auto& name : names) {
    std::istringstream text(read_file(reference_results / ("loans_video__" + name + "_results.csv")));
    std::string line;
    std::getline(text, line);
    tables.emplace_back();
    while (std::getline(text, line)) {
      tables.back().push_back(fields_of(line));
      const double fraction = std::stod(tables.back().back()[0]);
      if (std::ranges::find(fractions, fraction) == fractions.end()) fractions.push_back(fraction);
    }
  }
  auto results = empty(names.size(), fractions, 25);
  for (std::size_t m = 0; m < names.size(); ++m) {
    results.models[m].header.name = results.header.models[m].name = names[m];
    for (const auto& fields : tables[m]) {
      const auto fraction =
          static_cast<std::size_t>(std::ranges::find(fractions, std::stod(fields[0])) - fractions.begin());
      const auto trial = std::stoul(fields[1]);
      const double g = std::stod(fields.back().substr(1));
      if (fields[2].empty())
        refuse(results, m, fraction, trial, m == 0 ? NsfReason::safety_test : NsfReason::one_class);
      else
        solve(results, m, fraction, trial, std::stod(fields[2]), g);
    }
  }
  return results;
}

std::string read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + file.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

Folder::Folder() {
  auto name = (std::filesystem::temp_directory_path() / "seldon-analysis-XXXXXX").string();
  if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
  path_ = name;
}

Folder::~Folder() {
  std::filesystem::remove_all(path_);
}

}  // namespace seldon::analysis::example

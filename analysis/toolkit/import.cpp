#include "analysis/toolkit/import.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <unistd.h>
#include <utility>

#include <nlohmann/json.hpp>

#include "analysis/output.h"
#include "analysis/results.h"
#include "analysis/text.h"
#include "analysis/toolkit/result_files.h"
#include "core/error.h"
#include "core/pack_runner.h"
#include "core/record.h"
#include "store/store.h"

namespace seldon::analysis {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double minus_infinity = -std::numeric_limits<double>::infinity();

/// A store may have this many cells for each row that there is: more, and a trial's number is a slip.
constexpr std::uint64_t cells_per_row = 100, cells_for_any = 100'000;

/// Fractions of more rows than this are no whole numbers of them in double precision.
constexpr std::uint64_t most_rows = std::uint64_t{1} << 52;

// ---- what the options must say ---------------------------------------------------------------------------

void require_options(const ImportOptions& options) {
  if (options.rows == 0)
    throw InputError("--rows is 0; it is the number of rows that the data fraction 1 stands for");
  if (options.rows > most_rows)
    throw InputError("--rows is " + std::to_string(options.rows) + "; no table has as many rows");
  if (options.constraints.empty()) throw InputError("there is no --constraint; name those of the experiment");
  if (options.performance.empty()) throw InputError("--performance is empty; name the measure");
  std::set<std::string> names;
  for (const auto& constraint : options.constraints) {
    if (constraint.name.empty() || constraint.expression.empty())
      throw InputError("--constraint must be NAME=EXPRESSION; got '" + one_line(constraint.name) + "=" +
                       one_line(constraint.expression) + "'");
    if (!names.insert(constraint.name).second)
      throw InputError("--constraint names '" + one_line(constraint.name) + "' twice");
    if (!(constraint.delta > 0 && constraint.delta < 1))
      throw InputError("--delta is " + shortest(constraint.delta) + "; it lies between 0 and 1");
  }
}

std::string quoted_names(const std::vector<ToolkitModel>& models) {
  std::string names;
  for (const auto& model : models) names += (names.empty() ? "'" : ", '") + one_line(model.name) + "'";
  return names;
}

bool is_seldonian(const ToolkitModel& model, const ImportOptions& options) {
  if (!options.seldonian) return model.has_passed_safety;
  return std::ranges::find(*options.seldonian, model.name) != options.seldonian->end();
}

/// Seldonian models first, as the Three Plots draw them.
void put_seldonian_first(std::vector<ToolkitModel>& models, const ImportOptions& options) {
  if (options.seldonian)
    for (const auto& name : *options.seldonian)
      if (std::ranges::find(models, name, &ToolkitModel::name) == models.end())
        throw InputError("--seldonian: there is no model '" + one_line(name) + "'; there are " +
                         quoted_names(models));
  std::ranges::stable_partition(models,
                                [&](const ToolkitModel& model) { return is_seldonian(model, options); });
}

// ---- the header ------------------------------------------------------------------------------------------

/// The axes of a model's records: nothing but performance and g.
RecordShape shape_of(const ToolkitModel& model, const ImportOptions& options) {
  RecordShape shape;
  shape.classes = 0;  // there are no counts
  shape.performance = {options.performance};
  for (const auto& constraint : options.constraints) shape.constraints.push_back(constraint.name);
  shape.truths = {"original"};
  shape.rules = {"recorded"};
  if (!model.has_gvec) shape.rules.emplace_back(failures_only);
  shape.histograms = false;
  return shape;
}

std::uint64_t rows_at(double fraction, std::uint64_t rows) {
  const double exact = fraction * static_cast<double>(rows), below = std::floor(exact);
  const auto whole = static_cast<std::uint64_t>(below);
  const auto n = exact - below == 0.5 ? whole + whole % 2 : whole + (exact - below > 0.5 ? 1 : 0);
  if (n == 0)
    throw InputError("--rows: the data fraction " + shortest(fraction) + " of " + std::to_string(rows) +
                     " rows is less than one row; give the number of rows of the whole table");
  return n;
}

/// Says in words and sums where the results are from.
std::string origin(const std::vector<ToolkitModel>& models) {
  std::string text = "# Imported from result files of the Seldonian Toolkit, with their SHA-256:\n";
  for (const auto& model : models)
    for (const auto& file : model.files)
      text.append("# ").append(one_line(file.name)).append(" ").append(file.sha256).append("\n");
  return text;
}

std::string identity(const store::Header& header) {
  nlohmann::json identity;
  identity["import.layout"] = "toolkit";
  identity["import.rows"] = header.total_rows;
  identity["experiment.name"] = one_line(header.name);
  identity["experiment.n_trials"] = header.n_trials;
  identity["experiment.data_fracs"] = header.data_fracs;
  identity["model"] = nlohmann::json::array();
  for (const auto& model : header.models) {
    identity["model"].push_back(one_line(model.name));
    identity["model." + one_line(model.name) + ".kind"] = model.kind;
  }
  identity["constraint"] = nlohmann::json::array();
  for (const auto& constraint : header.constraints) {
    const auto key = "constraint." + one_line(constraint.name);
    identity["constraint"].push_back(one_line(constraint.name));
    identity[key + ".expression"] = one_line(constraint.expression);
    identity[key + ".delta"] = constraint.delta;
  }
  return identity.dump();
}

/// The grid that holds every row: all fractions of all models, ascending, and trials up to the last.
void put_grid(store::Header& header, const std::vector<ToolkitModel>& models) {
  std::set<double> fractions;
  std::uint32_t last = 0;
  std::uint64_t rows = 0;
  for (const auto& model : models)
    for (const auto& row : model.rows) {
      fractions.insert(row.fraction);
      last = std::max(last, row.trial);
      ++rows;
    }
  header.n_trials = last + 1;
  header.data_fracs.assign(fractions.begin(), fractions.end());
  for (const double fraction : header.data_fracs) header.rows.push_back(rows_at(fraction, header.total_rows));
  const std::uint64_t cells = std::uint64_t{header.n_trials} * fractions.size() * models.size();
  if (cells > std::max(cells_for_any, cells_per_row * rows))
    throw InputError("the trials go up to number " + std::to_string(last) + ", and there are only " +
                     std::to_string(rows) + " rows; a store has room for every trial from 0 on: look for a " +
                     "slip in trial_i");
}

store::Header header_of(const std::string& experiment, const std::vector<ToolkitModel>& models,
                        const ImportOptions& options) {
  store::Header header;
  header.name = !options.name.empty() ? options.name : experiment.empty() ? "imported" : experiment;
  header.version = options.version;
  header.total_rows = options.rows;
  put_grid(header, models);
  header.config = origin(models);
  for (const auto& constraint : options.constraints)
    header.constraints.push_back(
        {constraint.name, constraint.expression, "recorded", "recorded", constraint.delta});
  for (std::uint32_t m = 0; m < models.size(); ++m) {
    header.models.push_back({models[m].name, is_seldonian(models[m], options) ? "seldonian" : "baseline",
                             shape_of(models[m], options)});
    for (std::uint32_t fraction = 0; fraction < header.data_fracs.size(); ++fraction)
      header.packs.push_back({0, m, fraction, 0, header.n_trials});
  }
  header.identity = identity(header);
  header.numerics = "{}";
  return header;
}

// ---- the records -----------------------------------------------------------------------------------------

bool is_solution(const ToolkitModel& model, const ToolkitRow& row) {
  if (model.has_passed_safety) return row.passed;
  const bool has_value = std::ranges::any_of(row.g, [](double g) { return g != minus_infinity; });
  return !std::isnan(row.performance) || row.failed || has_value;
}

std::vector<std::byte> record_of(const RecordLayout& layout, const ToolkitModel& model, const ToolkitRow& row,
                                 std::uint64_t n) {
  const bool solution = is_solution(model, row);
  CellRecord record(layout);
  record.set_outcome(solution ? Outcome::solution : Outcome::no_solution_found, NsfReason::none);
  record.view<std::int64_t>(Field::rows)[0] = static_cast<std::int64_t>(n);
  record.view<std::int64_t>(Field::best_iteration)[0] = -1;
  record.doubles(Field::performance)[0] = row.performance;
  const auto g = record.doubles(Field::g);  // [constraint][rule], NaN
  const std::size_t rules = layout.shape().rules.size();
  for (std::size_t c = 0; c * rules < g.size(); ++c) {
    if (model.has_gvec || !solution) g[c * rules] = solution ? row.g[c] : minus_infinity;
    if (!model.has_gvec) g[c * rules + 1] = !solution ? minus_infinity : row.failed ? 1 : 0;
  }
  record.seal(model.name, row.fraction, row.trial);
  return std::move(record).take_bytes();
}

/// Nothing is known of when and where a cell ran.
RunInfo unknown_run() {
  RunInfo run;
  run.width = 0;
  run.start = run.seconds_selection = run.seconds_safety = run.seconds_evaluation = run.seconds_total = nan;
  return run;
}

void write_cells(store::Writer& writer, const std::vector<ToolkitModel>& models) {
  const auto& fractions = writer.header().data_fracs;
  const auto run = unknown_run();
  for (std::uint32_t m = 0; m < models.size(); ++m)
    for (const auto& row : models[m].rows) {
      const auto fraction =
          static_cast<std::uint32_t>(std::ranges::lower_bound(fractions, row.fraction) - fractions.begin());
      writer.write({{0, m, fraction, row.trial},
                    CellState::done,
                    record_of(writer.layout(m), models[m], row, writer.header().rows[fraction]),
                    run});
    }
}

Imported summary_of(const store::Header& header, const std::vector<ToolkitModel>& models) {
  Imported imported{models.size(), header.data_fracs.size(), header.n_trials, 0, 0, {}};
  imported.cells = std::uint64_t{header.n_trials} * header.data_fracs.size() * models.size();
  for (const auto& model : models) {
    imported.recorded += model.rows.size();
    if (!model.has_gvec) imported.g_unknown.push_back(model.name);
  }
  return imported;
}

void require_folder(const std::string& out) {
  const auto folder = std::filesystem::absolute(out).parent_path();
  if (!std::filesystem::is_directory(folder))
    throw InputError("there is no folder '" + folder.string() + "' for the store '" + out +
                     "'; make it first, or choose another place with --out");
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    throw InputError("the folder '" + folder.string() + "' cannot be written to; choose another place for '" +
                     out + "' with --out, or mend its rights");
}

void require_free(const std::string& out) {
  if (store::name_taken(out))
    throw InputError("'" + out + "' exists already; choose another name with --out");
}

}  // namespace

Imported import_toolkit(const std::filesystem::path& folder, const ImportOptions& options,
                        const std::string& out) {
  require_options(options);
  if (out.empty()) throw InputError("--out is empty; name the store to make");
  require_folder(out);
  require_free(out);
  auto [experiment, models] = read_toolkit_results(folder, options.experiment, options.constraints.size());
  put_seldonian_first(models, options);
  const auto header = header_of(experiment, models, options);

  const TemporaryFile whole(out + ".importing-" + std::to_string(::getpid()));
  {
    auto writer = store::Writer::create(whole.path().string(), header);
    write_cells(writer, models);
    writer.sync();
  }
  require_free(out);
  move_file(whole.path(), out);
  return summary_of(header, models);
}

}  // namespace seldon::analysis

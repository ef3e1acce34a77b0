// One Seldonian algorithm on one core, timed: initial solution, candidate selection, safety test. The Python
// toolkit does the same work in toolkit_side.py; compare_toolkit.py runs both.
//
//   bench_engine loan DATA.csv      the 1000-row loan table without header (F in column 29, M in 30, label
//   last) bench_engine gpa DATA.csv.gz    the GPA table without header (M in column 0, F in 1, label last)

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "core/error.h"
#include "engine/algorithm.h"
#include "table/read_csv.h"

namespace {

using namespace seldon;

struct Work {
  const char* bench;
  std::size_t columns, male, female;
  const char* constraint;
  std::uint64_t iterations;
  int repeats;
};

std::string column_name(std::size_t index) {
  return std::string("c").append(std::to_string(index));
}

table::Frame read(const char* path, const Work& work) {
  table::ReadOptions options;
  options.path = path;
  options.format.header = false;
  for (std::size_t j = 0; j < work.columns; ++j) options.format.names.push_back(column_name(j));
  options.label = options.format.names.back();
  for (std::size_t j = 0; j + 1 < work.columns; ++j)
    if (j != work.male && j != work.female) options.numeric.push_back(options.format.names[j]);
  for (const auto& [name, column] : {std::pair("M", work.male), std::pair("F", work.female)})
    options.groups.push_back({"gender", name, column_name(column).append(" == 1"), {}, false});
  return table::read_csv(options);
}

int run(const char* path, const Work& work) {
  const table::Frame frame = read(path, work);
  engine::Dataset data;
  data.rows = frame.rows();
  data.width = frame.width();
  data.features = frame.features();
  data.labels = frame.labels();
  for (const auto& group : frame.groups()) data.groups.push_back({group.name, group.member});

  engine::ConstraintOptions options;
  options.groups = {"M", "F"};
  engine::ModelSpec model;
  model.name = "qsa";
  model.architecture = engine::ArchitectureRegistry::instance().find("logistic");
  model.problem.data = &data;
  model.problem.objective = engine::ObjectiveRegistry::instance().find("log_loss");
  model.problem.constraints.push_back(
      {"disparate_impact", engine::Constraint::parse(work.constraint, options)});
  model.selection.multipliers = {0.5};

  engine::Rows rows(data.rows);
  std::iota(rows.begin(), rows.end(), 0U);
  Unhindered progress;
  std::vector<double> seconds;
  double upper = 0;
  for (int repeat = 0; repeat < work.repeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    const auto fitted = engine::run_trial(model, {0, rows}, 1.0, work.iterations, progress);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    upper = fitted.result.upper[0];
  }
  std::ranges::nth_element(seconds, seconds.begin() + work.repeats / 2);
  const double median = seconds[static_cast<std::size_t>(work.repeats / 2)];
  std::printf(
      "{\"bench\":\"%s\",\"seconds\":%.9f,\"iterations\":%llu,\"repeats\":%d,\"us_per_iteration\":%.3f,"
      "\"upper_bound\":%.6f}\n",
      work.bench, median, static_cast<unsigned long long>(work.iterations), work.repeats,
      1e6 * median / static_cast<double>(work.iterations), upper);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const Work loan{"loan_trial", 60, 30, 29, "min((PR | [M])/(PR | [F]),(PR | [F])/(PR | [M])) >= 0.9",
                  1500,         21};
  const Work gpa{"gpa", 12, 0, 1, "min((PR | [M])/(PR | [F]),(PR | [F])/(PR | [M])) >= 0.8", 1000, 5};
  try {
    if (argc == 3 && std::strcmp(argv[1], "loan") == 0) return run(argv[2], loan);
    if (argc == 3 && std::strcmp(argv[1], "gpa") == 0) return run(argv[2], gpa);
  } catch (const Error& error) {
    std::fprintf(stderr, "bench_engine: %s\n", error.what());
    return static_cast<int>(error.code());
  }
  std::fprintf(stderr, "usage: bench_engine loan|gpa DATA\n");
  return 2;
}

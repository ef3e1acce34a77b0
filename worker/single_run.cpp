// `seldon run --once` and `seldon predict`: one data set, one model, no cluster.

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <ostream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "engine/network/torch_setup.h"
#include "engine/objective/link.h"
#include "experiment/config.h"
#include "table/read_csv.h"
#include "worker/engine_runner.h"
#include "worker/translate.h"

namespace seldon::worker {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int solution_format = 1;

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  if (!out.flush())
    throw IncompleteError("cannot write " + path.string() + "; is the disk full or the folder read-only?");
}

void make_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    throw InputError("--out " + folder + ": " + error.message() + "; name a folder that can be written");
}

void remove_old(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  if (error) throw InputError("cannot replace " + path.string() + ": " + error.message());
}

void write_trace(const fs::path& path, const engine::ModelSpec& model, const std::vector<double>& trace) {
  std::ostringstream out;
  out.precision(17);
  out << "iteration,loss";
  for (const auto& constraint : model.problem.constraints)
    out << ",multiplier_" << constraint.name << ",upper_" << constraint.name;
  const std::size_t width = 1 + 2 * model.problem.constraints.size();
  for (std::size_t i = 0; i < trace.size() / width; ++i) {
    out << '\n' << i;
    for (std::size_t k = 0; k < width; ++k) out << ',' << trace[i * width + k];
  }
  out << '\n';
  write_file(path, out.str());
}

void write_solution(const fs::path& path, const Workspace& workspace, const engine::ModelSpec& model,
                    const std::vector<double>& parameters) {
  const experiment::Description& description = workspace.description();
  json solution;
  solution["format"] = solution_format;
  solution["experiment"] = description.name;
  solution["model"] = model.name;
  solution["architecture"] = model.architecture->name;
  solution["batchnorm"] = model.batchnorm;
  solution["seed"] = description.seed;
  solution["data_hash"] = workspace.frame().content_hash();
  solution["preprocessing"] = workspace.frame().preprocessing().encode();
  solution["parameters"] = parameters;
  solution["config"] = experiment::canonical_toml(description);
  write_file(path, solution.dump(1) + "\n");
}

void print_bounds(std::ostream& out, const engine::ModelSpec& model, const engine::TrialResult& result) {
  std::size_t node = 0;
  for (std::size_t c = 0; c < model.problem.constraints.size(); ++c) {
    const engine::ConstraintSpec& constraint = model.problem.constraints[c];
    out << "  " << constraint.name << ": upper bound " << result.upper[c] << " of "
        << constraint.tree.canonical() << (result.upper[c] <= 0 ? " (holds)" : " (not shown to hold)")
        << " with confidence " << 1.0 - constraint.tree.delta() << '\n';
    for (const engine::BaseNode& base : constraint.tree.base_nodes()) {
      const engine::NodeEstimate& estimate = result.nodes[node++];
      out << "    " << base.name << ": mean " << estimate.mean << ", sd " << estimate.sd << ", n "
          << estimate.n << ", in [" << estimate.lower << ", " << estimate.upper << "]\n";
    }
  }
}

void print_truths(std::ostream& out, const Workspace& workspace, const engine::ModelSpec& model,
                  const engine::TrialResult& result) {
  for (std::size_t t = 0; t < result.truths.size(); ++t) {
    out << "  on " << model.truths[t].name << " rows:";
    for (std::size_t p = 0; p < model.evaluation.performance.size(); ++p)
      out << ' ' << model.evaluation.performance[p]->name << ' ' << result.truths[t].performance[p];
    for (std::size_t c = 0; c < model.problem.constraints.size(); ++c)
      for (std::size_t r = 0; r < result.truths[t].g[c].size(); ++r)
        out << ", g " << model.problem.constraints[c].name << " (" << workspace.layout(0).shape().rules[r]
            << ") " << result.truths[t].g[c][r];
    out << '\n';
  }
}

json read_solution(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw InputError("cannot read the solution " + path);
  json solution = json::parse(in, nullptr, false);
  const bool known = solution.is_object() && solution.contains("format") &&
                     solution["format"].is_number_integer() && solution["format"] == solution_format;
  if (!known)
    throw InputError(path + " is no solution of this program's format " + std::to_string(solution_format) +
                     "; `seldon run CONFIG --once --out DIR` writes one");
  return solution;
}

/// Where a solution scores.
std::string device_for(const engine::Architecture& architecture, const std::string& config,
                       const std::string& solution_path, const std::function<Machine()>& machine) {
  if (!architecture.network) return "cpu";
  if (experiment::parse_config(config, solution_path + ": config").device == "cpu") return "cpu";
  const Machine here = machine();
  if (here.gpus == 0) return "cpu";
  const std::string device = gpu_of(here, 0).device;
  engine::network::configure_torch(1);
  engine::network::configure_device(device, engine::Precision::float32);
  return device;
}

}  // namespace

void run_once(const std::string& config_path, std::span<const std::string> overrides,
              const std::string& out_folder, std::ostream& out, const std::function<Machine()>& machine) {
  std::vector<std::string> with_trace(overrides.begin(), overrides.end());
  const experiment::Description first = experiment::load_config(config_path, overrides);
  for (const experiment::ModelSection& model : first.models)
    if (model.kind == "seldonian") with_trace.push_back("model." + model.name + ".keep_trace=true");
  experiment::Description description = experiment::load_config(config_path, with_trace);
  settle_device(description, machine);
  engine::network::tune_allocator();
  engine::network::configure_torch(static_cast<int>(description.threads_per_worker));
  Workspace workspace(description, load_table(description), {});
  if (workspace.uses_gpu()) {
    const Gpu gpu = gpu_of(machine(), 0);
    workspace.place(gpu.device, true);
    engine::network::configure_device(gpu.device, engine::Precision::float32);
    out << "networks run on " << gpu.device << ' ' << gpu.name << '\n';
  }
  if (!out_folder.empty()) make_folder(out_folder);

  if (!description.resample.indices.value.empty())
    out << "note: --once trains on all rows; resample.indices is not used\n";

  Unhindered unhindered;
  for (std::size_t i = 0; i < description.models.size(); ++i) {
    const engine::ModelSpec& model = workspace.model(i);
    // What an earlier call wrote must not outlive a No Solution Found of this one.
    const fs::path trace = fs::path(out_folder) / (model.name + ".trace.csv");
    const fs::path solution = fs::path(out_folder) / (model.name + ".solution.json");
    if (!out_folder.empty()) {
      remove_old(trace);
      remove_old(solution);
    }
    const auto rows = workspace.shuffled_rows();
    const auto iterations =
        experiment::schedule(description.models[i], rows.size(), description.frac_in_safety).iterations;
    const engine::FittedTrial fitted = engine::run_trial(model, {0, rows}, 1.0, iterations, unhindered);
    const engine::TrialResult& result = fitted.result;
    const bool solved = result.outcome == Outcome::solution;
    out << model.name << ": "
        << (!solved           ? "No Solution Found (" + std::string(name_of(result.reason)) + ")"
            : model.seldonian ? std::string("passed the safety test")
                              : std::string("fitted (a baseline: no safety test)"))
        << '\n';
    if (model.seldonian) print_bounds(out, model, result);
    print_truths(out, workspace, model, result);
    if (out_folder.empty()) continue;
    if (!result.trace.empty()) write_trace(trace, model, result.trace);
    if (solved && fitted.learner && fitted.learner->batch_dependent()) {
      out << "  no solution file: with batchnorm = \"toolkit\" a row's score depends on the rows beside it\n";
    } else if (solved && fitted.learner) {
      write_solution(solution, workspace, model, fitted.learner->solution(0));
    }
  }
}

void predict(const std::string& solution_path, const std::string& data_path, std::ostream& out,
             const std::function<Machine()>& machine) {
  register_all();
  const json solution = read_solution(solution_path);
  std::string architecture_name, batchnorm, config;
  std::vector<double> parameters;
  table::Preprocessing preprocessing;
  try {
    architecture_name = solution.at("architecture").get<std::string>();
    batchnorm = solution.at("batchnorm").get<std::string>();
    config = solution.at("config").get<std::string>();
    parameters = solution.at("parameters").get<std::vector<double>>();
    preprocessing =
        table::Preprocessing::decode(solution.at("preprocessing").get<std::string>(), solution_path);
  } catch (const json::exception& error) {
    throw InputError(solution_path + " lacks a part of a solution: " + error.what());
  }
  const engine::Architecture* architecture = engine::ArchitectureRegistry::instance().find(architecture_name);
  if (!architecture)
    throw InputError(solution_path + ": this program knows no architecture '" + architecture_name + "'");

  const table::Frame frame = table::read_new_rows(data_path, preprocessing);
  engine::Dataset data;
  data.regime = preprocessing.regime;
  data.rows = frame.rows();
  data.width = frame.width();
  data.features = frame.features();
  data.pixels = frame.pixels();
  data.labels = frame.labels();
  if (frame.image()) data.image = {frame.image()->channels, frame.image()->height, frame.image()->width};

  engine::LearnerRequest request;
  request.data = &data;
  request.candidate_rows = {{}};
  request.trials = {0};
  request.initial = architecture->default_initial;
  request.batchnorm = batchnorm;
  request.execution.device = device_for(*architecture, config, solution_path, machine);
  const auto learner = architecture->make(request);
  learner->load_solution(0, parameters);
  engine::Rows rows(frame.rows());
  std::iota(rows.begin(), rows.end(), 0U);
  std::vector<double> scores(rows.size());
  engine::LearnerPredictor predictor(*learner, 0, data.regime);
  predictor.scores(rows, scores);

  const bool classes = data.regime == Regime::classification;
  out.precision(17);
  out << (classes ? "probability,class\n" : "prediction\n");
  for (double score : scores) {
    out << score;
    if (classes) out << ',' << (score >= 0.5 ? 1 : 0);
    out << '\n';
  }
}

}  // namespace seldon::worker

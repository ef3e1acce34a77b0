// The categories about candidate selection: kkt_trace, kkt_solution, end_to_end.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "analysis/results.h"
#include "engine/algorithm.h"
#include "engine/dataset/sampling.h"
#include "engine/safety_test.h"
#include "programs/conformance/linear.h"

namespace seldon::conformance {
namespace {

/// The toolkit's settings where a case is silent (toolkit: 1e-6 outside the root).
engine::SelectionOptions selection_options(engine::Variant variant, double alpha_theta,
                                           double alpha_multipliers) {
  engine::SelectionOptions options;
  const bool toolkit = variant == engine::Variant::toolkit;
  options.adam.toolkit = options.batches.toolkit = toolkit;
  options.adam.epsilon = toolkit ? 1e-6 : 1e-8;
  options.adam.step = alpha_theta;
  options.step_multipliers = alpha_multipliers;
  return options;
}

double number_or(const Json& inputs, const char* key, double otherwise) {
  return inputs.contains(key) ? number(inputs[key]) : otherwise;
}

std::vector<double> repeated(const Json& inputs, const char* key, double otherwise, std::size_t count) {
  if (inputs.contains(key) && inputs[key].is_array()) return numbers(inputs[key]);
  return std::vector<double>(count, number_or(inputs, key, otherwise));
}

std::unique_ptr<engine::Learner> linear_learner(const engine::Dataset& data, const engine::Rows& rows,
                                                std::span<const double> theta) {
  engine::LearnerRequest request;
  request.data = &data;
  request.candidate_rows = {rows};
  request.trials = {0};
  request.initial = "zeros";
  const char* name = data.regime == Regime::regression ? "linear" : "logistic";
  auto learner = engine::ArchitectureRegistry::instance().find(name)->make(request);
  learner->load_solution(0, theta);
  return learner;
}

// ---- kkt_trace: one parameter t, f and g given as polynomials in it
// ----------------------------------------------

void register_identity() {
  engine::MeasureRegistry& registry = engine::MeasureRegistry::instance();
  if (registry.find("t", Regime::regression)) return;
  registry.add({"t", Regime::regression, engine::IndexKind::none, false, nullptr,
                [](std::span<const double> scores, std::size_t, std::span<const double>, engine::MeasureIndex,
                   std::span<double> z, std::span<double> dz) {
                  std::copy(scores.begin(), scores.end(), z.begin());
                  std::fill(dz.begin(), dz.end(), 1.0);
                }});
}

/// A polynomial in t and its derivative, read by the constraint language.
class Polynomial {
 public:
  explicit Polynomial(std::string text) : tree_(parse(std::move(text))) {}
  double operator()(double t) const { return tree_.value({&t, 1}); }
  double derivative(double t) const {
    double d = 0;
    tree_.value({&t, 1}, {&d, 1});
    return d;
  }

 private:
  static engine::Constraint parse(std::string text) {
    register_identity();
    for (std::size_t at = 0; (at = text.find('^', at)) != std::string::npos;) text.replace(at, 1, "**");
    engine::ConstraintOptions options;
    options.regime = Regime::regression;
    return engine::Constraint::parse(text, options);
  }
  engine::Constraint tree_;
};

/// A measure whose value in each row is g(t), t being the model's only parameter: its bound has no width.
std::string register_polynomial(const std::string& text) {
  engine::MeasureRegistry& registry = engine::MeasureRegistry::instance();
  const std::string name = "Polynomial" + std::to_string(registry.names(Regime::regression).size());
  const auto polynomial = std::make_shared<Polynomial>(text);
  registry.add({name, Regime::regression, engine::IndexKind::none, false, nullptr,
                [polynomial](std::span<const double> scores, std::size_t, std::span<const double>,
                             engine::MeasureIndex, std::span<double> z, std::span<double> dz) {
                  for (std::size_t i = 0; i < z.size(); ++i) z[i] = (*polynomial)(scores[i]);
                  for (std::size_t i = 0; i < dz.size(); ++i) dz[i] = polynomial->derivative(scores[i]);
                }});
  return name;
}

/// f of the first prediction; what it was asked for is t at each iteration.
engine::Objective polynomial_objective(const std::string& text, std::vector<double>& asked) {
  const auto f = std::make_shared<Polynomial>(text);
  return {"polynomial",
          {Regime::regression},
          [f, &asked](std::span<const double> predictors, std::span<const double>, std::size_t,
                      std::span<const double>, std::span<double> d_predictors) {
            const double t = predictors[0];
            asked.push_back(t);
            std::fill(d_predictors.begin(), d_predictors.end(),
                      f->derivative(t) / static_cast<double>(predictors.size()));
            return (*f)(t);
          }};
}

}  // namespace

void check_kkt_trace(const Json& c, const Setting& setting, Check& check) {
  const Json& inputs = c.at("inputs");
  constexpr std::size_t rows = 8;
  const std::vector<double> labels(rows, 0.0);
  engine::Dataset data;
  data.regime = Regime::regression;
  data.rows = rows;
  data.labels = labels;
  engine::Rows all(rows);
  std::iota(all.begin(), all.end(), 0U);

  std::vector<double> theta;
  const engine::Objective objective = polynomial_objective(inputs.at("f"), theta);
  engine::ConstraintOptions constraint;
  constraint.regime = Regime::regression;
  constraint.variant = setting.variant;
  engine::Problem problem;
  problem.data = &data;
  problem.objective = &objective;
  problem.constraints.push_back(
      {.name = "g", .tree = engine::Constraint::parse(register_polynomial(inputs.at("g")), constraint)});

  engine::SelectionOptions options =
      selection_options(setting.variant, number(inputs.at("alpha_theta")), number(inputs.at("alpha_lamb")));
  options.adam.beta_velocity = number(inputs.at("beta_velocity"));
  options.adam.beta_square = number(inputs.at("beta_rmsprop"));
  options.multipliers = {number(inputs.at("lambda0"))};
  options.iterations = inputs.at("iters");
  options.keep_trace = true;
  const double start = number(inputs.at("theta0"));
  const auto learner = linear_learner(data, all, {&start, 1});
  const engine::CandidateData candidate = {all, rows, 0};
  Unhindered progress;
  const engine::Selection got =
      engine::select_candidates(*learner, problem, {&candidate, 1}, options, progress).front();

  theta.resize(std::min<std::size_t>(theta.size(), options.iterations));
  std::vector<double> multipliers;
  for (std::size_t i = 1; i < got.trace.size(); i += 3) multipliers.push_back(got.trace[i]);
  for (const auto& [key, wanted] : c.at("expected").items()) {
    if (key == "theta")
      check.all_near(key, wanted, theta);
    else if (key == "lambda")
      check.all_near(key, wanted, multipliers);
    else if (key == "candidate_solution")
      check.near(key, wanted.is_array() ? wanted.at(0) : wanted, learner->solution(0).front());
    else if (key == "best_index")  // the toolkit leaves 0 where no iterate was feasible
      check.equal(key, wanted.get<std::int64_t>(), got.feasible ? got.best_iteration : 0);
    else
      check.differ(key, wanted.dump(), "nothing of that name");
  }
}

void check_kkt_solution(const Json& c, const Setting& setting, Check& check) {
  const Json& inputs = c.at("inputs");
  const auto reference = inputs.at("data").get<std::string>();
  const Table& table = setting.data.table(reference);
  DataReference rows = setting.data.resolve(reference);
  if (rows.candidate.empty()) {
    const engine::Split parts = engine::split(rows.rows, 0.6);
    rows.candidate = parts.candidate;
    rows.safety = parts.safety;
  }
  const engine::Dataset data = table.dataset();
  std::vector<std::string> expressions;
  if (inputs.contains("constraints"))
    expressions = inputs["constraints"].get<std::vector<std::string>>();
  else
    expressions = {c.at("constraint").get<std::string>()};
  const std::vector<double> deltas =
      repeated(inputs, inputs.contains("deltas") ? "deltas" : "delta", 0.05, expressions.size());

  engine::Problem problem;
  problem.data = &data;
  problem.objective = engine::ObjectiveRegistry::instance().find(
      table.regime == Regime::regression ? "mean_squared_error" : "log_loss");
  for (std::size_t i = 0; i < expressions.size(); ++i) {
    engine::ConstraintOptions options = constraint_options(inputs, setting.variant);
    options.regime = table.regime;
    options.groups = table.group_names();
    options.delta = deltas.at(i);
    problem.constraints.push_back(
        {.name = expressions[i], .tree = engine::Constraint::parse(expressions[i], options)});
  }
  const double alpha = number_or(inputs, "alpha", 0.005);
  engine::SelectionOptions options = selection_options(
      setting.variant, number_or(inputs, "alpha_theta", alpha), number_or(inputs, "alpha_lamb", alpha));
  options.adam.beta_velocity = number_or(inputs, "beta_v", 0.9);
  options.adam.beta_square = number_or(inputs, "beta_r", 0.95);
  options.multipliers = repeated(inputs, "lambda_init", 0.5, expressions.size());
  options.iterations =
      static_cast<std::uint64_t>(number_or(inputs, "num_iters", number_or(inputs, "iters", 200)));

  std::vector<double> start(table.width + 1, 0.0);
  if (inputs.contains("theta0") && inputs["theta0"].is_array()) start = numbers(inputs["theta0"]);
  const auto learner = linear_learner(data, rows.candidate, start);
  const engine::CandidateData candidate = {rows.candidate, static_cast<double>(rows.safety.size()), 0};
  Unhindered progress;
  engine::select_candidates(*learner, problem, {&candidate, 1}, options, progress);
  engine::LearnerPredictor predictor(*learner, 0, table.regime);
  const bool passed = engine::safety_test(problem, predictor, rows.safety).passed;

  for (const auto& [key, wanted] : c.at("expected").items()) {
    if (key == "solution") {  // printed to eight or nine digits
      const std::vector<double> got = learner->solution(0);
      check.equal("solution.size", wanted.size(), got.size());
      const double rtol = c.at("rtol").is_null() ? 1e-6 : number(c["rtol"]);
      for (std::size_t i = 0; i < std::min(got.size(), wanted.size()); ++i)
        check.within("solution[" + std::to_string(i) + "]", number(wanted[i]), got[i],
                     rtol * std::abs(number(wanted[i])) + 1e-8);
    } else if (key == "passed") {
      check.equal(key, wanted.get<bool>(), passed);
    } else {
      check.differ(key, wanted.dump(), "nothing of that name");
    }
  }
}

namespace {

/// The trials of a published run: trial t sees the first n of the rows in line t.
std::vector<engine::TrialTask> paired_tasks(const std::filesystem::path& indices, std::size_t n,
                                            std::size_t trials) {
  std::vector<engine::TrialTask> tasks;
  for (const std::vector<double>& line : read_numbers(indices)) {
    if (tasks.size() == trials) break;
    engine::TrialTask task;
    task.trial = static_cast<std::uint32_t>(tasks.size());
    for (std::size_t i = 0; i < n; ++i) task.rows.push_back(static_cast<std::uint32_t>(line.at(i)));
    tasks.push_back(std::move(task));
  }
  return tasks;
}

}  // namespace

void check_end_to_end(const Json& c, const Setting& setting, Check& check) {
  const Json& inputs = c.at("inputs");
  const Json& expected = c.at("expected");
  const Table& table = setting.data.table(inputs.at("data"));
  const OneConstraint one(c, table, setting.variant);
  engine::ModelSpec model;
  model.name = "qsa";
  model.architecture = engine::ArchitectureRegistry::instance().find("logistic");
  model.problem.data = &one.data;
  model.problem.objective = engine::ObjectiveRegistry::instance().find("log_loss");
  model.problem.frac_in_safety = number(inputs.at("rho"));
  engine::ConstraintOptions options = constraint_options(inputs, setting.variant);
  options.groups = table.group_names();
  model.problem.constraints.push_back(
      {.name = "g", .tree = engine::Constraint::parse(c.at("constraint").get<std::string>(), options)});
  model.selection =
      selection_options(setting.variant, number(inputs.at("alpha")), number(inputs.at("alpha")));
  model.selection.multipliers = {0.5};
  model.initial = "fit";
  engine::Truth truth{"original", engine::Rows(table.rows)};
  std::iota(truth.rows.begin(), truth.rows.end(), 0U);
  model.truths = {truth};
  model.evaluation.performance = {engine::PerformanceRegistry::instance().find("log_loss")};
  model.evaluation.histograms = false;

  const std::size_t trials = expected.at("n_trials");
  const std::string indices =
      std::filesystem::path(inputs.at("resample_indices").get<std::string>()).filename();
  const auto tasks = paired_tasks(setting.data.find(indices), inputs.at("n"), trials);
  check.equal("n_trials", trials, tasks.size());
  double passed = 0, failed = 0, loss = 0;
  Unhindered progress;
  engine::run_trials(model, tasks, number(inputs.at("data_frac")), inputs.at("num_iters"), progress,
                     [&](const engine::TrialResult& result) {
                       if (result.error)
                         check.differ("trial " + std::to_string(result.trial), "a result", *result.error);
                       if (result.error || result.outcome != Outcome::solution) return;
                       ++passed;
                       loss += result.truths.front().performance.front();
                       failed += analysis::has_failed(result.truths.front().g.front().front()) ? 1 : 0;
                     });
  const auto all = static_cast<double>(trials);
  check.within("solution_rate", number(expected.at("solution_rate")), passed / all, 0.04 + 1e-12);
  check.within("mean_logloss_passed", number(expected.at("mean_logloss_passed")), loss / passed, 1e-3);
  check.within("failure_rate", number(expected.at("failure_rate")), failed / all, 0);
}

}  // namespace seldon::conformance

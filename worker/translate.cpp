#include "worker/translate.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <numeric>
#include <sstream>

#include "core/random.h"
#include "engine/dataset/sampling.h"
#include "engine/network/architectures.h"
#include "table/read_csv.h"
#include "table/synthetic_faces.h"
#include "worker/external_baseline.h"

namespace seldon::worker {
namespace {

using experiment::Description;

/// Of a network on GPUs, for a plan that is made before anything is measured.
constexpr std::uint32_t guessed_pack_size_on_gpus = 32;

std::string join(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all.empty() ? "none" : all;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

std::vector<table::GroupOptions> group_options(const Description& description) {
  std::vector<table::GroupOptions> groups;
  for (const experiment::GroupSection& group : description.groups)
    groups.push_back({group.attribute, group.name, group.where.value, group.where.where, group.overlapping});
  return groups;
}

table::ReadOptions read_options(const Description& description) {
  const experiment::DataSection& data = description.data;
  table::ReadOptions options;
  options.path = description.resolve(data.path.value);
  options.location = data.path.where;
  for (const char* key :
       {"label", "positive", "numeric", "categorical", "standardize", "image", "rows", "names"})
    options.places[key] = description.place(std::string("data.") + key);
  options.format = {data.header, data.delimiter, data.names};
  options.label = data.label.value;
  options.positive = data.positive;
  options.numeric = data.numeric;
  options.categorical = data.categorical;
  options.standardize = data.standardize;
  if (data.image)
    options.image =
        table::ImageColumn{data.image->column, data.image->channels, data.image->height, data.image->width};
  options.rows = data.rows;
  options.shuffle = data.shuffle;
  options.seed = description.seed;
  options.regime = description.regime;
  options.groups = group_options(description);
  return options;
}

engine::Dataset view_of(const table::Frame& frame, Regime regime) {
  engine::Dataset data;
  data.regime = regime;
  data.rows = frame.rows();
  data.width = frame.width();
  data.features = frame.features();
  data.pixels = frame.pixels();
  data.labels = frame.labels();
  if (frame.image()) data.image = {frame.image()->channels, frame.image()->height, frame.image()->width};
  for (const table::Frame::Group& group : frame.groups()) data.groups.push_back({group.name, group.member});
  return data;
}

/// "gender x ethnicity" -> {"gender", "ethnicity"}.
std::vector<std::string> attributes_of(const std::string& crossing) {
  std::vector<std::string> attributes;
  std::istringstream words(crossing);
  for (std::string word; words >> word;)
    if (word != "x") attributes.push_back(word);
  return attributes;
}

struct NamedMembers {
  std::string name;
  std::vector<std::uint8_t> members;
};

/// Every combination of the groups of some attributes: "gender=F x age=under_30".
std::vector<NamedMembers> cross(const table::Frame& frame, const std::vector<std::string>& attributes) {
  std::vector<NamedMembers> cells = {{"", std::vector<std::uint8_t>(frame.rows(), 1)}};
  for (const std::string& attribute : attributes) {
    std::vector<NamedMembers> finer;
    for (const NamedMembers& cell : cells)
      for (const table::Frame::Group& group : frame.groups()) {
        if (group.attribute != attribute) continue;
        NamedMembers next{cell.name + (cell.name.empty() ? "" : " x ") + attribute + "=" + group.name,
                          cell.members};
        for (std::size_t row = 0; row < next.members.size(); ++row) next.members[row] &= group.member[row];
        finer.push_back(std::move(next));
      }
    cells = std::move(finer);
  }
  return cells;
}

}  // namespace

std::string_view name_of(engine::Convolutions form) {
  return form == engine::Convolutions::grouped ? "grouped" : "unfolded";
}

table::Frame load_table(const Description& description) {
  const experiment::DataSection& data = description.data;
  if (data.kind != "synthetic_faces") return table::read_csv(read_options(description));
  table::SyntheticOptions options;
  if (data.rows) options.rows = *data.rows;
  options.seed = description.seed;
  options.difficulty = {data.synthetic_difficulty_0, data.synthetic_difficulty_1};
  options.location = description.place("data.kind");
  options.groups = group_options(description);
  return table::synthetic_faces(options);
}

std::vector<std::vector<std::uint32_t>> load_indices(const Description& description,
                                                     std::uint64_t table_rows) {
  std::vector<std::vector<std::uint32_t>> trials;
  if (description.resample.indices.value.empty()) return trials;
  const std::string path = description.resolve(description.resample.indices.value);
  std::ifstream file(path);
  if (!file) throw InputError(description.resample.indices.where, "resample.indices: cannot read " + path);
  const double largest = *std::ranges::max_element(description.data_fracs);
  const std::uint64_t needed = experiment::rows_at(largest, table_rows);
  std::string line;
  while (trials.size() < description.n_trials && std::getline(file, line)) {
    const Location here{path, static_cast<int>(trials.size()) + 1};
    std::vector<std::uint32_t>& rows = trials.emplace_back();
    const char* at = line.data();
    const char* const end = line.data() + line.size();
    while (at != end && *at != '\r') {
      std::uint32_t row = 0;
      const auto [next, error] = std::from_chars(at, end, row);
      if (error != std::errc{} || row >= table_rows)
        throw InputError(here, "entry " + std::to_string(rows.size() + 1) + " is no row of the table (0 to " +
                                   std::to_string(table_rows - 1) + ")");
      rows.push_back(row);
      at = next;
      if (at != end && *at == ',') ++at;
    }
    if (rows.size() < needed)
      throw InputError(here, "trial " + std::to_string(trials.size() - 1) + " has " +
                                 std::to_string(rows.size()) +
                                 " rows where the largest data fraction needs " + std::to_string(needed));
  }
  if (trials.size() < description.n_trials)
    throw InputError({path, 0}, "has " + std::to_string(trials.size()) +
                                    " trials where experiment.n_trials is " +
                                    std::to_string(description.n_trials));
  return trials;
}

void register_all() {
  static const bool once = [] {
    engine::network::register_networks(engine::ArchitectureRegistry::instance());
    register_external(engine::BaselineRegistry::instance());
    return true;
  }();
  static_cast<void>(once);
}

Workspace::Workspace(Description description, table::Frame frame,
                     std::vector<std::vector<std::uint32_t>> indices)
    : description_(std::move(description)),
      frame_(std::move(frame)),
      indices_(std::move(indices)),
      dataset_(view_of(frame_, description_.regime)) {
  register_all();
  name_subgroups();
  choose_truths();
  for (const experiment::ModelSection& section : description_.models) models_.push_back(translate(section));
  make_plan();
  for (std::size_t i = 0; i < models_.size(); ++i)
    layouts_.emplace_back(shape_of(models_[i], description_.models[i], i));
}

void Workspace::make_plan() {
  std::vector<experiment::ModelWork> work;
  for (std::size_t i = 0; i < models_.size(); ++i) {
    experiment::ModelWork w;
    const engine::Architecture* a = models_[i].architecture;
    w.pack_size = !network(i) ? 25 : description_.device == "cuda" ? guessed_pack_size_on_gpus : 1;
    w.cost_per_row = a ? a->cost_per_row(dataset_) : 1;
    w.solver_iterations = a ? 20 : 1;  // Newton steps of a fit, each worth a few passes
    work.push_back(w);
  }
  plan_ = experiment::make_plan(description_, pool_.size(), work);
}

bool Workspace::uses_gpu() const {
  if (description_.device != "cuda") return false;
  for (std::size_t i = 0; i < models_.size(); ++i)
    if (network(i)) return true;
  return false;
}

void Workspace::place(const std::string& device, bool tensor_program) {
  for (std::size_t i = 0; i < models_.size(); ++i) {
    if (!network(i)) continue;
    models_[i].execution.device = device;
    models_[i].execution.tensor_program = tensor_program;
  }
}

void Workspace::share(Collective* collective) {
  for (std::size_t i = 0; i < models_.size(); ++i)
    if (network(i)) models_[i].execution.collective = collective;
}

void Workspace::settle(std::size_t index, std::uint32_t pack_size, engine::Convolutions convolutions) {
  experiment::ModelSection& section = description_.models[index];
  section.pack_size = pack_size;
  section.convolutions = name_of(convolutions);
  models_[index].execution.convolutions = convolutions;
  make_plan();
}

void Workspace::name_subgroups() {
  std::vector<NamedMembers> all = {{"all", std::vector<std::uint8_t>(frame_.rows(), 1)}};
  for (const std::string& crossing : description_.evaluation.subgroups) {
    const auto attributes = attributes_of(crossing);
    for (const std::string& attribute : attributes)
      if (!contains(frame_.attributes(), attribute))
        throw InputError(description_.place("evaluation.subgroups"),
                         "evaluation.subgroups: no [[group]] has the attribute '" + attribute +
                             "' (known: " + join(frame_.attributes()) + ")");
    for (NamedMembers& cell : cross(frame_, attributes)) all.push_back(std::move(cell));
  }
  for (NamedMembers& cell : all) {
    subgroup_members_.push_back(std::move(cell.members));
    dataset_.subgroups.push_back({cell.name, subgroup_members_.back()});
  }
}

void Workspace::choose_truths() {
  pool_.resize(frame_.rows());
  std::iota(pool_.begin(), pool_.end(), 0U);
  if (description_.resample.ground_truth == "held_out") {
    if (!indices_.empty())
      throw InputError(
          description_.resample.indices.where,
          "resample.indices names rows of the whole table, so resample.ground_truth must be \"original\"");
    engine::HeldOut sides = engine::hold_out(dataset_, description_.seed);
    if (sides.training.empty() || sides.held_out.empty())
      throw InputError(
          description_.place("resample.ground_truth"),
          "resample.ground_truth: the table is too small, or too much alike, to hold rows out of it");
    pool_ = std::move(sides.training);
    truths_ = {{"original", pool_}, {"held_out", std::move(sides.held_out)}};
    return;
  }
  truths_ = {{"original", pool_}};
}

engine::ModelSpec Workspace::translate(const experiment::ModelSection& section) const {
  const auto place = [&](const char* key) { return description_.place("model." + section.name + "." + key); };
  const std::string prefix = "model '" + section.name + "': ";
  const Regime regime = description_.regime;
  engine::ModelSpec model;
  model.name = section.name;
  model.seldonian = section.kind == "seldonian";

  const std::string& wanted = section.architecture.value;
  model.architecture = engine::ArchitectureRegistry::instance().find(wanted);
  if (!model.architecture && !model.seldonian)
    model.baseline = engine::BaselineRegistry::instance().find(wanted);
  if (!model.architecture && !model.baseline) {
    auto known = engine::ArchitectureRegistry::instance().names();
    if (!model.seldonian)
      for (const std::string& name : engine::BaselineRegistry::instance().names()) known.push_back(name);
    throw InputError(section.architecture.where, prefix + "there is no " + section.kind + " architecture '" +
                                                     wanted + "' (known: " + join(known) + ")");
  }
  const auto& regimes = model.architecture ? model.architecture->regimes : model.baseline->regimes;
  if (std::ranges::find(regimes, regime) == regimes.end())
    throw InputError(section.architecture.where,
                     prefix + "the architecture '" + wanted + "' is not for " + std::string(name_of(regime)));
  const bool network = model.architecture && model.architecture->network;
  if (model.architecture) check_architecture(section, *model.architecture);
  if (section.precision != "float32" && !network)
    throw InputError(place("precision"), prefix + "precision is for networks only; remove it");
  if (section.convolutions == "unfolded" && !network)
    throw InputError(place("convolutions"), prefix + "convolutions is for networks only; remove it");
  if (section.batchnorm == "toolkit" && !network)
    throw InputError(place("batchnorm"), prefix + "batchnorm = \"toolkit\" is for networks only");
  if (section.batchnorm == "toolkit" && section.pack_size > 1)
    throw InputError(place("pack_size"),
                     prefix +
                         "batchnorm = \"toolkit\" needs pack_size = 1: its groups' passes "
                         "differ in size from trial to trial");
  if (model.seldonian && description_.constraints.empty())
    throw InputError(place("kind"), prefix + "a Seldonian model needs at least one [[constraint]]");

  model.problem = problem_of(section);
  model.initial = section.initial_solution;
  model.batchnorm = section.batchnorm;
  model.seed = description_.seed;
  model.evaluation_batch = description_.evaluation.batch_size;
  model.keep_parameters = section.keep_parameters;
  if (section.convolutions == "unfolded") model.execution.convolutions = engine::Convolutions::unfolded;
  if (section.precision == "tf32") model.execution.precision = engine::Precision::tf32;
  if (section.precision == "bfloat16") model.execution.precision = engine::Precision::bfloat16;
  model.truths = truths_;
  model.options = section.architecture_options;
  model.command = section.command;
  model.folder = description_.folder;
  model.feature_names = frame_.feature_names();
  model.time_limit = section.time_limit;

  const experiment::OptimizerSection& optimizer = section.optimizer;
  engine::SelectionOptions& selection = model.selection;
  selection.adam.toolkit = optimizer.variant == "toolkit";
  selection.adam.step = optimizer.step_size;
  selection.adam.beta_velocity = optimizer.beta_velocity;
  selection.adam.beta_square = optimizer.beta_rmsprop;
  selection.adam.epsilon = selection.adam.toolkit ? 1e-6 : 1e-8;
  selection.step_multipliers = optimizer.step_size_multipliers;
  selection.multipliers = optimizer.multipliers;
  if (selection.multipliers.size() == 1)
    selection.multipliers.resize(description_.constraints.size(), optimizer.multipliers[0]);
  if (model.seldonian && selection.multipliers.size() != description_.constraints.size())
    throw InputError(place("optimizer.multipliers"),
                     prefix + "optimizer.multipliers has " + std::to_string(optimizer.multipliers.size()) +
                         " entries for " + std::to_string(description_.constraints.size()) +
                         " constraints; give one, or one for each");
  selection.batches.size = section.batch_size;
  selection.batches.toolkit = section.variant == "toolkit";
  selection.keep_trace = section.keep_trace && model.seldonian;

  if (model.baseline && !model.baseline->check && !section.architecture_options.empty())
    throw InputError(place("architecture_options"), prefix + "'" + wanted + "' has no option '" +
                                                        section.architecture_options.begin()->first + "'");
  if (model.baseline && model.baseline->check) {
    engine::BaselineRequest request;
    request.data = &dataset_;
    request.model_name = section.name;
    request.options = section.architecture_options;
    request.command = section.command;
    try {
      model.baseline->check(request);
    } catch (const InputError& error) {
      throw InputError(section.architecture.where, error.what());
    }
  }

  const auto& performances = engine::PerformanceRegistry::instance();
  std::vector<std::string> names = description_.evaluation.performance;
  if (names.empty()) names = {regime == Regime::regression ? "mean_squared_error" : "log_loss"};
  for (const std::string& name : names) {
    const engine::PerformanceMeasure* measure = performances.find(name);
    if (!measure || !contains(performances.names(regime), name))
      throw InputError(description_.place("evaluation.performance"),
                       "evaluation.performance: there is no measure '" + name + "' for " +
                           std::string(name_of(regime)) + " (known: " + join(performances.names(regime)) +
                           ")");
    model.evaluation.performance.push_back(measure);
  }
  model.evaluation.histograms = description_.evaluation.histograms && regime != Regime::regression;
  return model;
}

void Workspace::check_architecture(const experiment::ModelSection& section,
                                   const engine::Architecture& architecture) const {
  const auto refuse = [&](const char* key, const std::string& what) {
    throw InputError(description_.place("model." + section.name + "." + key),
                     "model '" + section.name + "': " + what);
  };
  if (!section.architecture_options.empty())
    refuse("architecture_options",
           "'" + architecture.name + "' has no option '" + section.architecture_options.begin()->first + "'");
  if (!section.initial_solution.empty() && !contains(architecture.initials, section.initial_solution))
    refuse("initial_solution", "'" + architecture.name + "' cannot start from \"" + section.initial_solution +
                                   "\" (known: " + join(architecture.initials) + ")");
  if (!architecture.network && dataset_.width == 0)
    refuse("architecture",
           "'" + architecture.name + "' needs a table of features, not images; take a network");
  const bool trained = section.iterations || section.epochs || section.epochs_for_iterations;
  if (!trained && architecture.network)
    refuse("architecture", "a network needs a length of training: iterations, or batch_size with epochs");
  if (!trained && section.l2 != 0)
    refuse("l2",
           "l2 acts in training; without iterations this baseline is solved at once (logistic: "
           "scikit-learn's C = 1)");
}

engine::Problem Workspace::problem_of(const experiment::ModelSection& section) const {
  const Regime regime = description_.regime;
  engine::Problem problem;
  problem.data = &dataset_;
  problem.l2 = section.l2;
  problem.frac_in_safety = description_.frac_in_safety;
  const auto& objectives = engine::ObjectiveRegistry::instance();
  const std::string name = !section.objective.empty()     ? section.objective
                           : regime == Regime::regression ? "mean_squared_error"
                                                          : "log_loss";
  problem.objective = objectives.find(name);
  if (!problem.objective || !contains(objectives.names(regime), name))
    throw InputError(description_.place("model." + section.name + ".objective"),
                     "model '" + section.name + "': there is no objective '" + name + "' for " +
                         std::string(name_of(regime)) + " (known: " + join(objectives.names(regime)) + ")");
  for (const experiment::ConstraintSection& constraint : description_.constraints)
    problem.constraints.push_back(translate(constraint, section));
  return problem;
}

engine::ConstraintSpec Workspace::translate(const experiment::ConstraintSection& section,
                                            const experiment::ModelSection& model) const {
  engine::ConstraintOptions options;
  options.regime = description_.regime;
  for (const engine::Group& group : dataset_.groups) options.groups.push_back(group.name);
  options.delta = section.delta.value;
  options.delta_weights = section.delta_weights;
  options.inflation = section.inflation;
  options.variant = model.variant == "toolkit" ? engine::Variant::toolkit : engine::Variant::default_;
  options.where = section.expression.where;
  engine::ConstraintSpec spec{section.name, engine::Constraint::parse(section.expression.value, options)};

  const std::string prefix = "constraint '" + section.name + "': ";
  const auto place = [&](const char* key) {
    return description_.place("constraint." + section.name + "." + key);
  };
  spec.hard = section.decision == "hard";
  spec.bound = !section.bound.empty() ? engine::bound_kind(section.bound)
               : spec.hard            ? engine::BoundKind::clopper_pearson
                                      : engine::BoundKind::student_t;
  if (spec.bound == engine::BoundKind::clopper_pearson && !spec.hard)
    throw InputError(place("bound"),
                     prefix +
                         "clopper_pearson bounds rates of decisions; set decision = \"hard\" or "
                         "take student_t or hoeffding");
  for (const engine::BaseNode& node : spec.tree.base_nodes()) {
    if (!node.measure->values)
      throw InputError(section.expression.where,
                       prefix + "'" + node.name + "' can be read but not yet computed");
    if (node.measure->rate) continue;
    if (spec.hard)
      throw InputError(place("decision"), prefix + "'" + node.name + "' is no rate and has no hard form");
    if (spec.bound == engine::BoundKind::hoeffding && !section.range)
      throw InputError(place("bound"), prefix + "hoeffding needs the range of '" + node.name +
                                           "', which is no rate: add range = [least, most]");
  }
  if (section.range && spec.bound != engine::BoundKind::hoeffding)
    throw InputError(place("range"), prefix + "range is for bound = \"hoeffding\"; remove it");
  if (section.range) spec.range = *section.range;
  return spec;
}

RecordShape Workspace::shape_of(const engine::ModelSpec& model, const experiment::ModelSection& section,
                                std::size_t index) const {
  RecordShape shape;
  shape.regime = description_.regime;
  shape.classes = shape.regime == Regime::regression ? 0 : 2;
  for (const engine::PerformanceMeasure* measure : model.evaluation.performance)
    shape.performance.push_back(measure->name);
  for (const engine::ConstraintSpec& constraint : model.problem.constraints) {
    shape.constraints.push_back(constraint.name);
    for (const engine::BaseNode& node : constraint.tree.base_nodes())
      shape.base_nodes.push_back(constraint.name + ": " + node.name);
  }
  for (const engine::Group& group : dataset_.subgroups) shape.subgroups.push_back(group.name);
  for (const engine::Truth& truth : truths_) shape.truths.push_back(truth.name);
  shape.rules = shape.regime == Regime::regression ? std::vector<std::string>{"value"}
                                                   : std::vector<std::string>{"soft", "hard"};
  shape.histograms = model.evaluation.histograms;
  if (model.selection.keep_trace)
    for (const experiment::Schedule& schedule : plan_.schedules[index])
      shape.trace_iterations = std::max(shape.trace_iterations, schedule.iterations);
  if (section.keep_parameters && model.architecture)
    shape.parameters = model.architecture->solution_size(dataset_);
  return shape;
}

engine::Rows Workspace::trial_rows(std::uint32_t trial, std::uint64_t n) const {
  if (indices_.empty()) return engine::resample(pool_, description_.seed, trial, n);
  return {indices_[trial].begin(), indices_[trial].begin() + static_cast<std::ptrdiff_t>(n)};
}

engine::Rows Workspace::shuffled_rows() const {
  engine::Rows rows;
  for (std::uint32_t position : Stream(Purpose::split, description_.seed).permutation(pool_.size()))
    rows.push_back(pool_[position]);
  return rows;
}

namespace {

/// Copies values to the front of a part of the record; the rest stays NaN.
void put(CellRecord& record, Field field, std::span<const double> values, std::size_t at = 0) {
  if (values.empty()) return;
  const auto to = record.doubles(field);
  if (at + values.size() > to.size())
    throw InternalError("a result has more of '" + std::string(name_of(field)) + "' than its record");
  std::ranges::copy(values, to.begin() + static_cast<std::ptrdiff_t>(at));
}

void put_truth(CellRecord& record, const RecordShape& shape, const engine::TruthResult& truth,
               std::size_t index) {
  put(record, Field::performance, truth.performance, index * shape.performance.size());
  const std::size_t rules = shape.rules.size(), truths = shape.truths.size();
  for (std::size_t c = 0; c < truth.g.size(); ++c)
    for (std::size_t r = 0; r < rules; ++r)
      record.doubles(Field::g)[(c * rules + r) * truths + index] = truth.g[c].at(r);
  for (std::size_t s = 0; s < truth.subgroups.size(); ++s) {
    const engine::SubgroupSums& sums = truth.subgroups[s];
    const std::size_t slot = index * shape.subgroups.size() + s;
    if (shape.regime == Regime::regression) {
      put(record, Field::residuals, sums.residuals, slot * sums.residuals.size());
      continue;
    }
    put(record, Field::hard_counts, sums.hard_counts, slot * sums.hard_counts.size());
    put(record, Field::soft_sums, sums.soft_sums, slot * sums.soft_sums.size());
    put(record, Field::soft_squares, sums.soft_squares, slot * sums.soft_squares.size());
    put(record, Field::log_loss, sums.log_loss, slot * sums.log_loss.size());
    put(record, Field::histogram, sums.histogram, slot * sums.histogram.size());
  }
}

}  // namespace

CellRecord encode(const engine::TrialResult& result, const RecordLayout& layout,
                  const std::string& model_name, double fraction) {
  const RecordShape& shape = layout.shape();
  CellRecord record(layout);
  record.set_outcome(result.outcome, result.reason);
  record.view<std::int64_t>(Field::rows)[0] = static_cast<std::int64_t>(result.rows);
  record.view<std::int64_t>(Field::best_iteration)[0] = result.best_iteration;
  put(record, Field::upper, result.upper);
  for (std::size_t k = 0; k < result.nodes.size(); ++k) {
    const engine::NodeEstimate& node = result.nodes[k];
    record.doubles(Field::node_n)[k] = node.n;
    record.doubles(Field::node_mean)[k] = node.mean;
    record.doubles(Field::node_sd)[k] = node.sd;
    record.doubles(Field::node_lower)[k] = node.lower;
    record.doubles(Field::node_upper)[k] = node.upper;
  }
  if (result.outcome == Outcome::no_solution_found && layout.find(Field::g))
    std::ranges::fill(record.doubles(Field::g), -std::numeric_limits<double>::infinity());
  for (std::size_t truth = 0; truth < result.truths.size(); ++truth)
    put_truth(record, shape, result.truths[truth], truth);
  if (shape.trace_iterations > 0) put(record, Field::trace, result.trace);
  if (shape.parameters > 0) put(record, Field::parameters, result.parameters);
  record.seal(model_name, fraction, result.trial);
  return record;
}

}  // namespace seldon::worker

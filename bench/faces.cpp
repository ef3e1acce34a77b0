#include "bench/faces.h"

#include <numeric>

#include "engine/dataset/sampling.h"
#include "engine/network/architectures.h"

namespace seldon::bench {
namespace {

constexpr std::uint64_t seed = 42;

table::Frame draw(std::uint64_t rows) {
  table::SyntheticOptions options;
  options.rows = rows;
  options.seed = seed;
  options.difficulty = {0.2, 0.4};
  return table::synthetic_faces(options);
}

const engine::Architecture& face_cnn() {
  auto& registry = engine::ArchitectureRegistry::instance();
  if (!registry.find("face_cnn")) engine::network::register_networks(registry);
  return *registry.find("face_cnn");
}

engine::Dataset view_of(const table::Frame& frame) {
  engine::Dataset data;
  data.rows = frame.rows();
  data.pixels = frame.pixels();
  data.labels = frame.labels();
  data.image = {frame.image()->channels, frame.image()->height, frame.image()->width};
  for (const table::Frame::Group& group : frame.groups()) data.groups.push_back({group.name, group.member});
  return data;
}

}  // namespace

FaceExperiment::FaceExperiment(std::uint64_t rows)
    : frame_(draw(rows)),
      data_(view_of(frame_)),
      network_(engine::network::face_cnn(), engine::network::input_shape(data_)) {
  const auto add = [&](std::string name, std::vector<std::uint8_t> member) {
    members_.push_back(std::move(member));
    data_.subgroups.push_back({std::move(name), members_.back()});
  };
  // As configs/faces.toml reports them: all, each group, gender by ethnicity, gender by age.
  add("all", std::vector<std::uint8_t>(rows, 1));
  for (const table::Frame::Group& group : frame_.groups())
    add(group.attribute + "=" + group.name, {group.member.begin(), group.member.end()});
  for (const table::Frame::Group& gender : frame_.groups())
    for (const table::Frame::Group& other : frame_.groups()) {
      if (gender.attribute != "gender" || other.attribute == "gender") continue;
      std::vector<std::uint8_t> both(gender.member.begin(), gender.member.end());
      for (std::size_t i = 0; i < rows; ++i) both[i] &= other.member[i];
      add("gender=" + gender.name + " x " + other.attribute + "=" + other.name, std::move(both));
    }
}

engine::ModelSpec FaceExperiment::model(const FaceSetting& setting) const {
  engine::ConstraintOptions constraint;
  constraint.groups = {"M", "F"};
  engine::ModelSpec model;
  model.name = "qsa";
  model.architecture = &face_cnn();
  model.initial = "shared_random";
  model.seed = seed;
  model.execution = setting.execution;
  model.keep_parameters = true;
  model.problem.data = &data_;
  model.problem.objective = engine::ObjectiveRegistry::instance().find("log_loss");
  model.problem.frac_in_safety = 0.5;
  model.problem.constraints.push_back(
      {"accuracy_ratio",
       engine::Constraint::parse("min((ACC | [M])/(ACC | [F]),(ACC | [F])/(ACC | [M])) >= 0.8", constraint)});
  model.selection.adam.step = 0.001;
  model.selection.step_multipliers = 0.001;
  model.selection.multipliers = {0.5};
  model.selection.batches.size = setting.batch;
  model.selection.keep_trace = setting.trace;
  engine::Rows every(data_.rows);
  std::iota(every.begin(), every.end(), 0U);
  model.truths.push_back({"original", std::move(every)});
  for (const char* name : {"probabilistic_accuracy", "accuracy", "log_loss"})
    model.evaluation.performance.push_back(engine::PerformanceRegistry::instance().find(name));
  return model;
}

std::vector<engine::TrialTask> FaceExperiment::tasks(std::uint32_t first, std::size_t count) const {
  engine::Rows pool(data_.rows);
  std::iota(pool.begin(), pool.end(), 0U);
  std::vector<engine::TrialTask> tasks;
  for (std::uint32_t t = first; t < first + count; ++t)
    tasks.push_back({t, engine::resample(pool, seed, t, data_.rows)});
  return tasks;
}

FaceExperiment::Training FaceExperiment::training(const engine::ModelSpec& model,
                                                  std::span<const engine::TrialTask> tasks,
                                                  const engine::Execution& execution) const {
  Training made;
  engine::LearnerRequest request;
  request.data = &data_;
  request.seed = model.seed;
  request.model_name = model.name;
  request.initial = model.initial;
  request.execution = execution;
  for (const engine::TrialTask& task : tasks) {
    made.splits.push_back(engine::split(task.rows, model.problem.frac_in_safety));
    request.candidate_rows.push_back(made.splits.back().candidate);
    request.trials.push_back(task.trial);
  }
  for (std::size_t t = 0; t < tasks.size(); ++t)
    made.data.push_back(
        {made.splits[t].candidate, static_cast<double>(made.splits[t].safety.size()), tasks[t].trial});
  made.learner = model.architecture->make(request);
  made.options = model.selection;
  made.options.batches.seed = model.seed;
  made.options.batches.model_name = model.name;
  return made;
}

}  // namespace seldon::bench

#pragma once
// From the description of an experiment to the engine's options: the one place that knows both. A Workspace
// holds the data and one ModelSpec per model; rank 0 makes one to plan, every worker makes one to run.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/record.h"
#include "engine/algorithm.h"
#include "experiment/description.h"
#include "experiment/plan.h"
#include "table/frame.h"

namespace seldon::worker {

/// Makes the networks and the external baseline known besides what engine itself registers. May be called
/// again.
void register_all();

/// "grouped", "unfolded": as a config has it.
std::string_view name_of(engine::Convolutions form);

/// Reads or generates the table that a config names.
table::Frame load_table(const experiment::Description& description);

/// Rows of each trial from the file resample.indices: line t holds the rows of trial t, separated by commas.
/// Empty where the config names none. InputError, with the line, for rows that the table lacks and lines that
/// are too short.
std::vector<std::vector<std::uint32_t>> load_indices(const experiment::Description& description,
                                                     std::uint64_t table_rows);

class Workspace {
 public:
  /// Checks every name that only the engine knows (architectures, measures, objectives ...) and throws
  /// InputError with its place in the config. `indices`: see load_indices.
  Workspace(experiment::Description description, table::Frame frame,
            std::vector<std::vector<std::uint32_t>> indices);
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  const experiment::Description& description() const { return description_; }
  const table::Frame& frame() const { return frame_; }
  const engine::Dataset& dataset() const { return dataset_; }
  const experiment::Plan& plan() const { return plan_; }
  const engine::ModelSpec& model(std::size_t index) const { return models_[index]; }
  /// Whether a model runs on a GPU: there are networks, and the device is "cuda".
  bool uses_gpu() const;
  /// Where networks compute; other models stay on the CPU.
  void place(const std::string& device, bool tensor_program);
  /// The ranks that run the packs of a network together; null: this one alone.
  void share(Collective* collective);
  /// What the config left open of a network, and the plan that follows.
  void settle(std::size_t index, std::uint32_t pack_size, engine::Convolutions convolutions);
  /// Whether the model is a network: runs on GPUs where the config says so, all trials of a pack together.
  bool network(std::size_t index) const {
    return models_[index].architecture && models_[index].architecture->network;
  }
  const RecordLayout& layout(std::size_t index) const { return layouts_[index]; }
  const std::vector<std::vector<std::uint32_t>>& indices() const { return indices_; }

  /// The rows that trials are drawn from: of the table, or of its part that is not held out.
  const engine::Rows& pool() const { return pool_; }
  /// The first n rows of a trial's resample.
  engine::Rows trial_rows(std::uint32_t trial, std::uint64_t n) const;
  /// All rows that trials are drawn from, in an order drawn from the seed: what a single run (--once) sees.
  engine::Rows shuffled_rows() const;

 private:
  void make_plan();
  void name_subgroups();
  void choose_truths();
  engine::ModelSpec translate(const experiment::ModelSection& section) const;
  void check_architecture(const experiment::ModelSection& section,
                          const engine::Architecture& architecture) const;
  engine::Problem problem_of(const experiment::ModelSection& section) const;
  engine::ConstraintSpec translate(const experiment::ConstraintSection& section,
                                   const experiment::ModelSection& model) const;
  RecordShape shape_of(const engine::ModelSpec& model, const experiment::ModelSection& section,
                       std::size_t index) const;

  experiment::Description description_;
  table::Frame frame_;
  std::vector<std::vector<std::uint32_t>> indices_;
  engine::Dataset dataset_;
  std::vector<std::vector<std::uint8_t>> subgroup_members_;
  engine::Rows pool_;
  std::vector<engine::Truth> truths_;
  experiment::Plan plan_;
  std::vector<engine::ModelSpec> models_;
  std::vector<RecordLayout> layouts_;
};

/// Writes a trial's result into a sealed record. InternalError if its sizes are not the layout's.
CellRecord encode(const engine::TrialResult& result, const RecordLayout& layout,
                  const std::string& model_name, double fraction);

}  // namespace seldon::worker

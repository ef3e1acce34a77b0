#pragma once
// The description of an experiment: what a config says, validated, with nothing left to guess. Plain data;
// the worker turns it into engine options, the store into attributes. docs/config.md documents each key.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/regime.h"

namespace seldon::experiment {

/// A value and the line of the config that it came from, for messages.
template <class T>
struct Located {
  T value{};
  Location where;

  /// The place is no part of the value.
  bool operator==(const Located& other) const { return value == other.value; }
};

// ---- [data] -------------------------------------------------------------------------------------

struct ImageColumn {
  std::string column;  ///< holds channels*height*width integers 0..255, separated by spaces
  std::uint32_t channels = 1, height = 0, width = 0;

  bool operator==(const ImageColumn&) const = default;
};

/// [[group]]: the rows for which `where` holds.
struct GroupSection {
  std::string attribute;       ///< "gender"; the groups of an attribute partition the rows ...
  std::string name;            ///< "M": what constraint expressions call it
  Located<std::string> where;  ///< "gender == 0", "18 <= age < 30"
  bool overlapping = false;    ///< ... unless marked as overlapping

  bool operator==(const GroupSection&) const = default;
};

struct DataSection {
  std::string kind = "csv";   ///< "csv" or "synthetic_faces"
  Located<std::string> path;  ///< relative to the config's folder; .gz is read too
  bool header = true;
  char delimiter = ',';                  ///< ' ' takes runs of blanks
  std::vector<std::string> names;        ///< column names where there is no header
  Located<std::string> label;            ///< column
  std::optional<std::string> positive;   ///< label value of class 1 (else the label must be 0 or 1)
  std::vector<std::string> numeric;      ///< features, in this order after the categorical ones
  std::vector<std::string> categorical;  ///< one-hot, levels in byte order
  std::vector<std::string> standardize;  ///< numeric features scaled to mean 0, sd 1 (ddof 0) over the table
  std::optional<ImageColumn> image;      ///< instead of numeric and categorical features
  std::optional<std::uint64_t>
      rows;              ///< only the first rows (csv, after the shuffle), or how many (synthetic)
  bool shuffle = false;  ///< rows in an order drawn from the seed before anything else
  double synthetic_difficulty_0 = 0.3;  ///< synthetic_faces: noise of gender 0 ...
  double synthetic_difficulty_1 = 0.3;  ///< ... and of gender 1

  bool operator==(const DataSection&) const = default;
};

// ---- [split], [resample], [evaluation] ----------------------------------------------------------

struct ResampleSection {
  std::string method = "bootstrap";       ///< rows drawn with replacement; fractions of a trial are nested
  Located<std::string> indices;           ///< file: line t holds the rows of trial t (empty: drawn)
  std::string ground_truth = "original";  ///< "original" (the resampled table) or "held_out"

  bool operator==(const ResampleSection&) const = default;
};

struct EvaluationSection {
  std::vector<std::string>
      performance;  ///< registered performance measures, the first is plotted; none: by regime
  std::uint64_t batch_size = 2000;
  std::vector<std::string> subgroups;  ///< "gender", "gender x ethnicity" (attributes)
  bool histograms = true;

  bool operator==(const EvaluationSection&) const = default;
};

// ---- [[constraint]] -----------------------------------------------------------------------------

struct ConstraintSection {
  std::string name;
  Located<std::string> expression;
  Located<double> delta;
  std::string decision = "soft";  ///< "soft" or "hard"
  std::string bound;              ///< "student_t", "clopper_pearson", "hoeffding"; "" = the default
  std::optional<std::array<double, 2>> range;  ///< of a measure that is no rate, for hoeffding
  std::vector<double> delta_weights;           ///< empty: equal
  std::vector<double> inflation = {2.0};       ///< one, or one for each needed one-sided bound

  bool operator==(const ConstraintSection&) const = default;
};

// ---- [[model]] ----------------------------------------------------------------------------------

struct OptimizerSection {
  std::string variant = "adam";  ///< "adam" (textbook) or "toolkit"
  double step_size = 0.01, step_size_multipliers = 0.01;
  double beta_velocity = 0.9, beta_rmsprop = 0.95;
  std::vector<double> multipliers = {0.5};  ///< start; one, or one for each constraint

  bool operator==(const OptimizerSection&) const = default;
};

struct ModelSection {
  std::string name;
  std::string kind = "seldonian";     ///< "seldonian" or "baseline"
  Located<std::string> architecture;  ///< registered: "logistic", "linear", "face_cnn", "uniform_random" ...
  std::map<std::string, double> architecture_options;  ///< e.g. probability of weighted_random
  std::string objective;                               ///< "log_loss", "mean_squared_error"
  double l2 = 0.0;  ///< coefficient of the squared norm of the weights in the objective
  OptimizerSection optimizer;
  std::string variant = "default";        ///< of the tree and the bounds: "default" or "toolkit"
  std::string initial_solution;           ///< "fit", "zeros", "random", "shared_random" (one for all trials)
  std::string batchnorm = "reestimated";  ///< or "toolkit"
  std::uint32_t pack_size = 0;            ///< 0: open; 25 linear, 1 network on a CPU, measured on a GPU
  std::string precision = "float32";      ///< of a network's products: or "tf32", "bfloat16"
  std::string convolutions = "auto";      ///< open; or "grouped", "unfolded"
  std::optional<std::uint64_t> batch_size;  ///< none: all candidate rows
  std::optional<std::uint64_t> epochs;      ///< with batches: passes over the candidate rows ...
  std::optional<std::uint64_t> iterations;  ///< ... or a number of iterations; exactly one of the two is set
  std::optional<std::uint64_t>
      epochs_for_iterations;  ///< with batches: as many whole epochs as give at least this many iterations
  std::optional<std::uint64_t> min_epochs;  ///< a lower limit on passes (a baseline's "at least 4")
  bool keep_trace = false;
  bool keep_parameters = false;
  std::vector<std::string> command;  ///< architecture "external": program and arguments, no shell
  double time_limit = 600;           ///< seconds, external only

  bool operator==(const ModelSection&) const = default;
};

// ---- the whole ----------------------------------------------------------------------------------

/// How a run deals with slow and faulty workers; nothing of it changes a number.
struct RunSection {
  double start_seconds = 120;              ///< for a worker to start
  double lease_seconds = 120;              ///< without a heartbeat, then a pack goes to another worker
  std::optional<double> cell_timeout;      ///< seconds for one cell
  double grace_seconds = 60;               ///< for running packs when the run is asked to end
  std::uint32_t max_tries = 3;             ///< of a cell that ends with an exception
  std::uint32_t max_deaths = 3;            ///< of workers that nothing but one cell can have caused
  std::optional<std::uint64_t> max_fails;  ///< failed cells, then the run ends
  bool operator==(const RunSection&) const = default;
};

struct Description {
  std::string name;
  std::uint64_t seed = 0;
  std::uint32_t n_trials = 0;
  std::vector<double> data_fracs;
  std::uint32_t threads_per_worker = 1;
  Regime regime = Regime::classification;
  std::string device = "auto";       ///< of networks; open, or "cpu", "cuda"
  std::uint32_t gpus_per_trial = 1;  ///< workers that run one pack of a network together

  DataSection data;
  std::vector<GroupSection> groups;
  double frac_in_safety = 0.6;
  ResampleSection resample;
  EvaluationSection evaluation;
  std::vector<ConstraintSection> constraints;
  std::vector<ModelSection> models;

  RunSection run;
  std::uint64_t store_max_bytes = std::uint64_t{64} << 30;

  Location where;      ///< the config file
  std::string folder;  ///< of the config file, absolute: relative paths start there

  std::map<std::string, Location>
      places;  ///< of each key that was written: "model.qsa.objective" -> its line

  /// `resolve("x.csv")`: absolute paths as they are, others from the config's folder.
  std::string resolve(const std::string& path) const;
  /// Where a key was written, for messages; a key that was left out has the place of its section, else the
  /// file.
  Location place(const std::string& key) const;

  /// Whether both say the same experiment, wherever it was written.
  bool operator==(const Description& other) const;
};

}  // namespace seldon::experiment

#pragma once
// Baselines that are not trained as learners: random classifiers and users' own programs. (A baseline whose
// architecture is a learner's, such as "logistic" or "face_cnn", is trained on all rows of the trial without
// constraints.)

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/progress.h"
#include "core/regime.h"
#include "engine/dataset/dataset.h"
#include "engine/predictor.h"

namespace seldon::engine {

struct BaselineRequest {
  const Dataset* data = nullptr;
  std::span<const std::uint32_t> rows;  ///< of the trial
  std::uint32_t trial = 0;
  std::uint64_t seed = 0;
  std::string model_name;
  std::map<std::string, double> options;  ///< e.g. probability
  std::vector<std::string> command;       ///< external: program and arguments
  std::string folder;                     ///< external: working directory (the config's folder)
  std::vector<std::string> feature_names;
  double time_limit = 600;  ///< external: seconds
  Progress* progress = nullptr;
};

struct BaselineKind {
  std::string name;
  std::vector<Regime> regimes;
  /// Refuses, as InputError, what a config asks for in vain (options, images ...), before anything runs.
  /// Null: nothing to ask for, so any option is refused.
  std::function<void(const BaselineRequest&)> check;
  /// Null where the rows admit no fit (one class only): no solution. Other failures are exceptions.
  std::function<std::unique_ptr<Predictor>(const BaselineRequest&)> fit;
};

/// "uniform_random" (p = 1/2), "weighted_random" (option probability), "external" (a user's program per
/// cell).
class BaselineRegistry {
 public:
  static BaselineRegistry& instance();
  void add(BaselineKind kind);
  const BaselineKind* find(std::string_view name) const;
  std::vector<std::string> names() const;

 private:
  BaselineRegistry();
  std::deque<BaselineKind> kinds_;
};

void register_random(BaselineRegistry& registry);

}  // namespace seldon::engine

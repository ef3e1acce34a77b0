#include "experiment/description.h"

#include <filesystem>
#include <tuple>

namespace seldon::experiment {

std::string Description::resolve(const std::string& path) const {
  const std::filesystem::path given(path);
  return given.is_absolute() ? path : (std::filesystem::path(folder) / given).string();
}

Location Description::place(const std::string& key) const {
  for (std::string prefix = key;;) {
    if (const auto found = places.find(prefix); found != places.end()) return found->second;
    const std::size_t dot = prefix.rfind('.');
    if (dot == std::string::npos) return where;
    prefix.resize(dot);
  }
}

bool Description::operator==(const Description& other) const {
  const auto all = [](const Description& d) {
    return std::tie(d.name, d.seed, d.n_trials, d.data_fracs, d.threads_per_worker, d.regime, d.device,
                    d.gpus_per_trial, d.data, d.groups, d.frac_in_safety, d.resample, d.evaluation,
                    d.constraints, d.models, d.run, d.store_max_bytes);
  };
  return all(*this) == all(other);
}

}  // namespace seldon::experiment

#include "store/sweep_folder.h"

#include <filesystem>
#include <utility>

#include <nlohmann/json.hpp>

#include "store/file.h"
#include "store/lock.h"
#include "store/text_file.h"

namespace seldon::store {
namespace {

using nlohmann::json;

constexpr int manifest_format = 1;

std::string manifest_path(const std::string& folder) {
  return sweep_base(folder) + ".json";
}

json json_of(const SweptExperiment& experiment) {
  json object = {{"name", experiment.name}, {"config", experiment.config}, {"values", experiment.values}};
  if (!experiment.trouble) return object;
  object["trouble"] = static_cast<int>(*experiment.trouble);
  object["message"] = experiment.message;
  return object;
}

SweptExperiment experiment_of(const json& object) {
  SweptExperiment experiment;
  object.at("name").get_to(experiment.name);
  object.at("config").get_to(experiment.config);
  object.at("values").get_to(experiment.values);
  if (const auto found = object.find("trouble"); found != object.end()) {
    experiment.trouble = static_cast<ExitCode>(found->get<int>());
    object.at("message").get_to(experiment.message);
  }
  return experiment;
}

/// Whoever the lock file of this path names, dead or alive.
std::optional<Owner> named_in_lock(const std::string& path) {
  try {
    const auto text = read_text(canonical(path) + ".lock");
    return text ? std::optional(owner_from_text(*text)) : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;  // whoever takes the lock says what is wrong with the file
  }
}

bool same_process(const Owner& a, const Owner& b) {
  return a.process != 0 && !a.boot.empty() && a.process == b.process && a.started == b.started &&
         a.boot == b.boot && a.process_space == b.process_space;
}

}  // namespace

std::string member_path(const std::string& folder, const std::string& name) {
  return (std::filesystem::path(folder) / (name + ".h5")).string();
}

std::string sweep_base(const std::string& folder) {
  return (std::filesystem::path(folder) / "sweep").string();
}

void write_manifest(const std::string& folder, const SweepManifest& manifest) {
  json object = {{"format", manifest_format}, {"sweep", manifest.sweep}, {"keys", manifest.keys}};
  auto& experiments = object["experiments"] = json::array();
  for (const SweptExperiment& experiment : manifest.experiments) experiments.push_back(json_of(experiment));
  const std::string path = manifest_path(folder), part = path + ".part";
  write_text(part, object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
  rename_over(part, path);
}

std::optional<SweepManifest> read_manifest(const std::string& folder) {
  const std::string path = manifest_path(folder);
  const auto text = read_text(path);
  if (!text) return std::nullopt;
  try {
    const json object = json::parse(*text);
    if (const int format = object.at("format").get<int>(); format != manifest_format)
      throw InputError("'" + path + "' is of format " + std::to_string(format) + ", this program reads " +
                       std::to_string(manifest_format) + "; use the programs of the run's version");
    SweepManifest manifest;
    object.at("sweep").get_to(manifest.sweep);
    object.at("keys").get_to(manifest.keys);
    for (const json& experiment : object.at("experiments"))
      manifest.experiments.push_back(experiment_of(experiment));
    return manifest;
  } catch (const json::exception& error) {
    throw InputError("'" + path + "' is not what a run of a sweep writes (" + error.what() +
                     "); remove it, the next run writes it again");
  }
}

bool is_folder(const std::string& path) {
  std::error_code error;
  return path.ends_with('/') || std::filesystem::is_directory(path, error);
}

struct FolderLock::Impl {
  Impl(const std::string& path, const LockOptions& options)
      : before(named_in_lock(path)), lock(canonical(path), options) {}
  std::optional<Owner> before;
  Lock lock;
};

FolderLock::FolderLock(const std::string& folder, const LockOptions& options)
    : impl_(std::make_unique<Impl>(sweep_base(folder), options)) {}
FolderLock::FolderLock(FolderLock&&) noexcept = default;
FolderLock& FolderLock::operator=(FolderLock&&) noexcept = default;
FolderLock::~FolderLock() = default;

bool FolderLock::left_behind(const std::string& store_path) const {
  const auto owner = named_in_lock(store_path);
  return owner && impl_->before && same_process(*owner, *impl_->before);
}

}  // namespace seldon::store

#pragma once
// The folder of a sweep (docs/sweeps.md): a store NAME.h5 for each experiment, and beside them sweep.json
// (which experiments there are), sweep.lock (who runs them) and sweep.live.json (how the whole run is).

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "store/store.h"

namespace seldon::store {

/// One experiment of a sweep, as its last run found it.
struct SweptExperiment {
  std::string name;
  std::string config;               ///< path of its config
  std::vector<std::string> values;  ///< of the swept keys
  std::optional<ExitCode> trouble;  ///< why it could not start or did not go on; none: nothing is wrong
  std::string message;              ///< that trouble in words
  bool operator==(const SweptExperiment&) const = default;
};

struct SweepManifest {
  std::string sweep;              ///< path of the sweep's file
  std::vector<std::string> keys;  ///< that are swept
  std::vector<SweptExperiment> experiments;
  bool operator==(const SweepManifest&) const = default;
};

/// FOLDER/NAME.h5.
std::string member_path(const std::string& folder, const std::string& name);
/// FOLDER/sweep: what the run's own files are named after, as those of a store after the store.
std::string sweep_base(const std::string& folder);

/// Under a temporary name, then renamed. IncompleteError where the file system fails.
void write_manifest(const std::string& folder, const SweepManifest& manifest);
/// Nothing where there is none. InputError where it cannot be read or is something else.
std::optional<SweepManifest> read_manifest(const std::string& folder);

/// Whether the path is a folder, or by its ending is meant as one.
bool is_folder(const std::string& path);

/// One run at a time works on a folder. As the lock of a store (docs/store.md), but waits only once for a
/// holder on another machine, however many stores it had.
class FolderLock {
 public:
  /// As store::Lock.
  FolderLock(const std::string& folder, const LockOptions& options);
  FolderLock(FolderLock&&) noexcept;
  FolderLock& operator=(FolderLock&&) noexcept;
  ~FolderLock();

  /// Whether the store's lock is that of the run that held this folder before, and so as dead as that one.
  bool left_behind(const std::string& store_path) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace seldon::store

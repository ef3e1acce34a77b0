#pragma once
// What a run of a sweep keeps of its experiments, in memory and in their folder: sweep.json and summary.csv.

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "programs/member.h"
#include "programs/summary.h"
#include "store/sweep_folder.h"

namespace seldon::programs {

class SweepRun {
 public:
  /// Takes the folder, made where it is missing, for this run alone. InputError where another run has it, or
  /// where so many stores cannot be open at once.
  SweepRun(const RunRequest& request, SweepPlan plan);

  /// Prepares every experiment and opens its store. One that cannot start is told in the log, and kept as
  /// trouble; IncompleteError if the run is asked to end meanwhile.
  std::vector<std::unique_ptr<Member>> open();

  /// Something has gone wrong with the experiment of this name.
  void trouble(const std::string& name, const std::exception_ptr& error);

  /// `running`: the run goes on.
  void write_summary(const std::vector<std::unique_ptr<Member>>& members, bool running);
  const std::string& summary_path() const { return summary_.path(); }
  /// sweep.json, for whoever looks at the folder. A failure is a warning.
  void write_manifest();

  /// 0 where every experiment is complete; else 4 where one broke a promise of the program, else 3 where
  /// something is missing that the same command goes on with, else 2: what is left is bad input.
  ExitCode code(const std::vector<std::unique_ptr<Member>>& members) const;
  std::size_t size() const { return plan_.entries.size(); }
  std::size_t complete(const std::vector<std::unique_ptr<Member>>& members) const;
  /// Experiments that could not start this time, and may with the same command.
  std::size_t to_be_opened() const;

 private:
  std::unique_ptr<Member> open(const SweepEntry& entry);
  store::SweptExperiment& known(const std::string& name);
  std::string state(const store::SweptExperiment& experiment, const Member* member, bool running) const;

  const RunRequest& request_;
  SweepPlan plan_;
  std::string folder_;
  std::optional<store::FolderLock> lock_;
  store::SweepManifest manifest_;
  SummaryFile summary_;
};

}  // namespace seldon::programs

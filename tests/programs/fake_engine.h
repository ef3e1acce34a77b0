#pragma once
// An engine that costs nothing: its records follow from the cell's key alone.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/collective.h"
#include "core/pack_runner.h"
#include "programs/run.h"

namespace seldon::fake {

/// What the fake experiment is and how it misbehaves; travels to the workers as the config's text.
struct Engine {
  std::uint32_t fractions = 3, trials = 20, width = 4;
  std::uint64_t seed = 1;
  std::uint64_t microseconds = 0;  ///< that a cell takes
  std::uint64_t data_bytes = 1000;
  std::int64_t throws_at = -1;  ///< trial whose cells always end with an exception
  bool throws_packs = false;    ///< every pack of the first model throws as a whole
  bool whole = false;           ///< also reports the cells of a pack that nobody asked for
  bool width_matters = false;   ///< records depend on the pack's width, as those of networks do
  std::uint32_t ranks = 1;      ///< workers that run a pack together; the records do not depend on it
  std::uint64_t drift = 0;      ///< another one gives other numbers, which no honest engine does

  // Trials whose cells, of the first model at the first fraction, misbehave.
  std::vector<std::uint32_t> exceptions_at;  ///< the cell ends with an exception
  std::vector<std::uint32_t> segfaults_at;   ///< the process dies
  std::vector<std::uint32_t> hangs_at;       ///< it computes for ever and never ticks
  std::vector<std::uint32_t> stops_at;       ///< it is stopped by SIGSTOP
  std::uint32_t member = 0;                  ///< of a group: who dies, hangs or stops, within a call
  std::uint32_t misbehaves_times = 0;        ///< each of these cells, then it is well; 0: always
  std::string journal;                       ///< file for what is about to happen; see note()

  std::string config() const;
  static Engine parse(const std::string& config);
};

/// Two models (one constraint, two base nodes, three subgroups, histograms: the loan experiment's record).
programs::Experiment experiment(const Engine& engine);

/// Of one cell, arrays included.
std::size_t record_bytes();

/// Appends a line to the journal at `path`, if there is one, safe from whatever happens to this process next:
/// "EVENT pid PID". Tests so know that a death did take place, and where.
void note(const std::string& path, const std::string& event);

/// Checks that the data is what experiment() holds. `groups`: null where no pack takes several workers.
std::unique_ptr<PackRunner> make_runner(const std::string& config, std::span<const std::byte> data,
                                        CollectiveFactory* groups = nullptr);

}  // namespace seldon::fake

#pragma once
// The seam between the worker's protocol and what computes: the Seldonian engine, or a fake one in tests.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/cell.h"
#include "core/collective.h"
#include "core/error.h"
#include "core/progress.h"
#include "core/record.h"

namespace seldon {

/// One cell as it left the engine. `record` is a sealed CellRecord's bytes; empty where the state is FAILED.
struct CellReport {
  CellKey key;
  CellState state = CellState::done;
  std::vector<std::byte> record;
  RunInfo run;
};

/// What to do with the slots of a pack.
struct Slots {
  std::vector<std::uint32_t> wanted;  ///< to be reported; at least one
  std::vector<std::uint32_t>
      filled;  ///< not to be touched: where the width counts, a wanted trial takes the place
  bool operator==(const Slots&) const = default;
};

class PackRunner {
 public:
  virtual ~PackRunner() = default;
  /// Runs the pack at its full width and reports each cell whose slot is wanted as soon as it is known, and
  /// any other cell that it had to compute on the way (never one that is filled): those are compared with
  /// what is recorded. A cell's exception becomes a FAILED report; `Stopped` passes through; anything else is
  /// the caller's to report.
  virtual void run(const Pack& pack, const Slots& slots, Progress& progress,
                   const std::function<void(CellReport)>& report) = 0;
  /// The same by all ranks of `group` together, this one among them: each calls it with the same pack and
  /// slots. Only what the first rank of the group reports counts, and all may report. Throws Stopped soon
  /// after a member has left or died. Not to be called for a group of one.
  virtual void run_in_group(const Pack& pack, const Slots& slots, const RankGroup& group, Progress& progress,
                            const std::function<void(CellReport)>& report) {
    static_cast<void>(pack), static_cast<void>(slots), static_cast<void>(progress), static_cast<void>(report);
    throw InternalError("this engine runs a pack on one rank, not on " + std::to_string(group.ranks.size()));
  }
  /// Bytes that it holds beside the data and gives back at its end; 0 where that is little, or unknown.
  virtual std::uint64_t memory() const { return 0; }
  /// The pack in words, for log records: one line.
  virtual std::string describe(const Pack& pack) const {
    return "model " + std::to_string(pack.model) + " fraction " + std::to_string(pack.fraction) + " " +
           trials_of(pack);
  }

 protected:
  /// "trials 0-24", "trial 7".
  static std::string trials_of(const Pack& pack) {
    const auto first = std::to_string(pack.first_trial);
    return pack.width == 1 ? "trial " + first
                           : "trials " + first + "-" + std::to_string(pack.first_trial + pack.width - 1);
  }
};

}  // namespace seldon

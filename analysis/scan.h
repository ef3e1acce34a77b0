#pragma once
// One pass over all records of a store, whatever its size: blocks of trials, read and looked at by several
// threads.

#include <cstdint>
#include <functional>
#include <span>

#include "analysis/results.h"
#include "core/record.h"
#include "store/store.h"

namespace seldon::analysis {

/// Consecutive trials of one model and data fraction.
struct Block {
  std::uint32_t model = 0, fraction = 0, first_trial = 0;
  const RecordLayout* layout = nullptr;
  std::span<const CellState> states;  ///< as in Results: a damaged DONE cell is LOST
  std::span<const std::byte>
      compounds;  ///< layout->compound_bytes() for each trial; what is not DONE is unread
  std::span<const double> histograms;  ///< [trial], as Field::histogram; empty unless asked for

  std::size_t trials() const { return states.size(); }
  RecordView record(std::size_t trial) const {
    return {*layout, compounds.subspan(trial * layout->compound_bytes(), layout->compound_bytes())};
  }
};

struct ScanOptions {
  bool histograms = false;  ///< hand them to `work`
  unsigned threads = 0;     ///< 0: as many as the machine has cores, at most 16
};

/// Reads all records, a megabyte at a time, and tests their checksums, arrays included. `work` is called for
/// each block, in any thread, and returns what is to be done with its findings (nothing, if it is empty), the
/// block itself being gone by then; that is called in the order of the blocks (model, fraction, trial), one
/// at a time and in any thread: what comes out does not depend on the number of threads. The cut into blocks
/// depends on the store's shape alone. An exception of either ends the scan, and is that of the earliest
/// block that has one: what comes before it is folded, nothing of what comes after. A store that is being
/// written can be scanned: cells that become DONE meanwhile may be missing, never half read.
using Fold = std::function<void()>;
Damage scan(const store::Reader& reader, const ScanOptions& options,
            const std::function<Fold(const Block&)>& work);

}  // namespace seldon::analysis

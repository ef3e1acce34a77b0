#pragma once
// `seldon-report merge`: the shards of an experiment, joined.

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace seldon::store {

struct Merged {
  std::array<std::uint64_t, 6> by_state{};  ///< cells of the result, by CellState
  std::uint64_t torn = 0;                   ///< DONE cells of the inputs that were left out: checksum
};

/// Whether stores may be joined whose numerics differ; the result then says those of the first.
enum class Hardware { same, mixed };

/// Makes the store `output` of stores of one experiment. Of each cell it takes what is known best: a whole
/// record, else FAILED, else LEASED, LOST, PREEMPTED, PENDING; of equals the one with the later attempt. The
/// file gets its name when it is complete and synced.
/// InputError where the stores do not belong together, or `output` exists; InternalError where two records
/// of one cell differ; IncompleteError where the disk fails.
Merged merge(std::span<const std::string> inputs, const std::string& output,
             Hardware hardware = Hardware::same);

}  // namespace seldon::store

#pragma once
// `seldon-report verify`: is a store what it says?

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/cell.h"
#include "core/error.h"

namespace seldon::store {

enum class Trouble : std::uint8_t {
  torn,        ///< DONE, but the record does not fit its checksum
  contrary,    ///< the state says one thing, the record another
  suspicious,  ///< LEASED or LOST, or not DONE and suspected of killing the workers that run it
};
inline constexpr std::size_t trouble_count = 3;

struct Verification {
  struct Model {
    std::string name;
    std::array<std::uint64_t, 6> by_state{};  ///< cells, by CellState
  };
  struct Finding {
    std::string cell;  ///< "model 'qsa', data fraction 0.5, trial 3"
    Trouble trouble = Trouble::torn;
    std::string what;
  };
  std::string path;
  std::vector<Model> models;
  std::array<std::uint64_t, trouble_count> found{};  ///< cells, by Trouble
  std::vector<Finding> findings;                     ///< the first `most_findings` of each
  std::uint64_t records = 0;                         ///< whose checksum was computed and fits
  std::uint64_t unrecorded = 0;  ///< whole records whose state was not written: their cells run again
  std::string writer;            ///< the run that writes the store now, it seems; empty: none

  static constexpr std::size_t most_findings = 100;
  bool is_sound() const { return found == std::array<std::uint64_t, trouble_count>{}; }
  /// complete or incomplete.
  ExitCode exit_code() const { return is_sound() ? ExitCode::complete : ExitCode::incomplete; }
};

/// Recomputes every checksum and looks at every state. Changes nothing. InputError where there is no store.
Verification verify(const std::string& path);

/// For people, with what to do.
std::string to_text(const Verification& verification);

}  // namespace seldon::store

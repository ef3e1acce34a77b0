#pragma once
// A sweep: several experiments from one file (docs/sweeps.md). Its table [sweep] names several configs, or
// lists values of any keys of a config, or laws to draw them from.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "experiment/config.h"

namespace seldon::experiment {

/// One experiment of a sweep.
struct SweepMember {
  std::string name;                 ///< of letters a-z, digits, '.', '_' and '-'; no other member has it
  std::string config;               ///< the config's path
  bool own_config = false;          ///< which is the sweep's own file
  std::vector<Setting> settings;    ///< of the swept keys, in the order of Sweep::keys
  std::vector<std::string> values;  ///< the same for people: without quotes

  bool operator==(const SweepMember& other) const;
  /// "model.qsa.l2 = 0.1, constraint.di.delta = 0.05".
  std::string in_words() const;
};

struct Sweep {
  std::string path;
  bool many_configs = false;      ///< it lists configs, so members may differ in theirs
  std::vector<std::string> keys;  ///< that are swept: of the grid, then of the draws, in the file's order
  std::vector<SweepMember> members;
};

inline constexpr std::size_t most_members = 10'000;

/// Whether the file has a table [sweep]. InputError for what is no TOML.
bool is_sweep(const std::string& path);

/// Expands a sweep: configs vary slowest, then the first key of the grid, and draws fastest. A value that is
/// drawn depends on the seed, the number of its draw and the name of its key alone (Purpose::sweep).
/// `overrides` are the arguments of --set, which hold for every member and may not name a swept key.
/// InputError, with its place, for what is wrong with the sweep itself. What is wrong with a member's config
/// is for load_member to say.
Sweep load_sweep(const std::string& path, std::span<const std::string> overrides = {});

/// The member's config with its values and then `overrides` set. InputErrors end in the member's name and
/// values.
Description load_member(const SweepMember& member, std::span<const std::string> overrides = {});

}  // namespace seldon::experiment

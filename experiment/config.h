#pragma once
// From a config (TOML) to a Description, and back to text and identity. docs/config.md documents each key.

#include <map>
#include <span>
#include <string>
#include <vector>

#include "experiment/description.h"

namespace seldon::experiment {

/// Reads a config file. `overrides` are the arguments of --set, KEY=VALUE each: "experiment.n_trials=4",
/// "data.path=x.csv", "model.qsa.optimizer.variant=toolkit" (models, constraints and groups go by name); an
/// empty VALUE takes a key away. Throws InputError with the place: file and line, or "command line (--set
/// KEY)".
Description load_config(const std::string& path, std::span<const std::string> overrides = {});

/// The same from text; `file_name` is what messages and relative paths start from.
Description parse_config(const std::string& text, const std::string& file_name,
                         std::span<const std::string> overrides = {});

/// A key that is set from outside of the config.
struct Setting {
  std::string key;    ///< as --set has it: "model.qsa.optimizer.step_size"
  std::string value;  ///< TOML, or a bare text; empty: the key is taken away
  Location where;     ///< for messages about it
};
/// The arguments of --set. InputError for one that is no KEY=VALUE.
std::vector<Setting> from_command_line(std::span<const std::string> overrides);

/// What to do with a table [sweep], which makes several experiments of a file (experiment/sweep.h).
enum class SweepTable : bool { refuse, skip };

/// load_config and parse_config with settings, applied in their order.
Description load_config(const std::string& path, std::span<const Setting> settings,
                        SweepTable sweep = SweepTable::refuse);
Description parse_config(const std::string& text, const std::string& file_name,
                         std::span<const Setting> settings, SweepTable sweep = SweepTable::refuse);

/// The whole Description as TOML, every key written out, overrides included: what workers and the store get.
/// Parses to an equal Description.
std::string canonical_toml(const Description& description);

/// Whether two runs that differ in a key are the same experiment: identity keys make it, execution keys do
/// not.
enum class Role { identity, execution };

struct KnownKey {
  std::string key;  ///< "experiment.seed", "model.optimizer.variant"
  Role role;
};
/// Every key that a config may hold, in the order of the Description.
std::vector<KnownKey> known_keys();

/// The identity keys as one canonical JSON object: "experiment.seed": 1, "model.qsa.l2": 0, ... sorted,
/// without spaces, numbers in the shortest form that reads back. Defaults are written out; an unset key is
/// null. Keys that stores of earlier versions do not know are left out where they say what was done then.
/// `extra` joins as texts: the caller adds "data.hash", and "resample.indices.hash" where indices are given,
/// since paths are execution.
std::string identity_json(const Description& description,
                          const std::map<std::string, std::string>& extra = {});

/// What a config leaves open is settled once, when its store is created: the device ("auto"), and on a GPU
/// the pack sizes (0) and the convolutions ("auto") of networks. Fills these in as the store with this
/// identity has them. What the store does not know stays open: a model that is added to it.
void settle_as(Description& description, const std::string& identity);

/// What differs between two JSON objects of one level, a line each, sorted: "experiment.seed: 1 in the store,
/// 2 in the config"; keys in `ignored` may differ. Empty where they say the same. Throws InternalError for
/// text that is no JSON object.
std::vector<std::string> identity_difference(const std::string& store, const std::string& config,
                                             std::span<const std::string> ignored = {});

}  // namespace seldon::experiment

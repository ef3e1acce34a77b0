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
/// null. `extra` joins as texts: the caller adds "data.hash", and "resample.indices.hash" where indices are
/// given, since paths are execution.
std::string identity_json(const Description& description,
                          const std::map<std::string, std::string>& extra = {});

/// What differs between two JSON objects of one level, a line each, sorted: "experiment.seed: 1 in the store,
/// 2 in the config"; keys in `ignored` may differ. Empty where they say the same. Throws InternalError for
/// text that is no JSON object.
std::vector<std::string> identity_difference(const std::string& store, const std::string& config,
                                             std::span<const std::string> ignored = {});

}  // namespace seldon::experiment

#include "experiment/sweep.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/random.h"
#include "core/sha256.h"
#include "experiment/text.h"
#include "experiment/toml.h"

namespace seldon::experiment {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t longest_name = 100;  // a file's has 255, and the store's companions add to it
constexpr std::size_t hash_digits = 8;

// ---- Values as text -------------------------------------------------------------------------------------

std::string number(double value) {
  const std::string text = shortest(value);
  return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}

/// The value as TOML in one line. `where`: for what no key takes.
std::string to_toml(const toml::node& node, const Location& where) {
  if (const auto* text = node.as_string()) return quote(text->get());
  if (const auto* whole = node.as_integer()) return std::to_string(whole->get());
  if (const auto* real = node.as_floating_point()) return number(real->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  std::string out;
  if (const auto* list = node.as_array()) {
    for (const toml::node& entry : *list) out.append(out.empty() ? "" : ", ").append(to_toml(entry, where));
    return "[" + out + "]";
  }
  if (const auto* table = node.as_table()) {
    for (const auto& [key, entry] : *table)
      out.append(out.empty() ? "" : ", ")
          .append(quote(key.str()))
          .append(" = ")
          .append(to_toml(entry, where));
    return "{ " + out + " }";
  }
  throw InputError(where, "a date or time is the value of no key; put it in quotes if a text is meant");
}

std::string short_hash(const std::string& text) {
  Sha256 hash;
  hash.add(std::as_bytes(std::span(text)));
  return hash.hex().substr(0, hash_digits);
}

/// What does not fit into a name becomes '-', and capitals small letters.
std::string fit_for_name(const std::string& text) {
  std::string label;
  for (const char c : text) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    const bool capital = c >= 'A' && c <= 'Z';
    const char put = fits ? c : capital ? static_cast<char>(c - 'A' + 'a') : '-';
    if (put != '-' || fits || (!label.empty() && label.back() != '-')) label += put;
  }
  return label;
}

/// As part of a name: where something does not fit, a hash of the whole tells such values apart.
std::string to_label(const std::string& text) {
  std::string label = fit_for_name(text);
  if (label == text && !label.empty()) return label;
  while (!label.empty() && label.back() == '-') label.pop_back();
  return label.append(label.empty() ? "" : "-").append(short_hash(text));
}

/// As part of a name: "1e20" for 1e+20.
std::string number_label(double value) {
  std::string label = shortest(value);
  std::erase(label, '+');
  return label;
}

/// Lists of numbers are joined by '-'.
std::string to_label(const toml::node& node, const std::string& toml) {
  if (const auto* text = node.as_string()) return to_label(text->get());
  if (node.is_number()) return number_label(*node.value<double>());
  if (const auto* list = node.as_array(); list && list->is_homogeneous<double>()) {
    std::string label;
    for (const toml::node& entry : *list)
      label.append(label.empty() ? "" : "-").append(number_label(*entry.value<double>()));
    return label;
  }
  return to_label(toml);
}

std::string for_people(const toml::node& node, const std::string& toml) {
  const auto* text = node.as_string();
  return text ? text->get() : toml;
}

// ---- What is swept --------------------------------------------------------------------------------------

/// One value that a key may get.
struct Value {
  std::string toml;
  std::string shown;
  std::string label;  ///< as part of a name
  Location where;
};

struct Law {
  enum class Kind { uniform, log_uniform, integer, choice } kind = Kind::uniform;
  double low = 0, high = 0;
  std::int64_t first = 0, last = 0;
  std::vector<Value> choices;
};

struct GridKey {
  std::string key;
  std::vector<Value> values;
};
struct DrawnKey {
  std::string key;
  Law law;
  Location where;
};

/// Whether `table` holds `key`: "data.image" holds "data.image.width".
bool is_part_of(const std::string& key, const std::string& table) {
  return key.size() > table.size() && key.starts_with(table) && key[table.size()] == '.';
}

/// "model.qsa.optimizer.step_size" for the known key "model.optimizer.step_size".
bool fits(const std::string& key, const std::string& known) {
  if (key == known) return true;
  const std::size_t dot = known.find('.');
  const std::string section = known.substr(0, dot + 1), rest = known.substr(dot);
  if (section != "model." && section != "constraint." && section != "group.") return false;
  return key.starts_with(section) && key.ends_with(rest) && key.size() > section.size() + rest.size();
}

bool is_known(const std::string& key) {
  if (key.starts_with("model.") && key.find(".architecture_options.") != std::string::npos) return true;
  const auto known = known_keys();
  if (std::ranges::any_of(known, [&](const KnownKey& one) { return fits(key, one.key); })) return true;
  // Tables within a section: "data.image".
  return std::ranges::any_of(known, [&](const KnownKey& one) {
    const std::size_t last = one.key.rfind('.');
    return std::ranges::count(one.key, '.') > 1 && fits(key, one.key.substr(0, last));
  });
}

/// The known key that is nearest to a key with a name in it.
std::string nearest_known(const std::string& key) {
  std::vector<std::string> names;
  const auto parts = std::ranges::count(key, '.');
  for (const KnownKey& one : known_keys()) {
    std::string name = one.key;
    const std::string section = name.substr(0, name.find('.'));
    if ((section == "model" || section == "constraint" || section == "group") &&
        key.starts_with(section + ".") && parts > 1) {
      const std::size_t first = section.size(), second = key.find('.', first + 1);
      name.insert(first, key.substr(first, second - first));
    }
    names.push_back(std::move(name));
  }
  return nearest(key, names);
}

class SweepReader {
 public:
  SweepReader(const std::string& path, const toml::table& root, const toml::table& table)
      : path_(path), root_(root), table_(table) {}

  void read() {
    read_configs();
    if (const toml::node* node = table_.get("grid")) read_grid(*node);
    if (const toml::node* node = table_.get("random")) read_random(*node);
    if (grid.empty() && drawn.empty() && !listed)
      throw InputError(place(table_),
                       "[sweep] varies nothing; give it configs = [...], a table [sweep.grid] or "
                       "[sweep.random] (docs/sweeps.md)");
  }

  struct Config {
    std::string path, label;
    Location where;
  };
  std::vector<Config> configs;
  bool listed = false;  ///< by `configs`
  std::vector<GridKey> grid;
  std::vector<DrawnKey> drawn;
  std::uint64_t draws = 0, seed = 0;

 private:
  Location place(const toml::node& node) const { return {path_, static_cast<int>(node.source().begin.line)}; }
  Location place(const toml::key& key) const { return {path_, static_cast<int>(key.source().begin.line)}; }

  std::string beside(const std::string& config) const {
    return (fs::path(path_).parent_path() / config).lexically_normal().string();
  }

  void read_configs() {
    static const std::vector<std::string> known = {"configs", "base", "grid", "random"};
    for (const auto& [key, node] : table_)
      if (std::ranges::find(known, key.str()) == known.end())
        throw InputError(place(key), "unknown key " + quote(key.str()) + " in [sweep]; did you mean " +
                                         quote(nearest(key.str(), known)) + "?");
    const toml::node *list = table_.get("configs"), *base = table_.get("base");
    if (list && base)
      throw InputError(place(*base), "[sweep] has base and configs; keep one, configs for several files");
    if (!list && !base) {
      configs.push_back({path_, "", place(table_)});
      return;
    }
    for (const auto& [key, node] : root_)
      if (key.str() != "sweep")
        throw InputError(place(key), "the sweep takes its keys from " +
                                         std::string(list ? "configs" : "base") + ", so " + quote(key.str()) +
                                         " would not count here; take it away, or vary it in [sweep.grid]");
    if (base) {
      configs.push_back({beside(text_of(*base, "base")), "", place(*base)});
      return;
    }
    listed = true;
    const toml::array& entries = filled_list(*list, "configs");
    for (const toml::node& entry : entries) {
      const std::string path = text_of(entry, "an entry of configs");
      configs.push_back({beside(path), to_label(fs::path(path).stem().string()), place(entry)});
    }
  }

  std::string text_of(const toml::node& node, const std::string& what) const {
    const auto* text = node.as_string();
    if (!text || text->get().empty())
      throw InputError(place(node), what + " must be the path of a config, in quotes");
    return text->get();
  }

  const toml::array& filled_list(const toml::node& node, const std::string& what) const {
    const toml::array* list = node.as_array();
    if (!list) throw InputError(place(node), what + " must be a list in square brackets");
    if (list->empty())
      throw InputError(place(node), what +
                                        " is an empty list, so there is nothing to run; fill it or "
                                        "remove the key");
    return *list;
  }

  // Keys may be written in quotes or as tables in tables; in the file's order.
  struct Leaf {
    std::string key;
    const toml::node* node;
    Location where;
    std::pair<std::uint32_t, std::uint32_t> order;
  };
  template <class IsLeaf>
  void collect(const toml::table& table, const std::string& prefix, const IsLeaf& is_leaf,
               const std::vector<std::string>& passed_over, std::vector<Leaf>& leaves) const {
    for (const auto& [key, node] : table) {
      const std::string name = prefix + std::string(key.str());
      if (std::ranges::find(passed_over, name) != passed_over.end()) continue;
      if (node.is_table() && !is_leaf(*node.as_table())) {
        collect(*node.as_table(), name + ".", is_leaf, {}, leaves);
      } else {
        const auto begin = key.source().begin;
        leaves.push_back({name, &node, place(key), {begin.line, begin.column}});
      }
    }
  }
  template <class IsLeaf>
  std::vector<Leaf> leaves_of(const toml::table& table, const IsLeaf& is_leaf,
                              const std::vector<std::string>& passed_over) {
    std::vector<Leaf> leaves;
    collect(table, "", is_leaf, passed_over, leaves);
    std::ranges::stable_sort(leaves, {}, &Leaf::order);
    for (const Leaf& leaf : leaves) {
      if (!is_known(leaf.key))
        throw InputError(leaf.where, "no config has the key " + quote(leaf.key) + "; did you mean " +
                                         quote(nearest_known(leaf.key)) + "?");
      for (const auto& [other, where] : seen_) {
        if (other == leaf.key)
          throw InputError(leaf.where,
                           quote(leaf.key) + " is swept twice (" + where.str() + "); keep one of them");
        if (is_part_of(leaf.key, other) || is_part_of(other, leaf.key))
          throw InputError(leaf.where, quote(leaf.key) + " and " + quote(other) + " (" + where.str() +
                                           ") are swept, and one is part of the other, so that one of them "
                                           "would not count; keep one of them");
      }
      seen_.emplace(leaf.key, leaf.where);
    }
    return leaves;
  }

  /// Distinct values.
  std::vector<Value> values_of(const toml::node& node, const std::string& key) const {
    std::vector<Value> values;
    std::set<std::string> labels;
    for (const toml::node& entry : filled_list(node, quote(key))) {
      const Location where = place(entry);
      const std::string toml = to_toml(entry, where);
      values.push_back({toml, for_people(entry, toml), to_label(entry, toml), where});
      if (!labels.insert(values.back().label).second)
        throw InputError(where, quote(key) + " has " + toml + " again; list each value once");
    }
    return values;
  }

  void read_grid(const toml::node& node) {
    const toml::table* table = node.as_table();
    if (!table)
      throw InputError(place(node), "grid is a table: write [sweep.grid] and lists of values below");
    for (const Leaf& leaf : leaves_of(*table, [](const toml::table&) { return false; }, {}))
      grid.push_back({leaf.key, values_of(*leaf.node, leaf.key)});
    if (grid.empty())
      throw InputError(place(node),
                       "[sweep.grid] is empty; list values of a key in it, as in "
                       "\"experiment.n_trials\" = [10, 20]");
  }

  std::uint64_t whole(const toml::table& table, const toml::node& section, const std::string& name,
                      std::int64_t low, std::int64_t high) const {
    const toml::node* node = table.get(name);
    if (!node)
      throw InputError(place(section), "[sweep.random] has no " + name + "; add it, as in " + name +
                                           (name == "seed" ? " = 1" : " = 20"));
    const auto value = node->as_integer() ? std::optional(node->as_integer()->get()) : std::nullopt;
    if (!value || *value < low || *value > high)
      throw InputError(place(*node), name + " must be a whole number from " + std::to_string(low) + " to " +
                                         std::to_string(high) + "; change it");
    return static_cast<std::uint64_t>(*value);
  }

  static constexpr std::array<std::pair<const char*, Law::Kind>, 4> laws = {
      {{"uniform", Law::Kind::uniform},
       {"log_uniform", Law::Kind::log_uniform},
       {"integer", Law::Kind::integer},
       {"choice", Law::Kind::choice}}};

  static const std::pair<const char*, Law::Kind>* law_named(std::string_view name) {
    const auto found = std::ranges::find(laws, name, [](const auto& law) { return law.first; });
    return found == laws.end() ? nullptr : &*found;
  }

  void read_random(const toml::node& node) {
    const toml::table* table = node.as_table();
    if (!table) throw InputError(place(node), "random is a table: write [sweep.random] and its keys below");
    draws = whole(*table, node, "draws", 1, most_members);
    seed = whole(*table, node, "seed", 0, std::numeric_limits<std::int64_t>::max());
    const auto is_law = [](const toml::table& inner) {
      return inner.size() == 1 && law_named(inner.begin()->first.str());
    };
    for (const Leaf& leaf : leaves_of(*table, is_law, {"draws", "seed"}))
      drawn.push_back({leaf.key, law_of(leaf), leaf.where});
    if (drawn.empty())
      throw InputError(place(node),
                       "[sweep.random] draws no key; add one, as in \"model.qsa.l2\" = "
                       "{ log_uniform = [1e-6, 1e-2] }");
  }

  Law law_of(const Leaf& leaf) const {
    const auto refuse = [&](const std::string& problem) -> InputError {
      return {leaf.where, quote(leaf.key) + " " + problem};
    };
    const toml::table* table = leaf.node->as_table();
    if (!table)
      throw refuse(
          "needs a law: { uniform = [LOW, HIGH] }, { log_uniform = [LOW, HIGH] }, "
          "{ integer = [FIRST, LAST] } or { choice = [...] }");
    const auto only = table->begin();  // its value lives in the iterator
    const toml::node& node = only->second;
    const auto& [name, kind] = *law_named(only->first.str());
    Law law;
    law.kind = kind;
    if (kind == Law::Kind::choice) {
      law.choices = values_of(node, leaf.key);
      return law;
    }
    const toml::array* bounds = node.as_array();
    const bool two =
        bounds && bounds->size() == 2 && bounds->get(0)->is_number() && bounds->get(1)->is_number();
    if (!two) throw refuse(std::string("has a law ") + name + " without its two numbers; write [LOW, HIGH]");
    law.low = *bounds->get(0)->value<double>();
    law.high = *bounds->get(1)->value<double>();
    if (!std::isfinite(law.low) || !std::isfinite(law.high) || !(law.low < law.high))
      throw refuse("is drawn from " + shortest(law.low) + " to " + shortest(law.high) +
                   "; the first must be below the second, both finite");
    if (kind == Law::Kind::log_uniform && law.low <= 0)
      throw refuse("has a log_uniform from " + shortest(law.low) + ", which must be above 0");
    if (kind == Law::Kind::integer) {
      if (!bounds->get(0)->is_integer() || !bounds->get(1)->is_integer())
        throw refuse("has a law integer with bounds that are no whole numbers");
      law.first = bounds->get(0)->as_integer()->get();
      law.last = bounds->get(1)->as_integer()->get();
    }
    return law;
  }

  const std::string& path_;
  const toml::table& root_;
  const toml::table& table_;
  std::map<std::string, Location> seen_;
};

// ---- Draws ----------------------------------------------------------------------------------------------

/// With six significant digits: easy to read, and the same whatever mathematical library rounds.
double rounded(double value, const Law& law) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.5e", value);
  return std::clamp(std::strtod(text.data(), nullptr), law.low, law.high);
}

Value draw(const DrawnKey& drawn, std::uint64_t seed, std::uint64_t index) {
  const Stream stream(Purpose::sweep, seed, {index}, drawn.key);
  const Law& law = drawn.law;
  std::string text;
  switch (law.kind) {
    case Law::Kind::uniform:
      text = number(rounded(law.low + stream.uniform(0) * (law.high - law.low), law));
      break;
    case Law::Kind::log_uniform:
      text = number(rounded(law.low * std::pow(law.high / law.low, stream.uniform(0)), law));
      break;
    case Law::Kind::integer: {
      // Of whole numbers modulo 2^64, so that no difference overflows.
      const std::uint64_t count =
          static_cast<std::uint64_t>(law.last) - static_cast<std::uint64_t>(law.first) + 1;
      const std::uint64_t step = count == 0 ? stream.bits(0) : stream.below(0, count);
      text = std::to_string(static_cast<std::int64_t>(static_cast<std::uint64_t>(law.first) + step));
      break;
    }
    case Law::Kind::choice:
      return law.choices[stream.below(0, law.choices.size())];
  }
  return {text, text, text, drawn.where};
}

// ---- Members --------------------------------------------------------------------------------------------

/// The last parts of each key, as many as tell it from the other keys.
std::vector<std::string> labels_of(const std::vector<std::string>& keys) {
  std::vector<std::string> labels;
  for (const std::string& key : keys) {
    std::size_t dot = key.rfind('.');
    const auto shared = [&] {
      const std::string tail = key.substr(dot);
      return std::ranges::any_of(
          keys, [&](const std::string& other) { return other != key && other.ends_with(tail); });
    };
    while (dot != std::string::npos && dot > 0 && shared()) dot = key.rfind('.', dot - 1);
    labels.push_back(fit_for_name(dot == std::string::npos ? key : key.substr(dot + 1)));
  }
  return labels;
}

std::string cut(const std::string& name) {
  if (name.size() <= longest_name) return name;
  return name.substr(0, longest_name - hash_digits - 1) + "-" + short_hash(name);
}

std::string draw_label(std::uint64_t index) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "draw-%04llu", static_cast<unsigned long long>(index));
  return text.data();
}

void append_part(std::string& name, const std::string& part) {
  if (!part.empty()) name.append(name.empty() ? "" : "__").append(part);
}

void add_value(SweepMember& member, const std::string& key, const Value& value) {
  member.settings.push_back({key, value.toml, value.where});
  member.values.push_back(value.shown);
}

std::size_t count_members(const SweepReader& reader) {
  std::size_t count = reader.configs.size() * std::max<std::size_t>(reader.draws, 1);
  for (const GridKey& key : reader.grid)
    if (count <= most_members) count *= key.values.size();
  return count;
}

void refuse_swept(const Sweep& sweep, std::span<const std::string> overrides) {
  for (const Setting& setting : from_command_line(overrides))
    for (const std::string& key : sweep.keys)
      if (key == setting.key || is_part_of(key, setting.key))
        throw InputError(setting.where, quote(setting.key) + " is " +
                                            (key == setting.key ? "" : "or holds ") +
                                            "one of the keys that the sweep varies; take it from the "
                                            "command line, or from " +
                                            sweep.path);
}

}  // namespace

bool SweepMember::operator==(const SweepMember& other) const {
  return name == other.name && config == other.config && values == other.values &&
         std::ranges::equal(settings, other.settings, [](const Setting& a, const Setting& b) {
           return a.key == b.key && a.value == b.value;
         });
}

std::string SweepMember::in_words() const {
  std::string text;
  for (std::size_t i = 0; i < settings.size(); ++i)
    text.append(text.empty() ? "" : ", ").append(settings[i].key).append(" = ").append(values[i]);
  return text;
}

bool is_sweep(const std::string& path) {
  return parse_toml(read_file(path), {path, 0}).contains("sweep");
}

Sweep load_sweep(const std::string& path, std::span<const std::string> overrides) {
  const toml::table root = parse_toml(read_file(path), {path, 0});
  const toml::node* node = root.get("sweep");
  if (!node) throw InputError(Location{path, 0}, "has no table [sweep]; it is the config of one experiment");
  if (!node->is_table())
    throw InputError(Location{path, static_cast<int>(node->source().begin.line)},
                     "\"sweep\" is a table: write [sweep] and its keys below");
  SweepReader reader(path, root, *node->as_table());
  reader.read();
  const std::size_t count = count_members(reader);
  if (count > most_members)
    throw InputError(Location{path, static_cast<int>(node->source().begin.line)},
                     "the sweep has over " + std::to_string(most_members) +
                         " experiments; list fewer values, or draw some with [sweep.random]");

  Sweep sweep;
  sweep.path = path;
  sweep.many_configs = reader.listed;
  std::vector<std::string> grid_keys;
  for (const GridKey& key : reader.grid) grid_keys.push_back(key.key);
  const auto labels = labels_of(grid_keys);
  sweep.keys = grid_keys;
  for (const DrawnKey& key : reader.drawn) sweep.keys.push_back(key.key);
  refuse_swept(sweep, overrides);

  std::map<std::string, Location> names;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t index = reader.drawn.empty() ? 0 : i % reader.draws;
    std::size_t rest = reader.drawn.empty() ? i : i / reader.draws;
    std::vector<const Value*> values(reader.grid.size());
    for (std::size_t k = reader.grid.size(); k-- > 0;) {
      values[k] = &reader.grid[k].values[rest % reader.grid[k].values.size()];
      rest /= reader.grid[k].values.size();
    }
    const auto& config = reader.configs[rest];

    SweepMember& member = sweep.members.emplace_back();
    member.config = config.path;
    member.own_config = config.path == path && !reader.listed;
    std::string name;
    append_part(name, config.label);
    for (std::size_t k = 0; k < values.size(); ++k) {
      append_part(name, labels[k] + "-" + values[k]->label);
      add_value(member, reader.grid[k].key, *values[k]);
    }
    if (!reader.drawn.empty()) append_part(name, draw_label(index));
    for (const DrawnKey& key : reader.drawn) add_value(member, key.key, draw(key, reader.seed, index));
    member.name = cut(name);
    if (const auto [other, fresh] = names.emplace(member.name, config.where); !fresh)
      throw InputError(config.where,
                       "two experiments would have the name " + quote(member.name) + " (the other is of " +
                           other->second.str() +
                           "); rename one of the configs: an experiment is called after its file");
  }
  return sweep;
}

Description load_member(const SweepMember& member, std::span<const std::string> overrides) {
  std::vector<Setting> settings = member.settings;
  for (Setting& setting : from_command_line(overrides)) settings.push_back(std::move(setting));
  try {
    return load_config(member.config, settings, member.own_config ? SweepTable::skip : SweepTable::refuse);
  } catch (const InputError& error) {
    const std::string values = member.in_words();
    throw InputError(std::string(error.what()) + " (experiment " + quote(member.name) +
                     (values.empty() ? "" : ": " + values) + ")");
  }
}

}  // namespace seldon::experiment

// TOML to Description.

#include "experiment/config.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <set>

#include "experiment/check.h"
#include "experiment/keys.h"
#include "experiment/text.h"
#include "experiment/toml.h"

namespace seldon::experiment {

namespace {

// ---- --set --------------------------------------------------------------------------------------

/// A parsed config with what was set from outside. `set` maps the address of each such node ("data.path",
/// "model[0].optimizer.variant") to the setting.
struct Source {
  toml::table root;
  std::string file;
  std::map<std::string, Setting> set;

  /// What set the node at this address, or one that it is part of; null where the config itself says it.
  const Setting* setting_of(const std::string& address) const {
    for (std::string prefix = address;;) {
      if (const auto found = set.find(prefix); found != set.end()) return &found->second;
      const std::size_t dot = prefix.rfind('.');
      if (dot == std::string::npos) return nullptr;
      prefix.resize(dot);
    }
  }
  /// Of the node at this address.
  Location locate(const std::string& address, const toml::node& node) const {
    if (const Setting* setting = setting_of(address)) return setting->where;
    return {file, static_cast<int>(node.source().begin.line)};
  }
};

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  for (const KnownKey& known : known_keys()) {
    const std::string section = known.key.substr(0, known.key.find('.'));
    if (names.empty() || names.back() != section) names.push_back(section);
  }
  return names;
}

bool is_list_section(const std::string& name) {
  return name == "group" || name == "constraint" || name == "model";
}

/// What stands right of the '=': TOML where it is a value, else a text without quotes.
toml::table override_value(const std::string& text, const Location& where) {
  try {
    auto parsed = parse_toml("value = " + text, where, false);
    if (parsed.size() == 1) return parsed;
  } catch (const InputError&) {
    // A bare text: quoted below, where what no quotes mend is refused.
  }
  return parse_toml("value = " + quote(text), where, false);
}

class Overrider {
 public:
  Overrider(Source& source, const Setting& setting)
      : source_(source), key_(setting.key), text_(setting.value), where_(setting.where) {}

  void apply() {
    const std::size_t dot = key_.find('.');
    const std::string section = key_.substr(0, dot);
    const auto sections = section_names();
    if (std::find(sections.begin(), sections.end(), section) == sections.end())
      fail("there is no section " + quote(section) + "; did you mean " + quote(nearest(section, sections)) +
           "?");
    if (dot == std::string::npos) fail("this is a section; name a key in it, as in experiment.n_trials");
    const std::string rest = key_.substr(dot + 1);
    if (is_list_section(section)) {
      element(section, rest);
    } else {
      descend(child(source_.root, section, section), section, rest);
    }
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const { throw InputError(where_, problem); }

  /// The table `name` in a table, made where it is missing.
  toml::table& child(toml::table& parent, const std::string& name, const std::string& shown) {
    toml::node* node = parent.get(name);
    if (node == nullptr) node = &parent.insert(name, toml::table{}).first->second;
    if (!node->is_table()) fail(quote(shown) + " is no table here; it has no keys");
    return *node->as_table();
  }

  /// A key of the element that the name addresses; names may hold dots, so the longest that fits counts.
  void element(const std::string& section, const std::string& rest) {
    std::vector<std::string> names;
    toml::table* found = nullptr;
    std::string name, address;
    if (toml::array* list = source_.root[section].as_array()) {
      for (std::size_t i = 0; i < list->size(); ++i) {
        toml::table* table = list->get(i)->as_table();
        const auto given = table ? (*table)["name"].value<std::string>() : std::nullopt;
        if (!given) continue;
        names.push_back(*given);
        if (!rest.starts_with(*given + ".") || (found && given->size() <= name.size())) continue;
        found = table;
        name = *given;
        address = section + "[" + std::to_string(i) + "]";
      }
    }
    const std::string wanted = rest.substr(0, rest.find('.'));
    if (std::find(names.begin(), names.end(), rest) != names.end())
      fail(quote(rest) + " is a whole " + section + "; name a key in it");
    if (!found)
      fail("there is no " + section + " " + quote(wanted) +
           (names.empty() ? ", the config has none"
                          : "; did you mean " + quote(nearest(wanted, names)) + "?"));
    descend(*found, address, rest.substr(name.size() + 1));
  }

  void descend(toml::table& start, std::string address, const std::string& rest) {
    toml::table* table = &start;
    std::size_t from = 0;
    for (std::size_t dot; (dot = rest.find('.', from)) != std::string::npos; from = dot + 1) {
      if (from > 128) fail("a key has fewer parts");
      const std::string name = rest.substr(from, dot - from);
      table = &child(*table, name, name);
      address += "." + name;
    }
    const std::string name = rest.substr(from);
    if (name.empty()) fail("the key ends in a dot; name a key");
    address += "." + name;
    if (text_.empty()) {
      if (!table->contains(name))
        fail("there is no " + quote(name) + " to take away; write KEY=VALUE to set it");
      table->erase(name);
      return;
    }
    const auto value = override_value(text_, where_);
    table->insert_or_assign(name, *value.get("value"));
    source_.set[address] = {key_, text_, where_};
  }

  Source& source_;
  std::string key_, text_;
  Location where_;
};

// ---- Values -------------------------------------------------------------------------------------

/// A value's place and what it must be.
struct Site {
  std::string label;  ///< "data_fracs[3]", "model \"qsa\": optimizer.variant"
  Location where;
  const Rule& rule;
  std::optional<std::string> text;  ///< a setting as typed, for keys that hold text
  bool from_outside = false;        ///< `where` is a setting's: lines of the value mean nothing

  [[noreturn]] void fail(const std::string& problem) const { throw InputError(where, label + " " + problem); }
  Site at(std::size_t i, Location place) const {
    return {label + "[" + std::to_string(i) + "]", std::move(place), rule, std::nullopt, from_outside};
  }
};

std::string kind_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "the text " + quote(node.as_string()->get());
    case toml::node_type::integer:
      return "the number " + std::to_string(node.as_integer()->get());
    case toml::node_type::floating_point:
      return "the number " + shortest(node.as_floating_point()->get());
    case toml::node_type::boolean:
      return node.as_boolean()->get() ? "true" : "false";
    default:
      return "a date or time";
  }
}

std::string bounds_of(const Rule& rule) {
  const auto low = shortest(rule.low), high = shortest(rule.high);
  if (std::isinf(rule.high)) return rule.low_open ? "it must be above " + low : "it must be at least " + low;
  return "it lies in " + std::string(rule.low_open ? "(" : "[") + low + ", " + high +
         (rule.high_open ? ")" : "]");
}

void check_range(const Site& site, double value, const std::string& shown) {
  const Rule& rule = site.rule;
  if (std::isnan(value) || std::isinf(value)) site.fail("is " + shown + "; write a finite number");
  if (value < rule.low || value > rule.high || (rule.low_open && value == rule.low) ||
      (rule.high_open && value == rule.high))
    site.fail("is " + shown + " (" + bounds_of(rule) + "); change it");
}

void check_text(const Site& site, const std::string& value) {
  const Rule& rule = site.rule;
  if (rule.is_name && !is_name(value))
    site.fail("is " + quote(value) + " (a name has 1 to 64 letters, digits, '_', '-' and '.'); rename it");
  if (rule.not_empty && value.empty()) site.fail("is empty; give a text or remove the key");
  if (value.find('\0') != std::string::npos) site.fail("holds a zero byte; remove it");
  if (rule.choices.empty()) return;
  std::vector<std::string> choices(rule.choices.begin(), rule.choices.end());
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  std::string all;
  for (const std::string& choice : choices) all += (all.empty() ? "" : ", ") + quote(choice);
  site.fail("is " + quote(value) + " (it is one of " + all + "); did you mean " +
            quote(nearest(value, choices)) + "?");
}

void read(const Site& site, const toml::node& node, std::string& out) {
  if (const auto* value = node.as_string()) {
    out = value->get();
  } else if (site.text) {
    out = *site.text;
  } else {
    site.fail("must be a text in quotes, and is " + kind_of(node) + "; put it in quotes");
  }
  check_text(site, out);
}

void read(const Site& site, const toml::node& node, bool& out) {
  if (!node.is_boolean()) site.fail("must be true or false, and is " + kind_of(node));
  out = node.as_boolean()->get();
}

void read(const Site& site, const toml::node& node, double& out) {
  if (!node.is_number()) site.fail("must be a number, and is " + kind_of(node));
  out = node.is_integer() ? static_cast<double>(node.as_integer()->get()) : node.as_floating_point()->get();
  check_range(site, out, shortest(out));
}

void read(const Site& site, const toml::node& node, std::uint64_t& out) {
  if (!node.is_integer()) site.fail("must be a whole number, and is " + kind_of(node));
  const std::int64_t value = node.as_integer()->get();
  if (value < 0) site.fail("is " + std::to_string(value) + " (it must be at least 0); change it");
  out = static_cast<std::uint64_t>(value);
  check_range(site, static_cast<double>(value), std::to_string(value));
}

void read(const Site& site, const toml::node& node, std::uint32_t& out) {
  std::uint64_t wide = 0;
  read(site, node, wide);
  if (wide > std::numeric_limits<std::uint32_t>::max())
    site.fail("is " + std::to_string(wide) + ", too large");
  out = static_cast<std::uint32_t>(wide);
}

void read(const Site& site, const toml::node& node, char& out) {
  std::string text;
  read(site, node, text);
  if (text.size() != 1) site.fail("is " + quote(text) + "; give one character");
  out = text[0];
}

void read(const Site& site, const toml::node& node, Regime& out) {
  std::string text;
  read(site, node, text);
  out = text == "regression" ? Regime::regression : Regime::classification;
}

// ---- The reader ---------------------------------------------------------------------------------

class TomlReader {
 public:
  TomlReader(const Source& source, Description& description) : source_(source), description_(description) {
    const auto sections = section_names();
    for (const auto& [key, node] : source.root) {
      const std::string name(key.str());
      if (std::find(sections.begin(), sections.end(), name) != sections.end()) continue;
      const Location where = {source.file, static_cast<int>(key.source().begin.line)};
      if (name == "sweep")
        throw InputError(
            where,
            "[sweep] makes several experiments of this file, and one is wanted here; seldon check, "
            "run and submit take sweeps, with --store FOLDER/ (docs/sweeps.md)");
      if (node.is_table() || node.is_array_of_tables())
        throw InputError(where,
                         "unknown section [" + name + "]; did you mean [" + nearest(name, sections) + "]?");
      throw InputError(where, "unknown key " + quote(name) + " outside any section" + hint(name, sections));
    }
  }

  template <class Visit>
  void section(const std::string& name, Visit visit) {
    const toml::node* node = source_.root.get(name);
    if (node && node->is_array()) fail(name, *node, "stands once, in single brackets: write [" + name + "]");
    if (node && !node->is_table()) fail(name, *node, "is a section: write [" + name + "] and its keys below");
    static const toml::table missing;
    read_table(node ? *node->as_table() : missing, {name, name, "[" + name + "]", "", ""}, visit);
  }

  template <class T, class Visit>
  void sections(const std::string& name, std::vector<T>& list, Visit visit) {
    const toml::node* node = source_.root.get(name);
    if (!node) return;
    if (!node->is_array_of_tables())
      fail(name, *node, "is a list of sections: write [[" + name + "]] for each");
    const toml::array& tables = *node->as_array();
    if (tables.size() > most_sections)
      fail(name, *node, "has over " + std::to_string(most_sections) + " entries");
    std::map<std::string, Location> seen;
    for (std::size_t i = 0; i < tables.size(); ++i) {
      const toml::table& table = *tables.get(i)->as_table();
      const std::string given = table["name"].value_or(std::string());
      const std::string title =
          is_name(given) ? name + " " + quote(given) : "[[" + name + "]] " + std::to_string(i + 1);
      list.emplace_back();
      const std::string address = name + "[" + std::to_string(i) + "]";
      read_table(table, {address, name + "." + given, title, title + ": ", ""}, [&] { visit(list.back()); });
      const Location where = source_.locate(address + ".name", *table.get("name"));
      if (const auto [other, fresh] = seen.try_emplace(list.back().name, where); !fresh)
        throw InputError(where,
                         title + " exists already (" + other->second.str() + "); give each its own name");
    }
  }

  template <class T, class Visit>
  void nested(const std::string& name, T& object, Visit visit) {
    if (const toml::node* node = find(name)) {
      if (!node->is_table()) site(name, *node, Rule{}).fail("must be a table, as in { key = value }");
      const Frame& outer = frame_;
      read_table(*node->as_table(),
                 {outer.address + "." + name, outer.path + "." + name, outer.title + ", " + name,
                  outer.prefix, outer.inner + name + "."},
                 [&] { visit(object); });
    }
  }
  template <class T, class Visit>
  void nested(const std::string& name, std::optional<T>& object, Visit visit) {
    if (!collecting_ && frame_.table->contains(name)) object.emplace();
    T unused;
    nested(name, object ? *object : unused, visit);
  }

  template <class T>
  void key(const std::string& name, T& value, Role, const Rule& rule) {
    const toml::node* node = find(name);
    if (node) {
      take(site(name, *node, rule), *node, value);
    } else if (rule.required && !collecting_) {
      throw InputError(frame_.where, frame_.title + " has no " + name + "; add it");
    }
  }

  void fractions(const std::string& name, std::vector<double>& values, Role) {
    static const Rule rule{.required = true};
    const toml::node* node = find(name);
    if (collecting_) return;
    if (!node) throw InputError(frame_.where, frame_.title + " has no " + name + "; add it");
    const Site here = site(name, *node, rule);
    if (const toml::table* table = node->as_table()) {
      values = logspace(here, *table);
    } else if (const toml::array* list = node->as_array()) {
      take(here, *list, values);
    } else {
      here.fail("must be a list, as in [0.1, 1.0], or { logspace = [-3, 0, 15] }, and is " + kind_of(*node));
    }
    check_fractions(here, *node, values);
  }

 private:
  /// The table that is being read.
  struct Frame {
    std::string address;  ///< "model[0].optimizer"
    std::string path;     ///< "model.qsa.optimizer"
    std::string title;    ///< "model \"qsa\", optimizer": in messages about the table
    std::string prefix;   ///< "model \"qsa\": ": before a key in messages
    std::string inner;    ///< "optimizer."
    const toml::table* table = nullptr;
    Location where = {};
  };

  [[noreturn]] void fail(const std::string& address, const toml::node& node,
                         const std::string& problem) const {
    throw InputError(source_.locate(address, node), quote(address) + " " + problem);
  }

  /// "; it belongs to [split]" or "; did you mean "n_trials"?".
  static std::string hint(const std::string& name, const std::vector<std::string>& candidates) {
    for (const KnownKey& known : known_keys())
      if (const std::size_t dot = known.key.find('.'); known.key.substr(dot + 1) == name) {
        const std::string section = known.key.substr(0, dot);
        return "; it belongs to " + (is_list_section(section) ? "[[" + section + "]]" : "[" + section + "]");
      }
    return "; did you mean " + quote(nearest(name, candidates)) + "?";
  }

  /// Reads one table twice: first for the names of its keys, so that a misspelt one is told before what it
  /// lacks.
  template <class Visit>
  void read_table(const toml::table& table, Frame frame, Visit visit) {
    frame.table = &table;
    frame.where = source_.locate(frame.address, table);
    if (frame.where.line == 0 && frame.where.file == source_.file) frame.where = {source_.file, 0};
    const Frame outer = std::exchange(frame_, std::move(frame));
    if (table.source().begin.line > 0) description_.places[frame_.path] = frame_.where;

    std::vector<std::string> known;
    collecting_ = &known;
    visit();
    collecting_ = nullptr;
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      Location where = source_.locate(frame_.address + "." + name, node);
      if (!source_.setting_of(frame_.address + "." + name))
        where.line = static_cast<int>(key.source().begin.line);
      throw InputError(where, "unknown key " + quote(name) + " in " + frame_.title + hint(name, known));
    }
    visit();
    frame_ = outer;
  }

  /// The node of a key, or null; while names are collected, always null.
  const toml::node* find(const std::string& name) {
    if (!collecting_) return frame_.table->get(name);
    collecting_->push_back(name);
    return nullptr;
  }

  Site site(const std::string& name, const toml::node& node, const Rule& rule) {
    const std::string address = frame_.address + "." + name;
    const Location where = source_.locate(address, node);
    description_.places[frame_.path + "." + name] = where;
    const auto set = source_.set.find(address);
    return {frame_.prefix + frame_.inner + name, where, rule,
            set == source_.set.end() ? std::nullopt : std::optional(set->second.value),
            source_.setting_of(address) != nullptr};
  }

  /// Of an entry of a list: its own line, unless the list was set from outside.
  Location place_in(const Site& list, const toml::node& entry) const {
    return list.from_outside ? list.where
                             : Location{source_.file, static_cast<int>(entry.source().begin.line)};
  }

  template <class T>
  void take(const Site& here, const toml::node& node, T& out) {
    read(here, node, out);
  }
  template <class T>
  void take(const Site& here, const toml::node& node, Located<T>& out) {
    read(here, node, out.value);
    out.where = here.where;
  }
  template <class T>
  void take(const Site& here, const toml::node& node, std::optional<T>& out) {
    T value{};
    take(here, node, value);
    out = value;
  }
  template <class T>
  void take(const Site& here, const toml::node& node, std::vector<T>& out) {
    const toml::array* list = node.as_array();
    if (!list) here.fail("must be a list in square brackets, and is " + kind_of(node));
    if (list->empty()) here.fail("is an empty list; fill it or remove the key");
    std::vector<T> values(list->size());
    for (std::size_t i = 0; i < list->size(); ++i) {
      const toml::node& entry = *list->get(i);
      const Site site = here.at(i, place_in(here, entry));
      read(site, entry, values[i]);
      if (!here.rule.distinct) continue;
      if (!seen_.insert(literal_key(values[i])).second)
        site.fail("is " + literal_key(values[i]) + " again; remove it");
    }
    seen_.clear();
    out = std::move(values);
  }
  void take(const Site& here, const toml::node& node, std::array<double, 2>& out) {
    std::vector<double> values;
    take(here, node, values);
    if (values.size() != 2)
      here.fail("has " + std::to_string(values.size()) + " entries; give two, [low, high]");
    out = {values[0], values[1]};
  }
  void take(const Site& here, const toml::node& node, std::map<std::string, double>& out) {
    const toml::table* table = node.as_table();
    if (!table) here.fail("must be a table, as in { probability = 0.5 }, and is " + kind_of(node));
    out.clear();
    for (const auto& [key, entry] : *table) {
      const std::string name(key.str());
      const Site site{here.label + "." + name, place_in(here, entry), here.rule, std::nullopt,
                      here.from_outside};
      if (!is_name(name)) site.fail("is no name (1 to 64 letters, digits, '_', '-' and '.'); rename it");
      read(site, entry, out[name]);
    }
  }

  static std::string literal_key(const std::string& value) { return quote(value); }
  static std::string literal_key(double value) { return shortest(value); }

  /// numpy.logspace(start, stop, count): powers of ten of evenly spaced exponents, the last one exact.
  std::vector<double> logspace(const Site& here, const toml::table& table) const {
    for (const auto& [key, node] : table)
      if (key.str() != "logspace")
        throw InputError(place_in(here, node), "unknown key " + quote(key.str()) + " in " + here.label +
                                                   "; did you mean \"logspace\"?");
    const toml::array* list = table["logspace"].as_array();
    if (!list || list->size() != 3 || !(*list)[0].is_number() || !(*list)[1].is_number() ||
        !(*list)[2].is_integer())
      here.fail("must say { logspace = [START, STOP, COUNT] }, as in [-3, 0, 15]");
    const double start = *(*list)[0].value<double>(), stop = *(*list)[1].value<double>();
    const std::int64_t count = *(*list)[2].value<std::int64_t>();
    if (!std::isfinite(start) || !std::isfinite(stop)) here.fail("has a logspace that is not finite");
    if (count < 1 || count > static_cast<std::int64_t>(most_fractions))
      here.fail("has a logspace of " + std::to_string(count) + " points (1 to " +
                std::to_string(most_fractions) + ")");
    std::vector<double> values;
    const double step = count > 1 ? (stop - start) / static_cast<double>(count - 1) : 0;
    for (std::int64_t i = 0; i < count; ++i)
      values.push_back(
          std::pow(10.0, i + 1 == count && count > 1 ? stop : static_cast<double>(i) * step + start));
    return values;
  }

  void check_fractions(const Site& here, const toml::node& node, const std::vector<double>& values) const {
    if (values.size() > most_fractions) here.fail("has over " + std::to_string(most_fractions) + " entries");
    const toml::array* list = node.as_array();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const Site site = here.at(i, list ? place_in(here, *list->get(i)) : here.where);
      const std::string shown = "is " + shortest(values[i]);
      if (!(values[i] > 0 && values[i] <= 1)) site.fail(shown + " (a fraction lies in (0, 1]); remove it");
      if (i == 0 || values[i] > values[i - 1]) continue;
      site.fail(shown + (values[i] == values[i - 1] ? ", as the one before" : ", below the one before") +
                "; list fractions in increasing order, each once");
    }
  }

  const Source& source_;
  Description& description_;
  Frame frame_;
  std::vector<std::string>* collecting_ = nullptr;
  std::set<std::string> seen_;
};
}  // namespace

Description parse_config(const std::string& text, const std::string& file_name,
                         std::span<const Setting> settings, SweepTable sweep) {
  Source source{parse_toml(text, {file_name, 0}), file_name, {}};
  if (sweep == SweepTable::skip) source.root.erase("sweep");
  for (const Setting& setting : settings) Overrider(source, setting).apply();

  Description description;
  description.where = {file_name, 0};
  description.folder = std::filesystem::absolute(std::filesystem::path(file_name)).parent_path().string();
  TomlReader reader(source, description);
  visit_description(reader, description);
  complete(description);
  return description;
}

Description load_config(const std::string& path, std::span<const Setting> settings, SweepTable sweep) {
  return parse_config(read_file(path), path, settings, sweep);
}

Description parse_config(const std::string& text, const std::string& file_name,
                         std::span<const std::string> overrides) {
  return parse_config(text, file_name, from_command_line(overrides));
}

Description load_config(const std::string& path, std::span<const std::string> overrides) {
  return load_config(path, from_command_line(overrides));
}

std::vector<Setting> from_command_line(std::span<const std::string> overrides) {
  std::vector<Setting> settings;
  for (const std::string& argument : overrides) {
    const std::size_t equals = argument.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw InputError(Location{}, "--set " + quote(argument) +
                                       " is no KEY=VALUE; write for example --set experiment.n_trials=4");
    const std::string key = argument.substr(0, equals);
    settings.push_back({key, argument.substr(equals + 1), {"command line (--set " + key + ")", 0}});
  }
  return settings;
}

}  // namespace seldon::experiment

// What a Description is written to: the canonical text, the identity, the list of keys.

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <set>

#include "experiment/config.h"
#include "experiment/keys.h"
#include "experiment/text.h"

namespace seldon::experiment {

namespace {

// ---- One value, as JSON and TOML both write it --------------------------------------------------

std::string literal(const std::string& value) {
  return quote(value);
}
std::string literal(char value) {
  return quote({&value, 1});
}
std::string literal(bool value) {
  return value ? "true" : "false";
}
std::string literal(std::uint32_t value) {
  return std::to_string(value);
}
std::string literal(std::uint64_t value) {
  return std::to_string(value);
}
/// With a point or an exponent: TOML reads bare digits as an integer of 64 bits.
std::string literal(double value) {
  const std::string text = shortest(value);
  return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}
std::string literal(Regime value) {
  return quote(name_of(value));
}

template <class T>
std::string literal(const Located<T>& value) {
  return literal(value.value);
}

template <class List>
std::string list_literal(const List& values) {
  std::string out = "[";
  for (const auto& value : values) out.append(out.size() > 1 ? "," : "").append(literal(value));
  return out + "]";
}
template <class T>
std::string literal(const std::vector<T>& values) {
  return list_literal(values);
}
std::string literal(const std::array<double, 2>& values) {
  return list_literal(values);
}

/// Whether a value is as good as left out: a config cannot write it.
template <class T>
bool unset(const T&) {
  return false;
}
bool unset(const std::string& value) {
  return value.empty();
}
bool unset(const Located<std::string>& value) {
  return value.value.empty();
}
template <class T>
bool unset(const std::vector<T>& values) {
  return values.empty();
}

// ---- Visitors -----------------------------------------------------------------------------------

/// Keeps track of the key's full name; Derived::value(name, value, role, rule) gets every set or unset key.
template <class Derived>
class Walker {
 public:
  template <class Visit>
  void section(const std::string& name, Visit visit) {
    within(name, visit);
  }
  template <class List, class Visit>
  void sections(const std::string& name, List& list, Visit visit) {
    for (auto& object : list) within(name + "." + object.name, [&] { visit(object); });
  }
  template <class T, class Visit>
  void nested(const std::string& name, T& object, Visit visit) {
    within(name, [&] { visit(object); });
  }
  template <class T, class Visit>
  void nested(const std::string& name, const std::optional<T>& object, Visit visit) {
    if (object) within(name, [&] { visit(*object); });
  }
  template <class T>
  void key(const std::string& name, T& value, Role role, const Rule& rule) {
    static_cast<Derived&>(*this).value(prefix_ + name, value, role, rule);
  }
  template <class T>
  void fractions(const std::string& name, T& values, Role role) {
    static_cast<Derived&>(*this).value(prefix_ + name, values, role, Rule{});
  }

 private:
  template <class Visit>
  void within(const std::string& name, Visit visit) {
    const std::size_t length = prefix_.size();
    prefix_ += name + ".";
    visit();
    prefix_.resize(length);
  }
  std::string prefix_;
};

class IdentityWriter : public Walker<IdentityWriter> {
 public:
  template <class T>
  void value(const std::string& name, const T& value, Role role, const Rule& rule) {
    if (role != Role::identity) return;
    const std::string text = unset(value) ? "null" : literal(value);
    if (text != rule.unsaid) values[name] = text;
  }
  template <class T>
  void value(const std::string& name, const std::optional<T>& value, Role role, const Rule&) {
    if (role == Role::identity) values[name] = value ? literal(*value) : "null";
  }
  void value(const std::string& name, const std::map<std::string, double>& options, Role role, const Rule&) {
    if (role != Role::identity) return;
    for (const auto& [option, number] : options) values[name + "." + option] = literal(number);
  }

  std::map<std::string, std::string> values;
};

/// Sections as headers, tables inside them as dotted keys.
class TomlWriter {
 public:
  template <class Visit>
  void section(const std::string& name, Visit visit) {
    out += "[" + name + "]\n";
    visit();
  }
  template <class List, class Visit>
  void sections(const std::string& name, const List& list, Visit visit) {
    for (const auto& object : list) {
      out += "[[" + name + "]]\n";
      visit(object);
    }
  }
  template <class T, class Visit>
  void nested(const std::string& name, const T& object, Visit visit) {
    prefix_ = name + ".";
    visit(object);
    prefix_.clear();
  }
  template <class T, class Visit>
  void nested(const std::string& name, const std::optional<T>& object, Visit visit) {
    if (object) nested(name, *object, visit);
  }
  template <class T>
  void key(const std::string& name, const T& value, Role, const Rule&) {
    if (!unset(value)) line(name, literal(value));
  }
  template <class T>
  void key(const std::string& name, const std::optional<T>& value, Role, const Rule&) {
    if (value) line(name, literal(*value));
  }
  void key(const std::string& name, const std::map<std::string, double>& options, Role, const Rule&) {
    for (const auto& [option, number] : options) line(name + "." + quote(option), literal(number));
  }
  void fractions(const std::string& name, const std::vector<double>& values, Role) {
    line(name, literal(values));
  }

  std::string out;

 private:
  void line(const std::string& name, const std::string& value) {
    out += prefix_ + name + " = " + value + "\n";
  }
  std::string prefix_;
};

/// Names without those of list elements: "model.optimizer.variant".
class KeyLister {
 public:
  template <class Visit>
  void section(const std::string& name, Visit visit) {
    prefix_ = name + ".";
    visit();
  }
  template <class T, class Visit>
  void sections(const std::string& name, const std::vector<T>&, Visit visit) {
    T object;
    section(name, [&] { visit(object); });
  }
  template <class T, class Visit>
  void nested(const std::string& name, T& object, Visit visit) {
    const std::string outer = prefix_;
    prefix_ += name + ".";
    visit(object);
    prefix_ = outer;
  }
  template <class T, class Visit>
  void nested(const std::string& name, std::optional<T>&, Visit visit) {
    T object;
    nested(name, object, visit);
  }
  template <class T>
  void key(const std::string& name, const T&, Role role, const Rule& rule) {
    keys.push_back({prefix_ + name, role});
    if (!rule.unsaid.empty()) unsaid[prefix_ + name] = rule.unsaid;
  }
  void fractions(const std::string& name, const std::vector<double>&, Role role) {
    keys.push_back({prefix_ + name, role});
  }

  std::vector<KnownKey> keys;
  std::map<std::string, std::string> unsaid;  ///< by name

 private:
  std::string prefix_;
};

/// The names of a list in their order, which the records' axes follow.
template <class List>
std::string names_of(const List& list) {
  std::vector<std::string> names;
  for (const auto& object : list) names.push_back(object.name);
  return literal(names);
}

// ---- Reading a JSON object of one level ---------------------------------------------------------

class ObjectReader {
 public:
  explicit ObjectReader(std::string_view text) : text_(text) {}

  std::map<std::string, std::string> read() {
    std::map<std::string, std::string> values;
    expect('{');
    if (peek() == '}') return expect('}'), values;
    do {
      const std::string key(value());
      expect(':');
      values[key] = value();
    } while (taken(','));
    expect('}');
    return values;
  }

 private:
  char peek() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool taken(char c) { return peek() == c && ++at_; }
  void expect(char c) {
    if (!taken(c)) throw InternalError("an identity is no JSON object of one level");
  }
  /// The text of a value as it stands, up to the comma, colon or brace after it.
  std::string_view value() {
    peek();
    const std::size_t start = at_;
    int depth = 0;
    bool quoted = false;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (quoted) {
        if (c == '\\') ++at_;
        if (c == '"') quoted = false;
      } else if (c == '"') {
        quoted = true;
      } else if (c == '[' || c == '{') {
        ++depth;
      } else if (depth == 0 && (c == ',' || c == ':' || c == '}')) {
        break;
      } else if (c == ']' || c == '}') {
        --depth;
      }
    }
    if (at_ >= text_.size() || at_ == start)
      throw InternalError("an identity is no JSON object of one level");
    const std::string_view taken = text_.substr(start, at_ - start);
    return taken.substr(0, taken.find_last_not_of(" \t\r\n") + 1);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

KeyLister list_keys() {
  KeyLister lister;
  Description description;
  visit_description(lister, description);
  return lister;
}

/// What a key of an identity says where it is left out; "null" for those that are never.
std::string said_by_silence(const std::string& key) {
  static const auto unsaid = list_keys().unsaid;
  for (const auto& [name, value] : unsaid) {
    if (key == name) return value;
    // "model.qsa.precision": elements of lists have names, which may hold dots.
    const std::size_t dot = name.find('.');
    if (key.starts_with("model.") && name.starts_with("model.") && key.size() > name.size() &&
        key.ends_with(name.substr(dot)))
      return value;
  }
  return "null";
}

/// The text of a quoted literal without escapes.
std::string unquoted(const std::string& literal) {
  return literal.size() < 2 ? "" : literal.substr(1, literal.size() - 2);
}

}  // namespace

std::string canonical_toml(const Description& description) {
  TomlWriter writer;
  visit_description(writer, description);
  return writer.out;
}

std::vector<KnownKey> known_keys() {
  return list_keys().keys;
}

std::string identity_json(const Description& description, const std::map<std::string, std::string>& extra) {
  IdentityWriter writer;
  visit_description(writer, description);
  writer.values["group"] = names_of(description.groups);
  writer.values["constraint"] = names_of(description.constraints);
  writer.values["model"] = names_of(description.models);
  for (const auto& [key, text] : extra) writer.values[key] = quote(text);

  std::string out = "{";
  for (const auto& [key, value] : writer.values)
    out.append(out.size() > 1 ? "," : "").append(quote(key)).append(":").append(value);
  return out + "}";
}

void settle_as(Description& description, const std::string& identity) {
  const auto values = ObjectReader(identity).read();
  const auto said = [&](const std::string& key) {
    const auto found = values.find(quote(key));
    return found == values.end() ? said_by_silence(key) : found->second;
  };
  if (description.device == "auto") description.device = unquoted(said("experiment.device"));
  for (ModelSection& model : description.models) {
    const std::string prefix = "model." + model.name + ".";
    const auto pack_size = values.find(quote(prefix + "pack_size"));
    if (pack_size == values.end()) continue;  // a model that the store lacks
    if (model.pack_size == 0)
      model.pack_size = static_cast<std::uint32_t>(std::strtoul(pack_size->second.c_str(), nullptr, 10));
    if (model.convolutions == "auto") model.convolutions = unquoted(said(prefix + "convolutions"));
  }
}

std::vector<std::string> identity_difference(const std::string& store, const std::string& config,
                                             std::span<const std::string> ignored) {
  auto ours = ObjectReader(store).read(), theirs = ObjectReader(config).read();
  std::set<std::string> keys;
  for (const auto& [key, value] : ours) keys.insert(key);
  for (const auto& [key, value] : theirs) keys.insert(key);

  const auto shown = [](const std::map<std::string, std::string>& values, const std::string& key) {
    const auto found = values.find(key);
    const std::string value = found == values.end() ? said_by_silence(unquoted(key)) : found->second;
    return value == "null" ? "nothing" : value;
  };
  std::vector<std::string> lines;
  for (const std::string& key : keys) {
    const std::string a = shown(ours, key), b = shown(theirs, key);
    const std::string name = unquoted(key);
    if (a != b && std::ranges::find(ignored, name) == ignored.end())
      lines.push_back(name + ": " + a + " in the store, " + b + " in the config");
  }
  return lines;
}

}  // namespace seldon::experiment

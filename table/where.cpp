#include "table/where.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <system_error>
#include <utility>

#include "table/text.h"

namespace seldon::table {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool is_name_part(char c) {
  return is_name_start(c) || is_digit(c) || c == '-' || c == '.';
}

}  // namespace

/// Recursive descent over the grammar in the header.
class WhereParser {
 public:
  WhereParser(const std::string& text, const Location& location, std::span<const std::string> columns,
              const std::string& file)
      : text_(text), location_(location), columns_(columns), file_(file) {}

  Where::Node parse() {
    Where::Node root = condition(0);
    if (!at_end()) fail("this is more than one condition; join them by 'and' or 'or'");
    return root;
  }

 private:
  using Kind = Where::Kind;
  using Relation = Where::Relation;
  using Value = Where::Value;
  using Node = Where::Node;
  struct Name {
    std::string text;
    std::size_t at;
  };
  using Operand =
      std::variant<double, std::string, Name>;  ///< a number, text in quotes, a name not yet understood

  static constexpr int deepest = 50;  ///< bounds the recursion on hostile text

  Node condition(int depth) { return joined("or", Kind::any_of, depth); }

  Node joined(std::string_view word, Kind kind, int depth) {
    const auto part = [&] {
      return kind == Kind::any_of ? joined("and", Kind::all_of, depth) : negation(depth);
    };
    Node first = part();
    if (!peek_word(word)) return first;
    Node node{.kind = kind};
    node.parts.push_back(std::move(first));
    while (take_word(word)) node.parts.push_back(part());
    return node;
  }

  Node negation(int depth) {
    if (depth > deepest) fail("this is nested too deeply; write it with fewer parentheses");
    if (take_word("not")) {
      Node node{.kind = Kind::none_of};
      node.parts.push_back(negation(depth + 1));
      return node;
    }
    if (take("(")) {
      Node node = condition(depth + 1);
      if (!take(")")) fail("a ')' is missing here");
      return node;
    }
    return comparison();
  }

  Node comparison() {
    skip_blanks();
    const std::size_t start = at_;
    const Operand left = operand();
    if (take_word("in")) return membership(left, start);
    std::vector<Relation> relations = {relation()};
    std::vector<Operand> operands = {left, operand()};
    if (const auto second = try_relation()) {
      relations.push_back(*second);
      operands.push_back(operand());
    }

    const auto subject = std::find_if(operands.begin(), operands.end(),
                                      [](const Operand& o) { return std::holds_alternative<Name>(o); });
    if (subject == operands.end()) fail_at(start, "this comparison names no column");
    const auto position = static_cast<std::size_t>(subject - operands.begin());
    if (operands.size() == 3 && position != 1)
      fail_at(start, "of two comparisons in a row the column stands in the middle, as in 18 <= age < 30");
    const std::size_t column = column_of(std::get<Name>(*subject));

    Node both{.kind = Kind::all_of};
    for (std::size_t i = 0; i < relations.size(); ++i) {
      const bool column_on_left = position == i;
      both.parts.push_back(Node{.column = column,
                                .relation = column_on_left ? relations[i] : mirrored(relations[i]),
                                .values = {value_of(operands[column_on_left ? i + 1 : i])}});
      if (std::holds_alternative<std::string>(both.parts.back().values[0]) &&
          relations[i] != Relation::equal && relations[i] != Relation::unequal)
        fail_at(start, "text has no order; compare it by == or !=, or give a number");
    }
    return both.parts.size() == 1 ? std::move(both.parts[0]) : both;
  }

  Node membership(const Operand& left, std::size_t start) {
    if (!std::holds_alternative<Name>(left)) fail_at(start, "a column belongs before 'in'");
    Node node{.kind = Kind::one_of, .column = column_of(std::get<Name>(left))};
    if (!take("{")) fail("a '{' with the list of values belongs here");
    do node.values.push_back(value_of(operand()));
    while (take(","));
    if (!take("}")) fail("a ',' or '}' is missing here");
    return node;
  }

  Operand operand() {
    skip_blanks();
    if (at_end()) fail("the expression ends where a column, a number or text belongs");
    const char first = text_[at_];
    if (first == '"') return quoted('"');
    if (first == '`') {
      const std::size_t start = at_;
      return Name{quoted('`'), start};
    }
    if (is_name_start(first)) {
      const std::string_view word = peek_name();
      for (std::string_view reserved : {"and", "or", "not", "in"})
        if (word == reserved)
          fail("a column, a number or text belongs here; put " + quote(word) + " in quotes");
      at_ += word.size();
      return Name{std::string(word), at_ - word.size()};
    }
    return number();
  }

  double number() {
    const std::size_t skip = text_[at_] == '+' ? 1 : 0;
    const std::string_view rest = text_.substr(at_ + skip);
    double value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error == std::errc::invalid_argument || !std::isfinite(value))
      fail("a column, a number or text in double quotes belongs here");
    if (error == std::errc::result_out_of_range) fail("this number is out of the range of double precision");
    const std::size_t length = skip + static_cast<std::size_t>(end - rest.data());
    if (at_ + length < text_.size() && is_name_part(text_[at_ + length]))
      fail("this starts like a number and goes on like a name; put text in double quotes");
    at_ += length;
    return value;
  }

  std::string quoted(char mark) {
    const std::size_t end = text_.find(mark, at_ + 1);
    if (end == std::string_view::npos) fail("this quote never closes");
    const std::string_view inner = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return std::string(inner);
  }

  std::optional<Relation> try_relation() {
    static constexpr std::pair<std::string_view, Relation> spellings[] = {
        {"==", Relation::equal},         {"!=", Relation::unequal}, {"<=", Relation::less_equal},
        {">=", Relation::greater_equal}, {"<", Relation::less},     {">", Relation::greater}};
    for (const auto& [spelling, meaning] : spellings)
      if (take(spelling)) return meaning;
    return std::nullopt;
  }

  Relation relation() {
    if (const auto found = try_relation()) return *found;
    skip_blanks();
    if (!at_end() && text_[at_] == '=') fail("a single '=' compares nothing; write ==");
    fail("a comparison (==, !=, <, <=, >, >=) or 'in' belongs here");
  }

  static Relation mirrored(Relation relation) {
    switch (relation) {
      case Relation::less:
        return Relation::greater;
      case Relation::less_equal:
        return Relation::greater_equal;
      case Relation::greater:
        return Relation::less;
      case Relation::greater_equal:
        return Relation::less_equal;
      default:
        return relation;
    }
  }

  static Value value_of(const Operand& operand) {
    if (const auto* number = std::get_if<double>(&operand)) return *number;
    if (const auto* name = std::get_if<Name>(&operand)) return name->text;
    return std::get<std::string>(operand);
  }

  std::size_t column_of(const Name& name) const {
    const auto found = std::find(columns_.begin(), columns_.end(), name.text);
    if (found == columns_.end())
      fail_at(name.at, file_ + " has no column " + quote(name.text) + "; the nearest name is " +
                           quote(nearest(name.text, columns_)));
    return static_cast<std::size_t>(found - columns_.begin());
  }

  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) ++at_;
  }
  bool at_end() {
    skip_blanks();
    return at_ >= text_.size();
  }
  bool take(std::string_view token) {
    skip_blanks();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  std::string_view peek_name() {
    skip_blanks();
    std::size_t end = at_;
    while (end < text_.size() && is_name_part(text_[end])) ++end;
    return text_.substr(at_, end - at_);
  }
  bool peek_word(std::string_view word) { return peek_name() == word; }
  bool take_word(std::string_view word) {
    if (!peek_word(word)) return false;
    at_ += word.size();
    return true;
  }

  [[noreturn]] void fail(const std::string& message) {
    skip_blanks();
    fail_at(at_, message);
  }
  /// Shows the expression with a mark under byte `at`.
  [[noreturn]] void fail_at(std::size_t at, const std::string& message) const {
    std::string shown(text_);
    std::replace_if(
        shown.begin(), shown.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    throw InputError(location_, "where: " + message + "\n  " + shown + "\n  " + std::string(at, ' ') + "^");
  }

  std::string_view text_;
  const Location& location_;
  std::span<const std::string> columns_;
  const std::string& file_;
  std::size_t at_ = 0;
};

Where::Where(const std::string& expression, const Location& location, std::span<const std::string> columns,
             const std::string& file)
    : root_(WhereParser(expression, location, columns, file).parse()) {}

bool Where::holds(const Node& node, const RowValues& row) {
  const auto part_holds = [&](const Node& part) { return holds(part, row); };
  switch (node.kind) {
    case Kind::all_of:
      return std::all_of(node.parts.begin(), node.parts.end(), part_holds);
    case Kind::any_of:
      return std::any_of(node.parts.begin(), node.parts.end(), part_holds);
    case Kind::none_of:
      return std::none_of(node.parts.begin(), node.parts.end(), part_holds);
    case Kind::one_of:
    case Kind::compare:
      return std::any_of(node.values.begin(), node.values.end(),
                         [&](const Value& value) { return relates(node, value, row); });
  }
  throw InternalError("a where-expression of an unknown kind");
}

bool Where::relates(const Node& node, const Value& value, const RowValues& row) {
  if (const auto* text = std::get_if<std::string>(&value))
    return (row.text(node.column) == *text) == (node.relation == Relation::equal);
  const double have = row.number(node.column), limit = std::get<double>(value);
  switch (node.relation) {
    case Relation::equal:
      return have == limit;
    case Relation::unequal:
      return have != limit;
    case Relation::less:
      return have < limit;
    case Relation::less_equal:
      return have <= limit;
    case Relation::greater:
      return have > limit;
    case Relation::greater_equal:
      return have >= limit;
  }
  throw InternalError("a comparison of an unknown kind");
}

}  // namespace seldon::table

#pragma once
// The condition that makes a group: `gender == 0`, `18 <= age < 30`, `sex == "F" and not (age >= 65)`,
// `personal_status in {A91, A93}`.
//
//   condition  = conjunction { "or" conjunction }
//   conjunction = negation { "and" negation }
//   negation   = "not" negation | "(" condition ")" | comparison
//   comparison = operand operator operand [ operator operand ] | column "in" "{" value { "," value } "}"
//   operator   = "==" | "!=" | "<" | "<=" | ">" | ">="
//
// The first name of a comparison is the column (in backquotes if it holds more than letters, digits, '_',
// '-', '.'); any other name is text, as is what stands in double quotes. A column compared with a number must
// hold numbers; text knows == and != only.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/error.h"

namespace seldon::table {

/// The fields of one row, by the column's position.
class RowValues {
 public:
  virtual ~RowValues() = default;
  virtual std::string_view text(std::size_t column) const = 0;
  /// Throws an InputError with the row's place if the field is no number.
  virtual double number(std::size_t column) const = 0;
};

class Where {
 public:
  /// Parses and finds the columns; `file` is the data file. An InputError shows the place in the expression.
  Where(const std::string& expression, const Location& location, std::span<const std::string> columns,
        const std::string& file);

  bool holds(const RowValues& row) const { return holds(root_, row); }

 private:
  friend class WhereParser;
  enum class Kind { compare, one_of, all_of, any_of, none_of };
  enum class Relation { equal, unequal, less, less_equal, greater, greater_equal };
  using Value = std::variant<double, std::string>;
  struct Node {
    Kind kind = Kind::compare;
    std::vector<Node> parts = {};         ///< all_of, any_of, none_of
    std::size_t column = 0;               ///< compare, one_of
    Relation relation = Relation::equal;  ///< compare: column relation values[0]
    std::vector<Value> values = {};       ///< compare: one; one_of: any number
  };
  static bool holds(const Node& node, const RowValues& row);
  static bool relates(const Node& node, const Value& value, const RowValues& row);

  Node root_;
};

}  // namespace seldon::table

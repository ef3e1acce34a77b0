#pragma once
// The value of a constraint from the sums of the groups that it names: what the record says of it can then be
// checked. The language is that of docs/semantics.md.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/subgroups/subgroups.h"
#include "core/record.h"

namespace seldon::analysis {

class ConstraintValue {
 public:
  /// None where the expression cannot be followed: a measure or function that is not known here, or groups
  /// that are no subgroup of the records.
  static std::optional<ConstraintValue> parse(std::string_view expression, const RecordShape& shape,
                                              const std::vector<Subgroup>& subgroups);

  /// g by soft decisions (by values in a regression) on one truth; <= 0 where the constraint holds. NaN where
  /// a group has no rows.
  double at(const RecordView& record, std::size_t truth) const;

 private:
  friend class ConstraintParser;
  enum class Kind : unsigned char {
    number,
    measure,
    add,
    subtract,
    multiply,
    divide,
    power,
    min,
    max,
    abs,
    exp,
    log
  };
  enum class Base : unsigned char {
    positive,
    true_positive,
    false_positive,
    confusion,
    accuracy,
    error,
    square
  };
  struct Node {
    Kind kind = Kind::number;
    double number = 0;
    std::size_t left = 0, right = 0;  ///< positions of the operands
    Base base = Base::positive;
    bool complement = false;  ///< 1 minus it
    std::size_t subgroup = 0, of_class = 1, decided = 1;
  };
  double value(std::size_t node, const RecordView& record, std::size_t truth) const;
  double measure(const Node& node, const RecordView& record, std::size_t truth) const;

  std::vector<Node> nodes_;
  std::size_t root_ = 0, classes_ = 2, subgroups_ = 1;
};

}  // namespace seldon::analysis

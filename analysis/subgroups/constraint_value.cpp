#include "analysis/subgroups/constraint_value.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <numbers>

namespace seldon::analysis {

/// Recursive descent; `failed_` once anything is not understood. Positions of nodes stand for parts.
class ConstraintParser {
 public:
  ConstraintParser(std::string_view text, const RecordShape& shape, const std::vector<Subgroup>& subgroups)
      : text_(text), shape_(shape), subgroups_(subgroups) {}

  std::optional<ConstraintValue> parse() {
    auto root = sum();
    if (take("<="))
      root = add({Kind::subtract, 0, root, sum()});
    else if (take(">="))
      root = add({Kind::subtract, 0, sum(), root});
    blanks();
    if (failed_ || at_ < text_.size()) return std::nullopt;
    value_.root_ = root;
    value_.classes_ = shape_.classes;
    value_.subgroups_ = subgroups_.size();
    return std::move(value_);
  }

 private:
  using Kind = ConstraintValue::Kind;
  using Base = ConstraintValue::Base;
  struct Part {
    Kind kind = Kind::number;
    double number = 0;
    std::size_t left = 0, right = 0;
  };

  std::size_t add(Part part) {
    ConstraintValue::Node node;
    node.kind = part.kind;
    node.number = part.number;
    node.left = part.left;
    node.right = part.right;
    value_.nodes_.push_back(node);
    return value_.nodes_.size() - 1;
  }
  std::size_t fail() {
    failed_ = true;
    return add({});
  }
  void blanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool take(std::string_view token) {
    blanks();
    if (!text_.substr(at_).starts_with(token)) return false;
    // '*' is not the beginning of "**".
    if (token == "*" && text_.substr(at_).starts_with("**")) return false;
    at_ += token.size();
    return true;
  }

  std::size_t sum() {
    auto left = product();
    while (!failed_) {
      if (take("+"))
        left = add({Kind::add, 0, left, product()});
      else if (take("-"))
        left = add({Kind::subtract, 0, left, product()});
      else
        break;
    }
    return left;
  }
  std::size_t product() {
    auto left = unary();
    while (!failed_) {
      if (take("*"))
        left = add({Kind::multiply, 0, left, unary()});
      else if (take("/"))
        left = add({Kind::divide, 0, left, unary()});
      else
        break;
    }
    return left;
  }
  std::size_t unary() {
    if (++depth_ > 200) return fail();
    const auto result = take("-") ? add({Kind::subtract, 0, add({}), unary()}) : power();
    --depth_;
    return result;
  }
  std::size_t power() {
    const auto base = atom();
    return take("**") ? add({Kind::power, 0, base, unary()}) : base;
  }

  std::size_t atom() {
    blanks();
    if (failed_ || at_ >= text_.size()) return fail();
    if (take("(")) {
      const auto inside = sum();
      return take(")") ? inside : fail();
    }
    const char first = text_[at_];
    if (std::isdigit(static_cast<unsigned char>(first)) != 0 || first == '.') return number();
    const auto begin = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_'))
      ++at_;
    const auto name = text_.substr(begin, at_ - begin);
    if (name.empty()) return fail();
    if (name == "e") return add({Kind::number, std::numbers::e, 0, 0});
    return take("(") ? function(name) : measure(name);
  }

  std::size_t number() {
    double value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) return fail();
    at_ = static_cast<std::size_t>(end - text_.data());
    return add({Kind::number, value, 0, 0});
  }

  std::size_t function(std::string_view name) {
    const auto first = sum();
    const bool two = take(",");
    const auto second = two ? sum() : first;
    if (!take(")")) return fail();
    if (name == "min" && two) return add({Kind::min, 0, first, second});
    if (name == "max" && two) return add({Kind::max, 0, first, second});
    if (two) return fail();
    if (name == "abs") return add({Kind::abs, 0, first, 0});
    if (name == "exp") return add({Kind::exp, 0, first, 0});
    if (name == "log") return add({Kind::log, 0, first, 0});
    return fail();
  }

  /// "[a, b]" as its parts.
  std::vector<std::string> list() {
    std::vector<std::string> parts;
    if (!take("[")) return parts;
    const auto close = text_.find(']', at_);
    if (close == std::string_view::npos) return parts;
    std::string part;
    for (; at_ <= close; ++at_) {
      if (at_ < close && text_[at_] != ',') {
        part += text_[at_];
        continue;
      }
      const auto first = part.find_first_not_of(" \t\r\n"), last = part.find_last_not_of(" \t\r\n");
      if (first != std::string::npos) parts.push_back(part.substr(first, last - first + 1));
      part.clear();
    }
    return parts;
  }

  std::size_t measure(std::string_view name) {
    std::vector<std::size_t> indices;
    if (name.ends_with('_')) {
      name.remove_suffix(1);
      for (const auto& index : list()) {
        std::size_t k = 0;
        const auto [end, error] = std::from_chars(index.data(), index.data() + index.size(), k);
        if (error != std::errc() || end != index.data() + index.size() || k >= shape_.classes) return fail();
        indices.push_back(k);
      }
    }
    const auto position = add({Kind::measure, 0, 0, 0});
    auto& node = value_.nodes_[position];
    if (!set_base(node, name, indices)) return fail();
    if (take("|")) {
      const auto subgroup = subgroup_of(list());
      if (!subgroup) return fail();
      node.subgroup = *subgroup;
    }
    return position;
  }

  bool set_base(ConstraintValue::Node& node, std::string_view name,
                const std::vector<std::size_t>& indices) const {
    if (shape_.regime == Regime::regression) {
      node.base = name == "Mean_Error" ? Base::error : Base::square;
      return indices.empty() && (name == "Mean_Error" || name == "Mean_Squared_Error");
    }
    if (name == "ACC") {
      node.base = Base::accuracy;
      return indices.empty();
    }
    if (name == "CM") {
      if (indices.size() != 2) return false;
      node.base = Base::confusion;
      node.of_class = indices[0];
      node.decided = indices[1];
      return true;
    }
    const bool several = shape_.regime == Regime::multiclass_classification;
    if (indices.size() != (several ? 1U : 0U)) return false;
    if (several) node.of_class = node.decided = indices[0];
    node.complement = name == "NR" || name == "TNR" || name == "FNR";
    if (name == "PR" || name == "NR")
      node.base = Base::positive;
    else if (name == "TPR" || name == "FNR")
      node.base = Base::true_positive;
    else if (name == "FPR" || name == "TNR")
      node.base = Base::false_positive;
    else
      return false;
    return true;
  }

  /// The one subgroup of rows that are in all these groups.
  std::optional<std::size_t> subgroup_of(std::vector<std::string> groups) const {
    std::ranges::sort(groups);
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < subgroups_.size(); ++i) {
      auto own = subgroups_[i].groups;
      std::ranges::sort(own);
      if (own != groups) continue;
      if (found) return std::nullopt;  // two attributes have groups of this name
      found = i;
    }
    return groups.empty() ? std::nullopt : found;
  }

  std::string_view text_;
  const RecordShape& shape_;
  const std::vector<Subgroup>& subgroups_;
  ConstraintValue value_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool failed_ = false;
};

std::optional<ConstraintValue> ConstraintValue::parse(std::string_view expression, const RecordShape& shape,
                                                      const std::vector<Subgroup>& subgroups) {
  return ConstraintParser(expression, shape, subgroups).parse();
}

double ConstraintValue::at(const RecordView& record, std::size_t truth) const {
  return value(root_, record, truth);
}

double ConstraintValue::value(std::size_t index, const RecordView& record, std::size_t truth) const {
  const auto& node = nodes_[index];
  if (node.kind == Kind::number) return node.number;
  if (node.kind == Kind::measure) return measure(node, record, truth);
  const double a = value(node.left, record, truth);
  switch (node.kind) {
    case Kind::abs:
      return std::abs(a);
    case Kind::exp:
      return std::exp(a);
    case Kind::log:
      return std::log(a);
    default:
      break;
  }
  const double b = value(node.right, record, truth);
  // min and max of C++ would lose a NaN.
  if (std::isnan(a) || std::isnan(b)) return a + b;
  switch (node.kind) {
    case Kind::add:
      return a + b;
    case Kind::subtract:
      return a - b;
    case Kind::multiply:
      return a * b;
    case Kind::divide:
      return a / b;
    case Kind::power:
      return std::pow(a, b);
    case Kind::min:
      return std::min(a, b);
    default:
      return std::max(a, b);
  }
}

double ConstraintValue::measure(const Node& node, const RecordView& record, std::size_t truth) const {
  const std::size_t row = truth * subgroups_ + node.subgroup;
  if (node.base == Base::error || node.base == Base::square) {
    const auto sums = record.doubles(Field::residuals).subspan(row * 7, 7);
    return sums[node.base == Base::error ? 3 : 5] / sums[0];
  }
  const auto hard =
      record.doubles(Field::hard_counts).subspan(row * classes_ * classes_, classes_ * classes_);
  const auto soft = record.doubles(Field::soft_sums).subspan(row * classes_ * classes_, classes_ * classes_);
  double sum = 0, rows = 0;
  for (std::size_t y = 0; y < classes_; ++y) {
    const bool own = y == node.of_class;
    if ((node.base == Base::true_positive || node.base == Base::confusion) && !own) continue;
    if (node.base == Base::false_positive && own) continue;
    for (std::size_t k = 0; k < classes_; ++k) rows += hard[y * classes_ + k];
    sum += soft[y * classes_ + (node.base == Base::accuracy ? y : node.decided)];
  }
  return node.complement ? 1 - sum / rows : sum / rows;
}

}  // namespace seldon::analysis

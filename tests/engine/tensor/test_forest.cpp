// Propagation through trees as tensors, against engine/constraint/propagate.cpp.

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>

#include "core/random.h"
#include "engine/tensor/forest.h"

namespace seldon::engine::tensor {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// The same tree over errors of a regression, whose bounds may be one infinite point.
std::string on_errors(std::string expression) {
  const std::pair<const char*, const char*> names[] = {{"TPR", "(Mean_Error | [F])"},
                                                       {"FPR", "Mean_Squared_Error"},
                                                       {"FNR", "Mean_Error"},
                                                       {"PR", "Mean_Error"}};
  for (const auto& [from, to] : names)
    for (std::size_t at = 0; (at = expression.find(from, at)) != std::string::npos;
         at += std::string(to).size())
      expression.replace(at, std::string(from).size(), to);
  return expression;
}

Constraint parse(const std::string& expression, Variant variant = Variant::default_,
                 Regime regime = Regime::classification) {
  ConstraintOptions options;
  options.regime = regime;
  options.groups = {"M", "F"};
  options.variant = variant;
  return Constraint::parse(regime == Regime::regression ? on_errors(expression) : expression, options);
}

/// One trial's bounds and means of a tree's base nodes.
struct Case {
  std::vector<Interval> bounds;
  std::vector<double> means;
};

/// Draws ends among numbers at which operations change their behaviour, or in between.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : stream_(Purpose::synthetic_data, seed) {}

  double number() {
    constexpr double special[] = {0, 0, 0.5, 1, -1, 2, -2, -0.5, infinity, -infinity, 700, -0.0};
    const double u = stream_.uniform(next_++);
    if (u < 0.45) return special[static_cast<std::size_t>(u / 0.45 * std::size(special))];
    return 4 * stream_.uniform(next_++) - 2;
  }
  double finite() {
    const double x = number();
    return std::isfinite(x) ? x : 0.25;
  }
  /// rates[k]: of base node k, which then is no infinite point (engine/tensor/forest.h).
  Case draw(const std::vector<bool>& rates, bool with_nan) {
    Case drawn;
    const std::size_t nodes = rates.size();
    for (std::size_t k = 0; k < nodes; ++k) {
      const double a = number(), b = stream_.uniform(next_++) < 0.2 ? a : number();
      drawn.bounds.push_back({std::min(a, b), std::max(a, b)});
      drawn.means.push_back(finite());
      // Nodes with equal bounds make ties.
      if (k > 0 && stream_.uniform(next_++) < 0.3) {
        drawn.bounds[k] = drawn.bounds[k - 1];
        drawn.means[k] = drawn.means[k - 1];
      }
      Interval& drawn_bounds = drawn.bounds[k];
      if (rates[k] && std::isinf(drawn_bounds.lower) && drawn_bounds.lower == drawn_bounds.upper)
        drawn_bounds = {-infinity, infinity};
    }
    if (with_nan && stream_.uniform(next_++) < 0.1) {
      Interval& hit = drawn.bounds[static_cast<std::size_t>(stream_.uniform(next_++) * double(nodes))];
      hit.upper = nan;
    }
    return drawn;
  }

 private:
  Stream stream_;
  std::uint64_t next_ = 0;
};

/// Derivatives are sums in which terms of about 1 and more may cancel.
constexpr double of_derivative = 1.0;

::testing::AssertionResult close(double ours, double host, double least = 1e-300) {
  if (std::isnan(host) && std::isnan(ours)) return ::testing::AssertionSuccess();
  if (ours == host || std::fabs(ours - host) <= 1e-12 * std::max(least, std::fabs(host)))
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << ours << " instead of " << host;
}

/// Trees evaluated together, for many trials, against each by itself.
class Comparison {
 public:
  Comparison(const std::vector<const Constraint*>& trees, std::size_t trials, std::uint64_t seed,
             bool with_nan = true)
      : trees_(trees), trials_(trials) {
    std::vector<bool> rates;
    for (const Constraint* tree : trees) {
      roots_.push_back(nodes_);
      nodes_ += tree->base_nodes().size();
      for (const BaseNode& base : tree->base_nodes()) rates.push_back(base.measure->rate);
    }
    Draws draws(seed);
    for (std::size_t t = 0; t < trials; ++t) cases_.push_back(draws.draw(rates, with_nan));
  }
  std::vector<Case>& cases() { return cases_; }

  void run() {
    std::vector<ForestTree> planted;
    for (const Constraint* tree : trees_) planted.push_back({tree, true});
    Forest forest(planted, at::Device(at::kCPU));
    results_ = forest.evaluate(base()).contiguous();
    derivatives_ = forest.derivative().contiguous();
    for (std::size_t t = 0; t < trials_; ++t)
      for (std::size_t c = 0; c < trees_.size(); ++c) compare(t, c);
  }
  std::size_t finite() const { return finite_; }

 private:
  at::Tensor base() const {
    std::vector<double> values;
    for (int row = 0; row < 3; ++row)
      for (std::size_t k = 0; k < nodes_; ++k)
        for (const Case& one : cases_)
          values.push_back(row == 0 ? one.bounds[k].lower : row == 1 ? one.bounds[k].upper : one.means[k]);
    const auto size = [](std::size_t n) { return static_cast<std::int64_t>(n); };
    return at::from_blob(values.data(), {3, size(nodes_), size(trials_)}, at::kDouble).clone();
  }

  double result(std::size_t row, std::size_t tree, std::size_t trial) const {
    return results_.data_ptr<double>()[(row * trees_.size() + tree) * trials_ + trial];
  }
  double derivative(std::size_t row, std::size_t node, std::size_t trial) const {
    return derivatives_.data_ptr<double>()[(row * nodes_ + node) * trials_ + trial];
  }

  void compare(std::size_t t, std::size_t c) {
    const Constraint& tree = *trees_[c];
    const std::size_t n = tree.base_nodes().size(), first = roots_[c];
    const auto bounds = std::span(cases_[t].bounds).subspan(first, n);
    const auto means = std::span(cases_[t].means).subspan(first, n);
    std::string trace = tree.canonical() + " at";
    for (std::size_t k = 0; k < n; ++k)
      trace += " [" + std::to_string(bounds[k].lower) + ", " + std::to_string(bounds[k].upper) + "; " +
               std::to_string(means[k]) + "]";
    SCOPED_TRACE(trace);
    std::vector<Interval> d(n);
    std::vector<double> d_means(n);
    const double upper = tree.upper(bounds, d), value = tree.value(means, d_means);
    EXPECT_TRUE(close(result(0, c, t), upper));
    if (!std::isnan(upper)) {
      EXPECT_TRUE(close(result(1, c, t), value));
    }
    // What an infinite upper end, or a value that is none, does not ask for is not compared.
    for (std::size_t k = 0; k < n; ++k) {
      if (std::isfinite(upper)) {
        EXPECT_TRUE(close(derivative(0, first + k, t), d[k].lower, of_derivative)) << "by lower bound " << k;
        EXPECT_TRUE(close(derivative(1, first + k, t), d[k].upper, of_derivative)) << "by upper bound " << k;
        ++finite_;
      }
      if (std::isfinite(value) && !std::isnan(upper)) {
        EXPECT_TRUE(close(derivative(2, first + k, t), d_means[k], of_derivative)) << "by mean " << k;
      }
    }
  }

  const std::vector<const Constraint*>& trees_;
  std::size_t trials_, nodes_ = 0, finite_ = 0;
  std::vector<std::size_t> roots_;
  std::vector<Case> cases_;
  at::Tensor results_, derivatives_;
};

const char* const expressions[] = {
    "min((PR | [M])/(PR | [F]),(PR | [F])/(PR | [M])) >= 0.8",
    "PR",
    "PR + FPR",
    "PR - FPR",
    "PR * FPR",
    "PR / FPR",
    "1 / (PR - FPR)",
    "PR ** FPR",
    "PR ** 2",
    "PR ** 3",
    "PR ** -2",
    "PR ** 0.5",
    "PR ** 0 - 0.5",
    "(PR - FPR) ** 2",
    "(PR - FPR) ** 3",
    "0 - (PR - FPR) ** 2",
    "min(PR, FPR)",
    "max(PR, FPR)",
    "0 - min(PR, max(FPR, TPR))",
    "abs(PR)",
    "0 - abs(PR)",
    "abs(PR - FPR) - 0.1",
    "0 - abs(abs(PR) - abs(FPR))",
    "exp(PR)",
    "0 - exp(FPR - PR)",
    "log(PR)",
    "0 - log(PR * FPR)",
    "1 / exp(PR)",
    "PR / exp(FPR)",
    "exp(PR) / exp(FPR * 2)",
    "abs((FNR | [M]) - (FNR | [F])) + abs((FPR | [M]) - (FPR | [F])) <= 0.35",
    "(PR - 0.3)/(FPR + 0.2) - 1/(0 - 1 - TPR)",
    "exp(PR - 0.5) + log(FPR + 0.1) - abs(TPR - 0.5)",
    "2 * PR - 3 * FPR / 4 + -1 * TPR",
    "0 * PR - 1",
    "PR * PR - PR / PR",
    "min(PR, 1) / max(FPR, 0.1) ** 2",
};

TEST(Forest, EachTreeIsWhatPropagateSays) {
  std::size_t finite = 0;
  std::uint64_t seed = 100;
  for (const char* expression : expressions)
    for (const Variant variant : {Variant::default_, Variant::toolkit}) {
      for (const Regime regime : {Regime::classification, Regime::regression}) {
        const Constraint tree = parse(expression, variant, regime);
        const std::vector<const Constraint*> one = {&tree};
        Comparison comparison(one, 300, ++seed);
        comparison.run();
        finite += comparison.finite();
      }
    }
  EXPECT_GT(finite, 15000U);
}

// Nodes of all trees that can be computed together are.
TEST(Forest, TreesTogetherAreTheSame) {
  std::vector<Constraint> trees;
  for (const char* expression : expressions)
    for (const Variant variant : {Variant::default_, Variant::toolkit})
      trees.push_back(parse(expression, variant));
  std::vector<const Constraint*> all;
  for (const Constraint& tree : trees) all.push_back(&tree);
  for (const std::size_t trials : {std::size_t{1}, std::size_t{3}, std::size_t{200}}) {
    Comparison comparison(all, trials, trials);
    comparison.run();
  }
}

/// An expression drawn at random.
std::string random_expression(const Stream& stream, std::uint64_t& next, int depth) {
  const auto below = [&](std::size_t n) {
    return static_cast<std::size_t>(stream.uniform(next++) * static_cast<double>(n));
  };
  if (depth == 0 || below(8) == 0) {
    constexpr const char* leaves[] = {"PR",         "FPR", "TPR", "FNR", "(PR | [M])",
                                      "(PR | [F])", "0.5", "2",   "1.5"};
    return leaves[below(std::size(leaves))];
  }
  const std::string a = random_expression(stream, next, depth - 1);
  const std::size_t operation = below(11);
  // A constant exponent, as exp(x) ** y and exp(y) ** x are equal but for rounding, and of two such corners
  // either may be taken.
  constexpr const char* exponents[] = {"2", "3", "0.5", "-1", "1"};
  if (operation == 5) return "(" + a + ")**" + exponents[below(std::size(exponents))];
  if (operation == 8) return "abs(" + a + ")";
  if (operation == 9) return "exp(" + a + ")";
  if (operation == 10) return "log(" + a + ")";
  const std::string b = random_expression(stream, next, depth - 1);
  if (operation == 6) return "min(" + a + "," + b + ")";
  if (operation == 7) return "max(" + a + "," + b + ")";
  constexpr const char* binary[] = {"+", "-", "*", "/", "-"};
  return "(" + a + ")" + binary[operation] + "(" + b + ")";
}

TEST(Forest, RandomTrees) {
  const Stream stream(Purpose::synthetic_data, 77);
  std::uint64_t next = 0;
  std::vector<Constraint> trees;
  for (int tried = 0; tried < 400; ++tried) {
    const std::string expression = random_expression(stream, next, 3);
    try {
      trees.push_back(parse(expression, tried % 2 ? Variant::toolkit : Variant::default_,
                            tried % 4 < 2 ? Regime::classification : Regime::regression));
    } catch (const InputError&) {  // constants without a value, or no base node
    }
  }
  EXPECT_GT(trees.size(), 250U);
  std::vector<const Constraint*> all;
  for (const Constraint& tree : trees) all.push_back(&tree);
  Comparison comparison(all, 60, 5);
  comparison.run();
  EXPECT_GT(comparison.finite(), 5000U);
}

TEST(Forest, TiesTakeTheFirstArgument) {
  for (const char* expression : {"min(PR, FPR)", "max(PR, FPR)", "PR * FPR", "PR / FPR", "abs(PR)"}) {
    const Constraint tree = parse(expression);
    const std::vector<const Constraint*> one = {&tree};
    Comparison comparison(one, 3, 1, false);
    const std::size_t n = tree.base_nodes().size();
    comparison.cases() = {{std::vector<Interval>(n, {0.5, 0.5}), std::vector<double>(n, 0.5)},
                          {std::vector<Interval>(n, {-0.5, 0.5}), std::vector<double>(n, 0.0)},
                          {std::vector<Interval>(n, {-1.0, -1.0}), std::vector<double>(n, -1.0)}};
    comparison.run();
  }
}

}  // namespace
}  // namespace seldon::engine::tensor

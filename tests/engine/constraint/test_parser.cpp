#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/constraint/constraint.h"

namespace seldon::engine {
namespace {

using testing::HasSubstr;

ConstraintOptions options(Regime regime = Regime::classification) {
  ConstraintOptions result;
  result.regime = regime;
  result.groups = {"M", "F", "age_18-29", "A", "B"};
  return result;
}

/// The expression's value where every measure's mean is 0.25 (in the order of the base nodes: 0.25, 0.5,
/// 0.75).
double value_of(const std::string& expression) {
  const Constraint constraint = Constraint::parse(expression, options());
  std::vector<double> means;
  for (std::size_t i = 0; i < constraint.base_nodes().size(); ++i)
    means.push_back(0.25 * static_cast<double>(i + 1));
  return constraint.value(means);
}

TEST(Parser, PrecedenceIsPythons) {
  EXPECT_DOUBLE_EQ(value_of("PR - 2 * 3 + 1"), 0.25 - 6 + 1);
  EXPECT_DOUBLE_EQ(value_of("8 / 4 / 2 - PR"), 1 - 0.25);
  EXPECT_DOUBLE_EQ(value_of("2 ** 3 ** 2 * PR"), 512 * 0.25);
  EXPECT_DOUBLE_EQ(value_of("-PR ** 2"), -0.0625);
  EXPECT_DOUBLE_EQ(value_of("-2 ** 2 + PR"), -4 + 0.25);
  EXPECT_DOUBLE_EQ(value_of("2 ** -1 * PR"), 0.125);
  EXPECT_DOUBLE_EQ(value_of("-(-PR)"), 0.25);
  EXPECT_DOUBLE_EQ(value_of("(PR - 2) * 3"), (0.25 - 2) * 3);
  EXPECT_DOUBLE_EQ(value_of("1 - - PR"), 1.25);
}

TEST(Parser, NumbersAndFunctions) {
  EXPECT_DOUBLE_EQ(value_of("PR*1e-3 + .5 + 2. + 1.5E+2"), 0.25e-3 + 0.5 + 2 + 150);
  EXPECT_DOUBLE_EQ(value_of("e ** PR"), std::exp(0.25));
  EXPECT_DOUBLE_EQ(value_of("min(PR, FPR) + max(PR, FPR)"), 0.75);
  EXPECT_DOUBLE_EQ(value_of("abs(PR - 1) + exp(log(PR))"), 0.75 + 0.25);
}

TEST(Parser, ComparisonsBecomeDifferences) {
  EXPECT_DOUBLE_EQ(value_of("PR <= 0.1"), 0.25 - 0.1);
  EXPECT_DOUBLE_EQ(value_of("PR >= 0.1"), 0.1 - 0.25);
  EXPECT_EQ(Constraint::parse(" PR >= 0.8 ", options()).canonical(), "0.8-(PR)");
  EXPECT_EQ(Constraint::parse("FPR <= 0.5 + (PR | [M])", options()).canonical(), "FPR-(0.5 + (PR | [M]))");
  EXPECT_EQ(Constraint::parse("PR - 1 <= 0", options()).canonical(), "PR - 1");
  EXPECT_EQ(Constraint::parse("0 >= PR - 1", options()).canonical(), "PR - 1");
  EXPECT_EQ(Constraint::parse("0 >= PR - 1", options()).node_count(), 3u);
  EXPECT_DOUBLE_EQ(value_of("0 >= PR - 1"), -0.75);
  EXPECT_EQ(Constraint::parse("0 <= PR", options()).canonical(), "0-(PR)");
}

TEST(Parser, ConditionsAndIndices) {
  const Constraint condition =
      Constraint::parse("max(PR|[ M , age_18-29 ], (((FPR | [F])))) - 0.1", options());
  ASSERT_EQ(condition.base_nodes().size(), 2u);
  EXPECT_EQ(condition.base_nodes()[0].name, "PR | [M,age_18-29]");
  EXPECT_EQ(condition.base_nodes()[0].groups, (std::vector<std::string>{"M", "age_18-29"}));
  EXPECT_EQ(condition.base_nodes()[1].name, "FPR | [F]");

  const Constraint cm =
      Constraint::parse("(CM_[2,3] | [A,B]) - PR_[1]", options(Regime::multiclass_classification));
  EXPECT_EQ(cm.base_nodes()[0].name, "CM_[2,3] | [A,B]");
  EXPECT_EQ(cm.base_nodes()[0].measure->name, "CM");
  EXPECT_EQ(cm.base_nodes()[0].index, (MeasureIndex{2, 3}));
  EXPECT_EQ(cm.base_nodes()[1].index, (MeasureIndex{1, -1}));

  const Constraint reward =
      Constraint::parse("J_pi_new_IS_[2] >= 1", options(Regime::reinforcement_learning));
  EXPECT_EQ(reward.base_nodes()[0].name, "J_pi_new_IS_[2]");
}

struct Refusal {
  std::string expression;
  std::size_t column;
  std::string message;
  Regime regime = Regime::classification;
};

TEST(Parser, RefusalsPointAtThePlaceAndSayWhatToDo) {
  const Refusal refusals[] = {
      {"", 0, "the expression ends"},
      {"   ", 3, "the expression ends"},
      {"PR -", 4, "the expression ends"},
      {"(PR", 3, "the expression ends where an operator or ')'"},
      {"PR)", 2, "')' stands where an operator or the end"},
      {"X - 2.0", 0, "'X' is not a measure of classification; known are PR, NR"},
      {"PRR - 2.0", 0, "Did you mean PR?"},
      {"Mean_Sqared_Error", 0, "Did you mean Mean_Squared_Error?", Regime::regression},
      {"0.1 + FPR", 6, "is a measure of classification, and this experiment is regression",
       Regime::regression},
      {"(PR | [G]) - 1", 7, "'G' is not a declared group; known are M, F"},
      {"(PR | [age_18_29]) - 1", 7, "Did you mean age_18-29?"},
      {"PR | [M] - 1", 0, "needs parentheses around it here; write (PR | [M])"},
      {"PR | [M]", 0, "needs parentheses"},
      {"max(PR | [M] + 1, 2)", 4, "needs parentheses"},
      {"(PR | M)", 6, "'M' stands where '['"},
      {"(PR | [])", 7, "the name of a group"},
      {"2 | [M]", 2, "a condition follows a measure's name"},
      {"+PR", 0, "plus sign"},
      {"PR^4", 2, "write ** for a power"},
      {"PR<4", 2, "write <="},
      {"PR>4", 2, "write >="},
      {"PR = 4", 3, "written with <= or >="},
      {"PR & FNR", 3, "known are + - *"},
      {"PR % 2", 3, "known are"},
      {"PR//4", 3, "write / for a quotient"},
      {"PR <= 1 <= 2", 8, "at most one comparison"},
      {"(PR <= 1)", 4, "compare only once"},
      {"min(PR, FPR, NR)", 13, "min takes two arguments, not 3"},
      {"abs(PR, FPR)", 8, "abs takes one argument, not 2"},
      {"min(PR)", 0, "min takes two arguments, not 1"},
      {"sqrt(PR)", 0, "'sqrt' is not a function"},
      {"ab(PR)", 0, "Did you mean abs?"},
      {"2PR", 1, "'P' stands where an operator or the end"},
      {"PR 2", 3, "'2' stands where an operator"},
      {"PR * 1e999", 5, "too large"},
      {"0.5 <= 1", 0, "no measure in it"},
      {"PR/(1-1)", 2, "divides by zero"},
      {"PR + log(0)", 5, "without a finite value"},
      {"PR_[1]", 0, "PR takes no index; write PR"},
      {"PR[1]", 0, "write PR_[1]"},
      {"PR - 0.5", 0, "needs one class; write PR_[0]", Regime::multiclass_classification},
      {"CM_[1]", 0, "true and a predicted class", Regime::multiclass_classification},
      {"PR_[x]", 4, "an index (a whole number)", Regime::multiclass_classification},
      {"PR_[1.1]", 5, "an index is a whole number", Regime::multiclass_classification},
      {"PR_[99999999999]", 4, "too large", Regime::multiclass_classification},
      {"J_pi_new_IS_[N] - 0.5", 13, "whole number", Regime::reinforcement_learning},
  };
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.expression);
    try {
      Constraint::parse(refusal.expression, options(refusal.regime));
      ADD_FAILURE() << "not refused";
    } catch (const ParseError& error) {
      EXPECT_EQ(error.column(), refusal.column) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(refusal.message));
    }
  }
}

TEST(Parser, MessageShowsExpressionCaretAndLine) {
  ConstraintOptions located = options();
  located.where = {"loans.toml", 14};
  try {
    Constraint::parse("FPR - XYZ", located);
    FAIL();
  } catch (const ParseError& error) {
    EXPECT_THAT(error.what(), HasSubstr("loans.toml:14: "));
    EXPECT_THAT(error.what(), HasSubstr("\n  FPR - XYZ\n        ^"));
  }
}

TEST(Parser, HostileInputIsRefusedWithoutHarm) {
  const std::string deep_parentheses = std::string(3000, '(');
  const std::string deep_minus = std::string(3000, '-') + "PR";
  std::string deep_power = "PR", wide = "PR", nested_calls;
  for (int i = 0; i < 900; ++i) deep_power += "**PR";
  for (int i = 0; i < 900; ++i) wide += "+PR";
  for (int i = 0; i < 900; ++i) nested_calls += "abs(";
  const std::string binary("PR \0 \xff\x01", 7);
  for (const std::string& hostile :
       {deep_parentheses, deep_minus, deep_power, wide, nested_calls, binary, std::string(100000, 'x')})
    EXPECT_THROW(Constraint::parse(hostile, options()), ParseError);
}

}  // namespace
}  // namespace seldon::engine

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/constraint/constraint.h"

namespace seldon::engine {
namespace {

using testing::HasSubstr;

ConstraintOptions options(Variant variant = Variant::default_, Regime regime = Regime::classification) {
  ConstraintOptions result;
  result.groups = {"M", "F", "A", "B"};
  result.variant = variant;
  result.regime = regime;
  return result;
}

Constraint parse(const std::string& expression, Variant variant = Variant::default_) {
  return Constraint::parse(expression, options(variant));
}

/// "PR:lu FPR:u": each base node with the sides it needs.
std::string sides(const Constraint& constraint) {
  std::string text;
  for (const BaseNode& base : constraint.base_nodes())
    text += (text.empty() ? "" : " ") + base.name + ":" + (base.needs_lower ? "l" : "") +
            (base.needs_upper ? "u" : "");
  return text;
}

TEST(Constraint, NeededSidesFollowTheOperators) {
  EXPECT_EQ(sides(parse("PR - FPR")), "PR:u FPR:l");
  EXPECT_EQ(sides(parse("PR - (FPR - ACC)")), "PR:u FPR:l ACC:u");
  EXPECT_EQ(sides(parse("min(PR, 1 - FPR) + exp(ACC)")), "PR:u FPR:l ACC:u");
  EXPECT_EQ(sides(parse("abs(PR) - log(FPR)")), "PR:lu FPR:l");
  EXPECT_EQ(sides(parse("PR * FPR")), "PR:lu FPR:lu");
  EXPECT_EQ(sides(parse("PR / FPR")), "PR:lu FPR:lu");
  EXPECT_EQ(sides(parse("PR ** 2")), "PR:lu");
}

TEST(Constraint, ConstantsCostNoSideByDefault) {
  EXPECT_EQ(sides(parse("2*PR - 1.2")), "PR:u");
  EXPECT_EQ(sides(parse("PR*(1 - 3) + 1")), "PR:l");
  EXPECT_EQ(sides(parse("PR/2 <= 0.4")), "PR:u");
  EXPECT_EQ(sides(parse("PR/-2 + 1")), "PR:l");
  EXPECT_EQ(sides(parse("-PR")), "PR:l");
  EXPECT_EQ(sides(parse("-(-PR)")), "PR:u");
  EXPECT_EQ(sides(parse("1/PR")), "PR:lu");
  EXPECT_EQ(sides(parse("2*PR - 1.2", Variant::toolkit)), "PR:lu");
}

TEST(Constraint, RepeatedNodesGetTheUnionByDefaultAndTheFirstInTheToolkit) {
  const std::string gap = "max((PR|[M])-(PR|[F]), (PR|[F])-(PR|[M])) - 0.1";
  EXPECT_EQ(sides(parse(gap)), "PR | [M]:lu PR | [F]:lu");
  EXPECT_EQ(sides(parse(gap, Variant::toolkit)), "PR | [M]:u PR | [F]:l");
  EXPECT_EQ(parse(gap).base_node_occurrences(), 4u);
}

TEST(Constraint, OrderOfConditionsMattersOnlyInTheToolkit) {
  const std::string sum = "(PR | [A,B]) + (PR | [B,A]) - 1";
  EXPECT_EQ(sides(parse(sum)), "PR | [A,B]:u");
  EXPECT_EQ(sides(parse(sum, Variant::toolkit)), "PR | [A,B]:u PR | [B,A]:u");
}

TEST(Constraint, DeltaIsSplitOverNeededBounds) {
  const std::string expression = "abs(PR) + FPR - 0.5";
  const Constraint corrected = parse(expression);
  EXPECT_EQ(corrected.bound_count(), 3u);
  EXPECT_DOUBLE_EQ(corrected.base_nodes()[0].delta_lower, 0.05 / 3);
  EXPECT_DOUBLE_EQ(corrected.base_nodes()[0].delta_upper, 0.05 / 3);
  EXPECT_DOUBLE_EQ(corrected.base_nodes()[1].delta_upper, 0.05 / 3);
  EXPECT_EQ(corrected.base_nodes()[1].delta_lower, 0);

  const Constraint toolkit = parse(expression, Variant::toolkit);
  EXPECT_DOUBLE_EQ(toolkit.base_nodes()[0].delta_lower, 0.0125);
  EXPECT_DOUBLE_EQ(toolkit.base_nodes()[1].delta_upper, 0.025);
}

TEST(Constraint, WeightsAreNormalisedOrSoftmaxed) {
  ConstraintOptions weighted = options();
  weighted.delta_weights = {1, 2, 5};
  const Constraint corrected = Constraint::parse("abs(PR) + FPR - 0.5", weighted);
  EXPECT_DOUBLE_EQ(corrected.base_nodes()[0].delta_lower, 0.05 / 8);
  EXPECT_DOUBLE_EQ(corrected.base_nodes()[0].delta_upper, 0.05 * 2 / 8);
  EXPECT_DOUBLE_EQ(corrected.base_nodes()[1].delta_upper, 0.05 * 5 / 8);

  weighted.variant = Variant::toolkit;
  weighted.delta_weights = {0, 0, 0.6931471805599453};
  const Constraint toolkit = Constraint::parse("abs(PR) + FPR - 0.5", weighted);
  EXPECT_DOUBLE_EQ(toolkit.base_nodes()[1].delta_upper, 0.025);
}

TEST(Constraint, InflationIsOneForAllOrOneForEach) {
  ConstraintOptions inflated = options();
  inflated.inflation = {3};
  EXPECT_EQ(Constraint::parse("PR - FPR", inflated).base_nodes()[1].inflation_lower, 3);
  inflated.inflation = {3, 0.5};
  EXPECT_EQ(Constraint::parse("PR - FPR", inflated).base_nodes()[0].inflation_upper, 3);
  EXPECT_EQ(Constraint::parse("PR - FPR", inflated).base_nodes()[1].inflation_lower, 0.5);
}

TEST(Constraint, BadNumbersAreNamed) {
  const auto message = [](auto change) -> std::string {
    ConstraintOptions changed = options();
    change(changed);
    try {
      Constraint::parse("PR - FPR", changed);
    } catch (const InputError& error) {
      return error.what();
    }
    return "not refused";
  };
  EXPECT_THAT(message([](auto& o) { o.delta = 1; }), HasSubstr("delta is 1"));
  EXPECT_THAT(message([](auto& o) { o.delta = -2.5; }), HasSubstr("delta is -2.5"));
  EXPECT_THAT(message([](auto& o) { o.delta = std::numeric_limits<double>::quiet_NaN(); }),
              HasSubstr("delta is nan"));
  EXPECT_THAT(message([](auto& o) { o.delta_weights = {1, 2, 3}; }), HasSubstr("[1, 2, 3] has 3 values"));
  EXPECT_THAT(message([](auto& o) { o.delta_weights = {1, -2}; }), HasSubstr("-2"));
  EXPECT_THAT(message([](auto& o) { o.inflation = {2, -0.8}; }), HasSubstr("-0.8"));
  EXPECT_THAT(message([](auto& o) { o.inflation = {2, 2, 2}; }), HasSubstr("needs 2 one-sided bounds"));
  EXPECT_THAT(message([](auto& o) { o.inflation_per_bound = true; }), HasSubstr("[2] has 1 value"));
  EXPECT_THAT(message([](auto& o) {
                o.variant = Variant::toolkit;
                o.delta_weights = {1000, 0.1};
              }),
              HasSubstr("1000"));
}

TEST(Constraint, DescribesItself) {
  const Constraint constraint = parse("min((PR | [M])/(PR | [F]),(PR | [F])/(PR | [M])) >= 0.8");
  EXPECT_EQ(constraint.node_count(), 9u);
  EXPECT_EQ(constraint.base_node_occurrences(), 4u);
  EXPECT_EQ(constraint.bound_count(), 4u);
  EXPECT_EQ(constraint.root_operator(), "sub");
  EXPECT_EQ(parse("FPR").root_operator(), "FPR");
}

}  // namespace
}  // namespace seldon::engine

#include <cmath>

#include <gtest/gtest.h>

#include "analysis/subgroups/constraint_value.h"
#include "counted.h"

namespace seldon::analysis {
namespace {

/// Soft, group F: scores .9 and .5 of class 1, .4 of class 0. Group M: .75 of class 1, .25 and .5 of class 0.
class ConstraintValueTest : public testing::Test {
 protected:
  ConstraintValueTest() {
    shape_.constraints = {"c"};
    trials_.add(
        {{1, 0.9, {1, 3}}, {1, 0.5, {1}}, {0, 0.4, {1}}, {1, 0.75, {2}}, {0, 0.25, {2}}, {0, 0.5, {2}}});
  }
  std::optional<ConstraintValue> parsed(const std::string& expression) const {
    auto subgroups = subgroups_of(counted::header(shape_, {"model"}, {1.0}, 1, 6));
    return ConstraintValue::parse(expression, shape_, subgroups);
  }
  double value(const std::string& expression) const {
    const auto constraint = parsed(expression);
    EXPECT_TRUE(constraint) << expression;
    return constraint ? constraint->at(trials_.block().record(0), 0) : std::nan("");
  }

  RecordShape shape_ = counted::shape({"all", "gender=F", "gender=M", "gender=F x age=old"});
  counted::Trials trials_{shape_};
};

TEST_F(ConstraintValueTest, MeasuresAreThoseOfTheSums) {
  EXPECT_DOUBLE_EQ(value("PR"), 3.3 / 6);
  EXPECT_DOUBLE_EQ(value("PR | [F]"), 0.6);
  EXPECT_DOUBLE_EQ(value("NR | [F]"), 0.4);
  EXPECT_DOUBLE_EQ(value("TPR | [F]"), 0.7);
  EXPECT_DOUBLE_EQ(value("FNR | [F]"), 0.3);
  EXPECT_DOUBLE_EQ(value("FPR | [M]"), 0.375);
  EXPECT_DOUBLE_EQ(value("TNR | [M]"), 0.625);
  EXPECT_DOUBLE_EQ(value("ACC | [M]"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(value("PR | [old, F]"), 0.9);
  EXPECT_TRUE(std::isnan(value("min(FPR | [F,old], 1)")));  // no negatives
}

TEST_F(ConstraintValueTest, FollowsTheLanguage) {
  EXPECT_DOUBLE_EQ(value("min((PR | [M])/(PR | [F]),(PR | [F])/(PR | [M])) >= 0.9"), 0.9 - 0.5 / 0.6);
  EXPECT_DOUBLE_EQ(value("abs((PR | [M]) - (PR | [F])) <= 0.2"), 0.1 - 0.2);
  EXPECT_DOUBLE_EQ(value("max(PR | [M], PR | [F]) - 1e-1"), 0.5);
  EXPECT_DOUBLE_EQ(value("2 * 3 - 4 / 2 + PR*0"), 4);
  EXPECT_DOUBLE_EQ(value("2**3**2 + 0*PR"), 512);
  EXPECT_DOUBLE_EQ(value("-2**2 + 0*PR"), -4);
  EXPECT_DOUBLE_EQ(value("2**-1 + 0 * PR"), 0.5);
  EXPECT_DOUBLE_EQ(value("log(exp(.5)) + log(e) + (0 * PR)"), 1.5);
  EXPECT_DOUBLE_EQ(value("1 - 2 - 3 + 0*PR"), -4);
}

TEST_F(ConstraintValueTest, WhatItCannotFollowIsLeftAlone) {
  for (const char* expression :
       {"", "PR |", "PR | [X]", "PR | [M,F]", "PR_[1]", "J_pi_new_IS", "sin(PR)", "min(PR)", "abs(PR, PR)",
        "PR <= 0.2 <= 0.3", "PR $", "((PR)", "CM_[0,1]x", "PR | []"})
    EXPECT_FALSE(parsed(expression)) << expression;
  EXPECT_FALSE(parsed(std::string(100'000, '(')));
}

TEST_F(ConstraintValueTest, SeveralClassesHaveIndices) {
  shape_.regime = Regime::multiclass_classification;
  EXPECT_DOUBLE_EQ(value("PR_[0] | [F]"), 0.4);
  EXPECT_DOUBLE_EQ(value("TPR_[0] | [M]"), 0.625);
  EXPECT_DOUBLE_EQ(value("CM_[0,1] | [M]"), 0.375);
  EXPECT_DOUBLE_EQ(value("ACC | [M]"), 2.0 / 3);
  EXPECT_FALSE(parsed("PR"));
  EXPECT_FALSE(parsed("PR_[2]"));
  EXPECT_FALSE(parsed("CM_[1]"));
}

}  // namespace
}  // namespace seldon::analysis

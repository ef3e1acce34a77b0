#include <array>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "analysis/statistics/auroc.h"
#include "core/error.h"

namespace seldon::analysis {
namespace {

/// A row for each bin of the list.
std::vector<double> bins(std::initializer_list<int> rows, std::size_t count = 8) {
  std::vector<double> out(count, 0.0);
  for (const int bin : rows) out[bin] += 1;
  return out;
}

TEST(Auroc, CountsPairsAndHalvesTies) {
  // Positives 3, 5, 5, 7 against negatives 1, 3, 5: won 1 + 2 + 2 + 3, tied 1 + 1 + 1, of 12.
  const auto area = auroc(bins({3, 5, 5, 7}), bins({1, 3, 5}));
  EXPECT_NEAR(area.value, (8 + 1.5) / 12, 1e-15);
  EXPECT_NEAR(area.binning_error, 3 / 24., 1e-15);
  EXPECT_EQ(area.positives, 4);
  EXPECT_EQ(area.negatives, 3);
  // Placements of positives 1.5/3, 2.5/3, 2.5/3, 3/3; of negatives 4/4, 3.5/4, 2/4; each about 9.5 / 12.
  const double of_positives = (1.5 * 1.5 + 2 * 2.5 * 2.5 + 9 - 9.5 * 9.5 / 4) / 9 / 3 / 4;
  const double of_negatives = (16 + 3.5 * 3.5 + 4 - 9.5 * 9.5 / 3) / 16 / 2 / 3;
  EXPECT_NEAR(area.variance, of_positives + of_negatives, 1e-15);
}

TEST(Auroc, IsTurnedRoundByTheClasses) {
  const auto a = bins({1, 3, 3, 6}), b = bins({0, 3, 7, 7, 2});
  EXPECT_NEAR(auroc(a, b).value + auroc(b, a).value, 1, 1e-15);
  EXPECT_NEAR(auroc(a, b).variance, auroc(b, a).variance, 1e-15);
  const auto interval = auroc_interval(auroc(a, b)), turned = auroc_interval(auroc(b, a));
  EXPECT_NEAR(interval.lower, 1 - turned.upper, 1e-12);
  EXPECT_NEAR(interval.upper, 1 - turned.lower, 1e-12);
}

TEST(Auroc, IsOnTheLogitScale) {
  const auto area = auroc(bins({3, 5, 5, 7}), bins({1, 3, 5}));
  const auto [lower, upper] = auroc_interval(area);
  const auto logit = [](double p) { return std::log(p / (1 - p)); };
  const double scale = std::sqrt(area.variance) / (area.value * (1 - area.value));
  EXPECT_NEAR((logit(upper) - logit(area.value)) / scale, 1.959963984540054, 1e-9);
  EXPECT_NEAR((logit(area.value) - logit(lower)) / scale, 1.959963984540054, 1e-9);
}

TEST(Auroc, HasAnIntervalWhereTheLogitHasNone) {
  const auto low = bins({0, 1, 2}), high = bins({5, 6, 7}), flat = bins({4, 4, 4}), one = bins({4});
  for (const auto& [positives, negatives] :
       {std::pair{high, low}, {low, high}, {flat, flat}, {one, low}, {one, one}}) {
    const auto area = auroc(positives, negatives);
    const auto [lower, upper] = auroc_interval(area);
    EXPECT_GT(upper - lower, .1);
    EXPECT_LE(lower, area.value);
    EXPECT_GE(upper, area.value);
    EXPECT_GE(lower, 0);
    EXPECT_LE(upper, 1);
  }
  EXPECT_EQ(auroc_interval(auroc(high, low)).upper, 1);
  EXPECT_EQ(auroc_interval(auroc(low, high)).lower, 0);
}

/// An end A of Newcombe's interval lies z sqrt(V(A)) from the area; for one row of each class that is
/// Wilson's with n = 1.
TEST(Auroc, ScoreIntervalSolvesItsEquation) {
  for (const double area : {0., .2, .5, .9, 1.})
    for (const double end :
         {auroc_score_interval(area, 15, 10).lower, auroc_score_interval(area, 15, 10).upper}) {
      const double others = 12.5 - 1;
      const double variance =
          end * (1 - end) * (1 + others * (1 - end) / (2 - end) + others * end / (1 + end)) / 150;
      EXPECT_NEAR(std::abs(area - end), 1.959963984540054 * std::sqrt(variance), 1e-12) << area;
    }
  EXPECT_NEAR(auroc_score_interval(1, 1, 1).lower, wilson(1, 1).lower, 1e-12);
  EXPECT_NEAR(auroc_score_interval(.5, 1, 1).upper, wilson(.5, 1).upper, 1e-12);
}

TEST(Auroc, IsNoneWithoutAClass) {
  for (const auto& area : {auroc(bins({}), bins({1})), auroc(bins({1}), bins({})), auroc({}, {})}) {
    EXPECT_TRUE(std::isnan(area.value));
    EXPECT_TRUE(std::isnan(auroc_interval(area).lower));
    EXPECT_TRUE(std::isnan(auroc_interval(area).upper));
  }
}

TEST(Auroc, RefusesBinsThatAreNone) {
  EXPECT_THROW(auroc(bins({1}), bins({1}, 9)), InputError);
  EXPECT_THROW(auroc(std::array{-1., 2.}, std::array{1., 2.}), InputError);
}

}  // namespace
}  // namespace seldon::analysis

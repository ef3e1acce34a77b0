// Coverage by simulation: how often an interval holds the truth, over 10,000 samples from a known law. The
// truth is the law's, not the sample's. A sample without an interval is counted, shown, and counts as missed.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "analysis/statistics/auroc.h"
#include "analysis/statistics/comparison.h"
#include "analysis/statistics/interval.h"
#include "core/record.h"

namespace seldon::analysis {
namespace {

constexpr int draws = 10'000;
constexpr std::array sizes{30, 300, 3000};
constexpr std::array rates{0.1, 0.3, 0.5, 0.8};
using Random = std::mt19937_64;

/// The share of samples whose interval must hold the truth.
struct Line {
  double at_least, at_most;
};
/// Of rates, gaps and ratios; small samples make them discrete.
Line line_of(int n) {
  return n == 30 ? Line{.915, .985} : Line{.935, .965};
}

class Coverage {
 public:
  void add(const Interval& interval, double truth) {
    if (std::isnan(interval.lower) || std::isnan(interval.upper)) {
      ++none_;
      return;
    }
    if (std::isinf(interval.upper)) {
      ++unbounded_;
    } else {
      width_ += interval.upper - interval.lower;
    }
    if (interval.lower <= truth && truth <= interval.upper) ++covered_;
  }
  double share() const { return covered_ / static_cast<double>(draws); }
  /// Of those with two ends.
  double width() const { return width_ / std::max(1, draws - none_ - unbounded_); }

  void show(const std::string& what, int n) const {
    std::printf("%-46s %5d %8.2f %9.4f %5d %9d\n", what.c_str(), n, 100 * share(), width(), none_,
                unbounded_);
  }
  void judge(const std::string& what, int n, Line line) const {
    show(what, n);
    EXPECT_GE(share(), line.at_least) << what << ", n = " << n;
    EXPECT_LE(share(), line.at_most) << what << ", n = " << n;
  }
  int without_interval() const { return none_; }

 private:
  int covered_ = 0, none_ = 0, unbounded_ = 0;
  double width_ = 0;
};

void head(const char* what) {
  std::printf("\n%-46s %5s %8s %9s %5s %9s\n", what, "n", "covers %", "width", "none", "unbounded");
}

std::string text(const char* format, double a, double b = 0) {
  std::array<char, 80> out{};
  std::snprintf(out.data(), out.size(), format, a, b);
  return out.data();
}

/// Wilson's estimate for each possible count, so that draws are cheap.
std::vector<Bounded> by_count(int n, double confidence = 0.95) {
  std::vector<Bounded> out;
  for (int count = 0; count <= n; ++count) {
    const double rate = static_cast<double>(count) / n;
    out.push_back({rate, wilson(rate, n, confidence)});
  }
  return out;
}

TEST(Coverage, Rates) {
  head("rate: Wilson, exact");
  Random random(1);
  for (const int n : sizes) {
    const auto estimates = by_count(n);
    for (const double p : rates) {
      Coverage score, exact;
      std::binomial_distribution<int> law(n, p);
      std::vector<Interval> known(static_cast<std::size_t>(n) + 1, Interval{-1, -1});
      for (int draw = 0; draw < draws; ++draw) {
        const int count = law(random);
        score.add(estimates[count].interval, p);
        if (known[count].lower < 0) known[count] = clopper_pearson(count, n);
        exact.add(known[count], p);
      }
      score.judge(text("Wilson, p = %g", p), n, line_of(n));
      exact.judge(text("exact, p = %g", p), n, {.945, 1});
      EXPECT_LE(exact.width(), 1.35 * score.width()) << "p = " << p << ", n = " << n;
    }
  }
}

TEST(Coverage, Gaps) {
  head("gap: MOVER of Wilson");
  Random random(2);
  for (const int n : sizes) {
    const auto estimates = by_count(n);
    for (const double p : rates)
      for (const double q : rates) {
        if (q < p) continue;
        Coverage coverage;
        std::binomial_distribution<int> a(n, q), b(n, p);
        for (int draw = 0; draw < draws; ++draw)
          coverage.add(difference(estimates[a(random)], estimates[b(random)]), q - p);
        coverage.judge(text("%g - %g", q, p), n, line_of(n));
      }
  }
}

TEST(Coverage, Ratios) {
  head("ratio: MOVER-R of Wilson");
  Random random(3);
  for (const int n : sizes) {
    const auto estimates = by_count(n);
    for (const double p : rates)
      for (const double q : rates) {
        Coverage coverage;
        std::binomial_distribution<int> a(n, q), b(n, p);
        for (int draw = 0; draw < draws; ++draw)
          coverage.add(ratio(estimates[a(random)], estimates[b(random)]), q / p);
        coverage.judge(text("%g / %g", q, p), n, line_of(n));
      }
  }
}

/// Scores of n rows, normal around `mean`, mapped into (0, 1) and binned as a record does.
void draw_bins(Random& random, int n, double mean, std::array<double, histogram_bins>& bins) {
  std::normal_distribution<double> law(mean, 1);
  bins.fill(0);
  for (int i = 0; i < n; ++i) {
    const double score = 1 / (1 + std::exp(-law(random)));
    bins[std::min(histogram_bins - 1, static_cast<std::size_t>(score * histogram_bins))] += 1;
  }
}

TEST(Coverage, AreasUnderTheCurve) {
  head("AUROC: logit DeLong on 64 bins");
  Random random(4);
  for (const int n : sizes)
    for (const auto& [area, distance] : {std::pair{.6, .358286909}, {.8, 1.190232161}, {.9, 1.812387604}}) {
      // Two normal laws of variance 1 that lie `distance` apart have the area Phi(distance / sqrt 2).
      ASSERT_NEAR(std::erfc(-distance / 2) / 2, area, 1e-9);
      Coverage coverage;
      double error = 0;
      std::array<double, histogram_bins> positives{}, negatives{};
      for (int draw = 0; draw < draws; ++draw) {
        draw_bins(random, n / 2, distance / 2, positives);
        draw_bins(random, n / 2, -distance / 2, negatives);
        const auto estimate = auroc(positives, negatives);
        coverage.add(auroc_interval(estimate), area);
        error = std::max(error, estimate.binning_error);
      }
      coverage.judge(text("AUROC %g (binning error <= %.4f)", area, error), n,
                     n == 30 ? Line{.92, .98} : Line{.935, .965});
    }
}

TEST(Coverage, WorstAndBestOfFiveEqualGroups) {
  head("worst-best of five equal groups, simultaneous");
  Random random(5);
  constexpr int groups = 5, pairs = groups * (groups - 1) / 2;
  for (const int n : sizes) {
    const auto estimates = by_count(n, simultaneous(0.95, pairs)), single = by_count(n);
    for (const double p : rates) {
      Coverage gap, quotient, naive;
      std::binomial_distribution<int> law(n, p);
      for (int draw = 0; draw < draws; ++draw) {
        std::array<int, groups> counts{};
        for (int& count : counts) count = law(random);
        const auto [worst, best] = std::ranges::minmax(counts);
        gap.add(difference(estimates[best], estimates[worst]), 0);
        quotient.add(ratio(estimates[worst], estimates[best]), 1);
        naive.add(difference(single[best], single[worst]), 0);
      }
      gap.judge(text("gap, p = %g", p), n, {.94, 1});
      quotient.judge(text("ratio, p = %g", p), n, {.94, 1});
      naive.show(text("gap as if the pair were not selected, p = %g", p), n);
      EXPECT_LT(naive.share(), .85) << "the selection alone makes it miss";
    }
  }
}

/// Small, lopsided and nearly separated samples, and a gap between two groups' areas.
TEST(Coverage, AreasUnderTheCurveAtTheEdge) {
  head("AUROC at the edge");
  Random random(6);
  struct Law {
    int positives, negatives;
    double distance;
  };
  std::array<double, histogram_bins> positives{}, negatives{};
  const auto draw_area = [&](const Law& law) {
    draw_bins(random, law.positives, law.distance / 2, positives);
    draw_bins(random, law.negatives, -law.distance / 2, negatives);
    return auroc(positives, negatives);
  };
  const auto area_of = [](const Law& law) { return std::erfc(-law.distance / 2) / 2; };
  for (const auto& law :
       {Law{15, 15, 3}, {15, 15, 4.5}, {15, 15, 0}, {5, 25, 1.2}, {30, 270, 1.2}, {1, 29, 1.2}}) {
    Coverage coverage;
    for (int draw = 0; draw < draws; ++draw) coverage.add(auroc_interval(draw_area(law)), area_of(law));
    coverage.judge(text("AUROC %.3f, %g positives", area_of(law), law.positives),
                   law.positives + law.negatives, {.92, 1});
    EXPECT_EQ(coverage.without_interval(), 0);
  }
  for (const int n : {30, 300}) {
    const Law best{n / 2, n / 2, 1.812387604}, worst{n / 2, n / 2, 1.190232161};
    Coverage gap;
    for (int draw = 0; draw < draws; ++draw) {
      const auto a = draw_area(best), b = draw_area(worst);
      gap.add(difference({a.value, auroc_interval(a)}, {b.value, auroc_interval(b)}), .1);
    }
    gap.judge("AUROC 0.9 - 0.8", n, line_of(n));
  }
}

/// A group's rate rests on a number of rows that varies from sample to sample. Where that is 0 there is no
/// interval: the samples that have none are as many as the law says, no more.
TEST(Coverage, RatesWithARandomDenominator) {
  head("TPR .8 in the group, .6 in the rest");
  Random random(7);
  for (const double share : {.1, .3})
    for (const int n : sizes) {
      Coverage rate, to_whole;
      std::binomial_distribution<int> positives(n, share), rest_positives(2 * n, share);
      const auto draw_estimate = [&](int rows, double p) -> Bounded {
        const double value = static_cast<double>(std::binomial_distribution<int>(rows, p)(random)) / rows;
        return {value, wilson(value, rows)};
      };
      for (int draw = 0; draw < draws; ++draw) {
        const int group = positives(random), rest = rest_positives(random);
        const auto a = draw_estimate(group, .8), b = draw_estimate(rest, .6);
        rate.add(a.interval, .8);
        const double part = static_cast<double>(group) / (group + rest);
        to_whole.add(difference_to_whole(difference(a, b), part), .2 * (1 - part));
      }
      const double none = std::pow(1 - share, n);
      const Line line{line_of(n).at_least - none, line_of(n).at_most};
      rate.judge(text("TPR, %g of the rows positive", share), n, line);
      to_whole.judge(text("minus that of the whole, %g positive", share), n, line);
      EXPECT_NEAR(rate.without_interval() / static_cast<double>(draws), none, .01);
    }
}

/// Rows with a label and a score that knows something of it.
struct ScoredRows {
  RatioSums precision, f1;
  double sum = 0, squares = 0;
  int true_positives = 0, errors = 0;
};
ScoredRows draw_rows(Random& random, int n, double positives) {
  ScoredRows rows;
  std::uniform_real_distribution<double> uniform;
  std::normal_distribution<double> normal;
  for (int i = 0; i < n; ++i) {
    const double label = uniform(random) < positives ? 1 : 0;
    const double s = 1 / (1 + std::exp(-normal(random) - (label > 0 ? 1 : -1)));
    rows.sum += s;
    rows.squares += s * s;
    for (auto [sums, x, y] :
         {std::tuple{&rows.precision, s * label, s}, {&rows.f1, 2 * s * label, s + label}}) {
      sums->n += 1;
      sums->x += x;
      sums->y += y;
      sums->xx += x * x;
      sums->xy += x * y;
      sums->yy += y * y;
    }
    if (s > .5 && label > 0) ++rows.true_positives;
    if ((s > .5) != (label > 0)) ++rows.errors;
  }
  return rows;
}

TEST(Coverage, SoftMeasuresAndF1) {
  head("soft measures, F1");
  Random random(8);
  for (const double positives : {.5, .2, .03}) {
    // The truth, from the sums' expectations: E s given the label, and P(s > 1/2 | label), in closed form or
    // by quadrature over the normal law.
    double high = 0;
    for (int i = -8000; i <= 8000; ++i)
      high += std::exp(-.5e-6 * i * i) / 1000 / std::sqrt(2 * M_PI) / (1 + std::exp(-i / 1000. - 1));
    const double hits = std::erfc(-1 / std::sqrt(2.)) / 2, low = 1 - high;
    const double mean = positives * high + (1 - positives) * low;
    const double precision = positives * high / mean, f1 = 2 * positives * high / (mean + positives);
    const double hard_f1 = 2 * positives * hits / (2 * positives * hits + 1 - hits);
    for (const int n : sizes) {
      if (n == 3000 && positives != .2) continue;  // for the time it takes
      Coverage of_mean, of_precision, of_f1, of_hard_f1;
      for (int draw = 0; draw < draws; ++draw) {
        const auto rows = draw_rows(random, n, positives);
        const double average = rows.sum / n;
        of_mean.add(student_in_unit(average, std::sqrt((rows.squares - n * average * average) / (n - 1)), n),
                    mean);
        of_precision.add(ratio_of_sums_interval(ratio_of_sums(rows.precision)), precision);
        of_f1.add(ratio_of_sums_interval(ratio_of_sums(rows.f1)), f1);
        const double relevant = rows.true_positives + rows.errors;
        of_hard_f1.add(f1_interval(2 * rows.true_positives / (rows.true_positives + relevant), relevant),
                       hard_f1);
      }
      of_mean.judge(text("mean score, %g positive", positives), n, line_of(n));
      of_precision.judge(text("soft precision, %g positive", positives), n, line_of(n));
      of_f1.judge(text("soft F1, %g positive", positives), n, line_of(n));
      of_hard_f1.judge(text("F1, %g positive", positives), n, line_of(n));
    }
  }
}

/// Trials are models whose rates scatter around .8; all are judged on the same n rows, of which those that
/// one model gets right another mostly gets right too.
TEST(Coverage, AverageModelOverTrials) {
  head("average of T models on shared rows");
  Random random(9);
  std::uniform_real_distribution<double> uniform;
  std::normal_distribution<double> normal(.8, .05);
  for (const int n : {30, 300})
    for (const int trials : {1, 2, 10, 40}) {
      Coverage coverage, without_between;
      std::vector<double> difficulty(n), right(trials);
      for (int draw = 0; draw < draws; ++draw) {
        for (double& row : difficulty) row = uniform(random);
        for (double& rate : right) {
          const double skill = normal(random);
          rate =
              static_cast<double>(std::ranges::count_if(difficulty, [&](double d) { return d < skill; })) / n;
        }
        double mean = 0, between = 0;
        for (const double rate : right) mean += rate / trials;
        for (const double rate : right) between += (rate - mean) * (rate - mean) / std::max(1, trials - 1);
        const auto within = wilson(mean, n);
        coverage.add(over_trials(mean, within, between, trials, .95, {0, 1}), .8);
        without_between.add(within, .8);
      }
      const auto what = text("T = %g", trials);
      if (trials > 1) {
        coverage.judge(what, n, {n == 30 ? .915 : .935, 1});
      } else {
        coverage.show(what + " (the scatter is unknown, so not in it)", n);
      }
      without_between.show(what + ", sampling of rows alone", n);
    }
}

}  // namespace
}  // namespace seldon::analysis

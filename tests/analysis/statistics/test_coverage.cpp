// Coverage by simulation: how often an interval holds the truth, over 10,000 samples from a known law. The
// truth is the law's, not the sample's. A sample without an interval is counted, shown, and counts as missed.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
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

}  // namespace
}  // namespace seldon::analysis

// Which pair of a family is furthest apart, and how far.

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "analysis/subgroups/point.h"

namespace seldon::analysis {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// A fairness criterion that compares one measure between groups.
struct Criterion {
  std::string_view name, title;
  Measure measure;
};

constexpr Criterion criteria[] = {
    // The ratio is the disparate impact.
    {"demographic_parity", "demographic parity (ratio: disparate impact)", Measure::positive_rate},
    // Hardt, Price and Srebro, "Equality of opportunity in supervised learning", NeurIPS 2016.
    {"equal_opportunity", "equal opportunity", Measure::tpr},
    // Chouldechova, "Fair prediction with disparate impact", Big Data 5, 2017.
    {"predictive_equality", "predictive equality", Measure::fpr},
    {"accuracy", "accuracy (ratio: accuracy ratio)", Measure::accuracy},
    // Xu et al., "Investigating bias and fairness in facial expression recognition", ECCV workshops 2020, eq.
    // 5: least over largest sum of the classes' TPR, which is the ratio of their means.
    {"generalised_equal_opportunity", "generalised equal opportunity (ratio)", Measure::balanced_accuracy},
};

Estimate undefined(std::string why) {
  Estimate estimate;
  estimate.value = estimate.between_sd = estimate.sampling_se = nan;
  estimate.interval = {nan, nan};
  estimate.why_nan = std::move(why);
  return estimate;
}

class Finder {
 public:
  Finder(const PointStatistics& statistics, const AccumulationPlan& plan, const SubgroupAnalysis& analysis)
      : statistics_(statistics), plan_(plan), analysis_(analysis) {}

  /// Pairs of groups that have a value.
  std::size_t pairs(std::size_t column, std::size_t family) const {
    return pairs_of(with_value(column, family).size());
  }

  /// The largest gap of one column in one family; its interval holds for all pairs of the column, and for
  /// `other_pairs` that it was selected from besides, at once.
  Gap largest(std::size_t column, std::size_t family, std::size_t other_pairs = 0) const {
    Gap gap;
    gap.column = column;
    gap.family = family;
    const auto groups = with_value(column, family);
    gap.pairs = pairs_of(groups.size()) + other_pairs;
    gap.best = gap.worst = analysis_.families[family].members.front();
    if (groups.size() < 2) {
      gap.difference = gap.ratio =
          undefined(groups.empty() ? "no group has a value" : "one group has a value");
      return gap;
    }
    const auto less = [&](std::size_t a, std::size_t b) { return at(column, a) < at(column, b); };
    const auto low = *std::ranges::min_element(groups, less), high = *std::ranges::max_element(groups, less);
    // All equal: any two.
    const auto other = low == high ? *std::ranges::find_if(groups, [&](auto g) { return g != low; }) : high;
    fill(gap, low, other);
    return gap;
  }

  /// |difference of TPR| + |difference of FPR| of the pair where it is largest.
  Gap largest_sum(std::size_t tpr, std::size_t fpr, std::size_t family) const {
    Gap gap = largest(tpr, family);
    if (gap.best == gap.worst) return gap;
    gap.ratio = undefined("");
    auto groups = with_value(tpr, family);
    std::erase_if(groups, [&](auto group) { return std::isnan(at(fpr, group)); });
    // One interval for each of two rates.
    gap.pairs = 2 * pairs_of(groups.size());
    double most = -1;
    for (std::size_t i = 0; i < groups.size(); ++i)
      for (std::size_t j = i + 1; j < groups.size(); ++j) {
        const double sum = std::abs(at(tpr, groups[i]) - at(tpr, groups[j])) +
                           std::abs(at(fpr, groups[i]) - at(fpr, groups[j]));
        if (!(sum > most)) continue;
        most = sum;
        gap.best = groups[i];
        gap.worst = groups[j];
      }
    if (most < 0) {
      gap.worst = gap.best;
      gap.difference = gap.ratio = undefined("no pair of groups has both rates");
      return gap;
    }
    if (at(tpr, gap.best) < at(tpr, gap.worst)) std::swap(gap.best, gap.worst);
    gap.difference = absolute(compared(tpr, gap, gap.best, gap.worst));
    const auto other = absolute(compared(fpr, gap, gap.best, gap.worst));
    auto& sum = gap.difference;
    sum.value += other.value;
    // Both hold at once, since the confidence is shared among twice the pairs.
    sum.interval = {sum.interval.lower + other.interval.lower, sum.interval.upper + other.interval.upper};
    // The standard deviations are at most additive; positives and negatives are different rows.
    sum.between_sd += other.between_sd;
    sum.sampling_se = std::hypot(sum.sampling_se, other.sampling_se);
    sum.rows = std::min(sum.rows, other.rows);
    sum.few_rows = sum.few_rows || other.few_rows;
    return gap;
  }

 private:
  static std::size_t pairs_of(std::size_t groups) { return groups < 2 ? 0 : groups * (groups - 1) / 2; }

  double at(std::size_t column, std::size_t group) const {
    return statistics_.value(column, plan_.slots.slot_of(group));
  }

  std::vector<std::size_t> with_value(std::size_t column, std::size_t family) const {
    std::vector<std::size_t> groups;
    for (const auto group : analysis_.families[family].members)
      if (!std::isnan(at(column, group))) groups.push_back(group);
    return groups;
  }

  PointStatistics::Comparison comparison(std::size_t column, const Gap& gap, std::size_t a,
                                         std::size_t b) const {
    return {column, plan_.slots.slot_of(a), plan_.slots.slot_of(b), plan_.slots.cross(gap.family, a, b),
            simultaneous(analysis_.confidence, gap.pairs)};
  }
  Estimate compared(std::size_t column, const Gap& gap, std::size_t a, std::size_t b) const {
    return statistics_.difference(comparison(column, gap, a, b));
  }

  void fill(Gap& gap, std::size_t low, std::size_t high) const {
    const auto measure = analysis_.columns[gap.column].measure;
    gap.difference = compared(gap.column, gap, high, low);
    gap.ratio = statistics_.ratio(comparison(gap.column, gap, low, high));
    const bool low_is_best = badness(measure, at(gap.column, low)) < badness(measure, at(gap.column, high));
    gap.best = low_is_best ? low : high;
    gap.worst = low_is_best ? high : low;
  }

  static Estimate absolute(Estimate estimate) {
    auto& [lower, upper] = estimate.interval;
    if (upper < 0)
      estimate.interval = {-upper, -lower};
    else if (lower < 0)
      estimate.interval = {0, std::max(-lower, upper)};
    estimate.value = std::abs(estimate.value);
    return estimate;
  }

  const PointStatistics& statistics_;
  const AccumulationPlan& plan_;
  const SubgroupAnalysis& analysis_;
};

/// Two criteria on two measures at once: the larger difference, the smaller ratio (Fairlearn's
/// equalized_odds_difference and _ratio with agg="worst_case"), and the sum of both differences.
void add_equalized_odds(const Finder& finder, const SubgroupAnalysis& analysis, std::size_t family,
                        std::uint32_t of_class, const std::string& suffix, std::vector<Gap>& gaps) {
  const auto tpr = column_of(analysis.columns, Measure::tpr, of_class),
             fpr = column_of(analysis.columns, Measure::fpr, of_class);
  if (!tpr || !fpr) return;
  const Gap by_tpr = finder.largest(*tpr, family, finder.pairs(*fpr, family)),
            by_fpr = finder.largest(*fpr, family, finder.pairs(*tpr, family));
  const auto add = [&](const Gap& from, std::string name, std::string title, bool is_difference) {
    Gap gap = from;
    gap.criterion = std::move(name) + suffix;
    gap.title = std::move(title);
    // Where a criterion has no pair, both say why.
    if (from.best != from.worst) (is_difference ? gap.ratio : gap.difference) = undefined("");
    gaps.push_back(std::move(gap));
  };
  const bool tpr_differs_more =
      std::isnan(by_fpr.difference.value) || by_tpr.difference.value >= by_fpr.difference.value;
  add(tpr_differs_more ? by_tpr : by_fpr, "equalized_odds", "equalized odds (larger of TPR and FPR)", true);
  const bool tpr_is_less = std::isnan(by_fpr.ratio.value) || by_tpr.ratio.value <= by_fpr.ratio.value;
  add(tpr_is_less ? by_tpr : by_fpr, "equalized_odds_ratio", "equalized odds (smaller ratio of TPR and FPR)",
      false);
  Gap sum = finder.largest_sum(*tpr, *fpr, family);
  sum.criterion = "equalized_odds_sum" + suffix;
  sum.title = "equalized odds (sum of TPR and FPR)";
  gaps.push_back(std::move(sum));
}

}  // namespace

std::vector<Gap> gaps_of(const PointStatistics& statistics, const AccumulationPlan& plan,
                         const SubgroupAnalysis& analysis) {
  const Finder finder(statistics, plan, analysis);
  std::vector<Gap> gaps;
  for (std::size_t family = 0; family < analysis.families.size(); ++family) {
    if (analysis.families[family].members.size() < 2) continue;
    std::set<std::size_t> covered;
    const auto classes = plan.shape.classes;
    for (std::uint32_t k = classes == 2 ? 1 : 0; k < std::max(classes, 1U); ++k) {
      const auto suffix = classes > 2 ? "_[" + std::to_string(k) + "]" : std::string();
      for (const auto& criterion : criteria) {
        const bool per_class =
            criterion.measure != Measure::accuracy && criterion.measure != Measure::balanced_accuracy;
        const auto column = column_of(analysis.columns, criterion.measure, per_class ? k : 1);
        if (!column || covered.contains(*column)) continue;
        covered.insert(*column);
        auto gap = finder.largest(*column, family);
        gap.criterion = std::string(criterion.name) + (per_class ? suffix : "");
        gap.title = criterion.title;
        gaps.push_back(std::move(gap));
      }
      add_equalized_odds(finder, analysis, family, k, suffix, gaps);
    }
    for (std::size_t column = 0; column < analysis.columns.size(); ++column) {
      if (covered.contains(column)) continue;
      auto gap = finder.largest(column, family);
      gap.criterion = analysis.columns[column].name;
      gap.title = analysis.columns[column].title;
      gaps.push_back(std::move(gap));
    }
  }
  return gaps;
}

}  // namespace seldon::analysis

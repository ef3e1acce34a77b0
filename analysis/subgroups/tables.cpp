#include "analysis/subgroups/tables.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "analysis/text.h"

namespace seldon::analysis {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t ten = 10;

bool contains(const std::vector<std::size_t>& indices, std::size_t index) {
  return std::ranges::find(indices, index) != indices.end();
}

/// Whether a model is held to a constraint on these groups: a subgroup's or a family's.
template <class Groups>
std::string in_training(const store::ModelHeader& model, const Groups& groups) {
  if (model.kind != "seldonian" || !groups.used_in_training) return "no";
  return groups.used_in_part ? "in part" : "yes";
}

std::string percent(double confidence) {
  return shortest(confidence * 100) + " %";
}

/// Names stay names of files: "n1000".
std::string suffix_of(const store::Header& header, TablePlace place) {
  std::string text = "_n" + std::to_string(header.rows.at(place.fraction));
  // Two fractions may give the same number of rows.
  if (std::ranges::count(header.rows, header.rows[place.fraction]) > 1)
    text += "_" + std::to_string(place.fraction);
  return text + "_" + std::string(name_of(place.rule));
}

std::string title_suffix(const store::Header& header, TablePlace place) {
  std::string text = ", n = " + std::to_string(header.rows.at(place.fraction)) + " (data fraction " +
                     shortest(header.data_fracs[place.fraction]) + ")";
  if (place.rule != Rule::value) text += ", " + std::string(name_of(place.rule)) + " decisions";
  return text;
}

TableCell cell_of(const Estimate& estimate) {
  if (estimate.trials == 0 && estimate.why_nan.empty()) return {};
  return TableCell::of_interval(estimate.value, estimate.interval.lower, estimate.interval.upper,
                                estimate.why_nan)
      .flag(estimate.few_rows);
}

TableCell spread(double value, const Estimate& estimate, const char* why) {
  if (estimate.trials == 0 && estimate.why_nan.empty()) return {};
  return TableCell::of_number(value, !std::isnan(value)         ? ""
                                     : estimate.why_nan.empty() ? std::string(why)
                                                                : estimate.why_nan);
}

TableCell between_cell(const Estimate& estimate) {
  return spread(estimate.between_sd, estimate, "one trial");
}

TableCell sampling_cell(const Estimate& estimate) {
  return spread(estimate.sampling_se, estimate, "too few rows for a variance");
}

std::string rule_note(const SubgroupAnalysis& analysis, Rule rule) {
  std::string note = "Ground truth: " + analysis.truth;
  note += analysis.truth == "original"
              ? " (the rows that trials are drawn from, so that models were trained on "
                "some of them)"
          : analysis.truth == "held_out" ? " (rows that no trial draws from)"
                                         : "";
  if (rule == Rule::soft) note += ". Decisions: soft (mean probabilities)";
  if (rule == Rule::hard) note += ". Decisions: hard (the class decided for)";
  return note + ". Over trials with a solution.";
}

std::string interval_note(const SubgroupAnalysis& analysis) {
  return "In brackets: " + percent(analysis.confidence) +
         " interval for the average model of the trials, judged on a new evaluation set of this size: "
         "standard "
         "error sqrt(B / T + W), B the variance between T trials, W the mean sampling variance within one "
         "evaluation set.";
}

std::string few_note(const SubgroupAnalysis& analysis) {
  return "Flagged: fewer than " + shortest(analysis.min_rows) + " rows in the denominator.";
}

/// A message where trials are missing yet.
void add_partial_note(Table& table, const store::Header& header,
                      const std::vector<const SubgroupPoint*>& points) {
  const auto cells = std::uint64_t{points.size()} * header.n_trials;
  std::uint64_t recorded = 0;
  for (const auto* point : points) recorded += point->recorded;
  if (recorded < cells)
    table.notes.push_back("PARTIAL: " + std::to_string(recorded) + " of " + std::to_string(cells) +
                          " trials are recorded so far.");
}

std::vector<const SubgroupPoint*> points_at(const SubgroupAnalysis& analysis, TablePlace place) {
  std::vector<const SubgroupPoint*> points;
  for (const auto& point : analysis.points)
    if (point.fraction == place.fraction && point.rule == place.rule) points.push_back(&point);
  return points;
}

/// Of all data fractions.
std::vector<const SubgroupPoint*> points_of(const SubgroupAnalysis& analysis, Rule rule) {
  std::vector<const SubgroupPoint*> points;
  for (const auto& point : analysis.points)
    if (point.rule == rule) points.push_back(&point);
  return points;
}

TableColumn column(std::string name, std::string title, std::string about = "", int decimals = 3) {
  return {std::move(name), std::move(title), std::move(about), decimals};
}

TableColumn measure_column(const MeasureColumn& measure) {
  return column(measure.name, measure.title, std::string(about(measure.measure)));
}

void add_common_notes(Table& table, const SubgroupAnalysis& analysis, const store::Header& header,
                      TablePlace place) {
  table.notes.push_back(rule_note(analysis, place.rule));
  table.notes.push_back(interval_note(analysis));
  table.notes.push_back(few_note(analysis));
  const auto points = points_at(analysis, place);
  std::string binning;
  for (const auto* point : points) {
    if (std::isnan(point->auroc_error) || point->auroc_error == 0) continue;
    binning +=
        (binning.empty() ? "" : ", ") + header.models[point->model].name + " " + fixed(point->auroc_error, 4);
  }
  add_partial_note(table, header, points);
  if (!binning.empty())
    table.notes.push_back("AUROC from scores in 64 bins: off by at most this in any trial and subgroup: " +
                          binning + " (rows of a bin count as ties).");
}

const std::string training_note =
    "In training: the model is held to a constraint that names groups of the attribute; 'in part': of some "
    "of "
    "the attributes. 'no': only reported.";

/// Takes out what a screen has no room for.
void drop_columns(Table& table, const std::set<std::string>& names) {
  for (std::size_t c = table.columns.size(); c-- > 0;) {
    if (!names.contains(table.columns[c].name)) continue;
    const auto at = static_cast<std::ptrdiff_t>(c);
    table.columns.erase(table.columns.begin() + at);
    for (auto& row : table.rows) row.erase(row.begin() + at);
  }
}

/// Criteria that other ones imply, or that few papers report.
bool is_special(const Gap& gap) {
  return gap.criterion.starts_with("equalized_odds_") || gap.criterion == "generalised_equal_opportunity";
}

}  // namespace

std::vector<std::size_t> all_columns(const SubgroupAnalysis& analysis) {
  std::vector<std::size_t> columns(analysis.columns.size());
  std::iota(columns.begin(), columns.end(), std::size_t{0});
  return columns;
}

std::vector<std::size_t> all_subgroups(const SubgroupAnalysis& analysis) {
  std::vector<std::size_t> subgroups(analysis.subgroups.size());
  std::iota(subgroups.begin(), subgroups.end(), std::size_t{0});
  return subgroups;
}

std::vector<std::size_t> brief_subgroups(const SubgroupAnalysis& analysis) {
  std::vector<std::size_t> subgroups;
  bool single = false;
  for (std::size_t i = 0; i < analysis.subgroups.size(); ++i) {
    const auto attributes = analysis.subgroups[i].attributes.size();
    single = single || attributes == 1;
    if (attributes < 2) subgroups.push_back(i);
  }
  return single ? subgroups : all_subgroups(analysis);
}

std::vector<std::size_t> brief_columns(const SubgroupAnalysis& analysis) {
  std::vector<std::size_t> columns;
  for (const auto measure : {Measure::accuracy, Measure::positive_rate, Measure::tpr, Measure::fpr})
    if (const auto found = column_of(analysis.columns, measure); found) columns.push_back(*found);
  const bool two_classes = !column_of(analysis.columns, Measure::tpr, 0);
  return columns.empty() || !two_classes ? usual_columns(analysis) : columns;
}

std::vector<std::size_t> usual_columns(const SubgroupAnalysis& analysis) {
  const bool regression = column_of(analysis.columns, Measure::mean_error).has_value();
  if (regression) return all_columns(analysis);
  std::vector<std::size_t> columns;
  const bool two_classes = column_of(analysis.columns, Measure::tpr, 0) == std::nullopt;
  const std::vector<Measure> measures =
      two_classes
          ? std::vector{Measure::accuracy,          Measure::positive_rate, Measure::tpr,        Measure::fpr,
                        Measure::balanced_accuracy, Measure::auroc,         Measure::calibration}
          : std::vector{Measure::accuracy, Measure::balanced_accuracy, Measure::log_loss};
  for (const auto measure : measures)
    if (const auto found = column_of(analysis.columns, measure); found) columns.push_back(*found);
  return columns;
}

Table subgroup_table(const SubgroupAnalysis& analysis, const store::Header& header, TablePlace place,
                     const SubgroupTableOptions& options) {
  Table table;
  table.name = "subgroups" + suffix_of(header, place);
  table.title = "Subgroups" + title_suffix(header, place);
  table.columns = {column("model", "model"), column("subgroup", "subgroup"),
                   column("in_training", "in training", training_note),
                   column("solutions", "trials", "trials with a solution, of those recorded"),
                   column("rows", "n", "rows of the evaluation set, mean over trials", 0)};
  const bool two_classes =
      std::ranges::any_of(analysis.points, [](const auto& p) { return !p.positives.empty(); });
  if (two_classes) table.columns.push_back(column("positives", "positives", "rows of class 1", 0));
  for (const auto index : options.columns) table.columns.push_back(measure_column(analysis.columns[index]));
  for (const auto* point : points_at(analysis, place))
    for (const auto index : options.subgroups) {
      const auto& subgroup = analysis.subgroups[index];
      auto& row = table.rows.emplace_back();
      row.push_back(TableCell::of(header.models[point->model].name));
      row.push_back(TableCell::of(subgroup.name));
      row.push_back(subgroup.attributes.empty()
                        ? TableCell{}
                        : TableCell::of(in_training(header.models[point->model], subgroup)));
      row.push_back(TableCell::of_count(point->solutions));
      row.push_back(TableCell::of_number(point->rows[index], "no trial with a solution")
                        .flag(point->rows[index] < analysis.min_rows));
      if (two_classes)
        row.push_back(TableCell::of_number(point->positives[index], "no trial with a solution"));
      for (const auto measure : options.columns) row.push_back(cell_of(point->estimates[index][measure]));
    }
  add_common_notes(table, analysis, header, place);
  if (options.brief)
    drop_columns(table, {"in_training"});
  else
    table.notes.push_back(training_note);
  return table;
}

Table estimate_table(const SubgroupAnalysis& analysis, const store::Header& header, TablePlace place,
                     const SubgroupTableOptions& options) {
  Table table;
  table.name = "estimates" + suffix_of(header, place);
  table.title = "Estimates and their variances" + title_suffix(header, place);
  table.columns = {
      column("model", "model"),
      column("subgroup", "subgroup"),
      column("measure", "measure"),
      column("value", "value", "mean over trials", 4),
      column("between_sd", "SD between trials", "standard deviation of the value between trials", 4),
      column("sampling_se", "sampling SE", "root of the mean sampling variance within one evaluation set", 4),
      column("trials", "trials", "with a solution and a value"),
      column("rows", "rows", "in the denominator, mean over trials", 1)};
  for (const auto* point : points_at(analysis, place))
    for (const auto index : options.subgroups)
      for (const auto measure : options.columns) {
        const auto& estimate = point->estimates[index][measure];
        table.rows.push_back({TableCell::of(header.models[point->model].name),
                              TableCell::of(analysis.subgroups[index].name),
                              TableCell::of(analysis.columns[measure].name), cell_of(estimate),
                              between_cell(estimate), sampling_cell(estimate),
                              TableCell::of_count(estimate.trials), TableCell::of_number(estimate.rows)});
      }
  add_common_notes(table, analysis, header, place);
  return table;
}

Table gap_table(const SubgroupAnalysis& analysis, const store::Header& header, TablePlace place,
                const SubgroupTableOptions& options) {
  Table table;
  table.name = "gaps" + suffix_of(header, place);
  table.title = "Gaps between groups" + title_suffix(header, place);
  table.columns = {column("model", "model"),
                   column("family", "groups of"),
                   column("in_training", "in training", training_note),
                   column("criterion", "criterion"),
                   column("measure", "measure", "that drives it"),
                   column("best_group", "best group"),
                   column("worst_group", "worst group"),
                   column("pairs", "pairs", "from which this one was selected"),
                   column("difference", "difference", "larger minus smaller value"),
                   column("difference_between_sd", "SD (diff.)", "between trials, of the difference", 4),
                   column("difference_sampling_se", "SE (diff.)", "sampling, within one evaluation set", 4),
                   column("ratio", "ratio", "smaller over larger value"),
                   column("ratio_between_sd", "SD (ratio)", "between trials, by the delta method", 4),
                   column("ratio_sampling_se", "SE (ratio)", "sampling, by the delta method", 4)};
  for (const auto* point : points_at(analysis, place))
    for (const auto& gap : point->gaps) {
      const auto& family = analysis.families[gap.family];
      if (!contains(options.columns, gap.column) || (options.brief && is_special(gap)) ||
          std::ranges::none_of(family.members, [&](auto g) { return contains(options.subgroups, g); }))
        continue;
      const bool pair = gap.best != gap.worst;
      const auto group = [&](std::size_t index) {
        return pair ? TableCell::of(analysis.subgroups[index].name) : TableCell{};
      };
      table.rows.push_back({TableCell::of(header.models[point->model].name), TableCell::of(family.name),
                            TableCell::of(in_training(header.models[point->model], family)),
                            TableCell::of(gap.criterion), TableCell::of(analysis.columns[gap.column].name),
                            group(gap.best), group(gap.worst), TableCell::of_count(gap.pairs),
                            cell_of(gap.difference), between_cell(gap.difference),
                            sampling_cell(gap.difference), cell_of(gap.ratio), between_cell(gap.ratio),
                            sampling_cell(gap.ratio)});
    }
  add_common_notes(table, analysis, header, place);
  if (options.brief)
    drop_columns(table, {"pairs", "difference_between_sd", "difference_sampling_se", "ratio_between_sd",
                         "ratio_sampling_se"});
  else
    table.notes.push_back("SD: between trials; SE: sampling, within one evaluation set.");
  table.notes.push_back(
      "The pair with the largest gap of the average model. Its interval holds for all pairs of its family at "
      "once "
      "(Bonferroni over the pairs), since the pair was selected.");
  table.notes.push_back(
      "demographic_parity: positive rates, their ratio is the disparate impact. equal_opportunity: TPR. "
      "predictive_equality: FPR. equalized_odds: the larger of the differences of TPR and FPR, "
      "equalized_odds_ratio the smaller of the ratios (as Fairlearn), equalized_odds_sum: |difference of "
      "TPR| + "
      "|difference of FPR|. generalised_equal_opportunity: its ratio is the least over the largest sum of "
      "the "
      "classes' TPR.");
  table.notes.push_back(training_note);
  if (std::ranges::any_of(analysis.families, [](const auto& family) { return family.overlapping; }))
    table.notes.push_back(
        "Groups of overlapping attributes share rows; their intervals are those of groups that share none.");
  return table;
}

Table equality_table(const SubgroupAnalysis& analysis, const store::Header& header, TablePlace place,
                     const SubgroupTableOptions& options) {
  Table table;
  table.name = "equality" + suffix_of(header, place);
  table.title = "Subgroups against the whole" + title_suffix(header, place);
  table.columns = {column("model", "model"),
                   column("measure", "measure"),
                   column("subgroup", "subgroup"),
                   column("difference", "minus the whole"),
                   column("ratio", "over the whole"),
                   column("statistic", "statistic", "z, or t where df is finite", 2),
                   column("df", "df", "degrees of freedom of t (Satterthwaite)", 0),
                   column("p", "p", "two-sided, of 'the group equals the rest'", 4),
                   column("p_holm", "p (Holm)", "adjusted within the family of tests", 4),
                   column("tests", "tests", "in the family")};
  std::size_t most = 0;
  for (const auto* point : points_at(analysis, place))
    for (const auto& contrast : point->contrasts) {
      if (!contains(options.columns, contrast.column) || !contains(options.subgroups, contrast.subgroup))
        continue;
      most = std::max(most, contrast.tests);
      const auto& estimate = point->estimates[contrast.subgroup][contrast.column];
      const auto number = [&](double value) {
        const char* why = estimate.why_nan.empty() ? "the test cannot be made of these rows" : "no value";
        return TableCell::of_number(value, std::isnan(value) ? why : "");
      };
      table.rows.push_back(
          {TableCell::of(header.models[point->model].name),
           TableCell::of(analysis.columns[contrast.column].name),
           TableCell::of(analysis.subgroups[contrast.subgroup].name), cell_of(contrast.difference),
           cell_of(contrast.ratio), number(contrast.test.statistic), number(contrast.test.degrees_of_freedom),
           number(contrast.test.p), number(contrast.holm), TableCell::of_count(contrast.tests)});
    }
  add_common_notes(table, analysis, header, place);
  table.notes.push_back(
      "p: two-sided test of 'the group equals the rest of the rows'; score test for hard rates, Welch's for "
      "means of scores and losses, both with the variance between trials added (Satterthwaite's degrees of "
      "freedom). Holm's adjustment is within one "
      "model "
      "and measure: a family of " +
      std::to_string(most) + " tests, all subgroups, shown or not.");
  return table;
}

Table extremes_table(const SubgroupAnalysis& analysis, const store::Header& header, Rule rule,
                     const SubgroupTableOptions& options) {
  struct Place {
    const SubgroupPoint* point;
    std::size_t subgroup;
    double value;
  };
  const auto measure = options.columns.front();
  const auto& shown = analysis.columns[measure];
  std::vector<Place> places;
  std::size_t without = 0;
  for (const auto& point : analysis.points)
    for (const auto subgroup : options.subgroups) {
      if (point.rule != rule || analysis.subgroups[subgroup].attributes.empty()) continue;
      const double value = point.estimates[subgroup][measure].value;
      if (std::isnan(value))
        ++without;
      else
        places.push_back({&point, subgroup, value});
    }
  std::ranges::stable_sort(places, {},
                           [&](const auto& place) { return badness(shown.measure, place.value); });
  Table table;
  table.name = "extremes_" + shown.name + "_" + std::string(name_of(rule));
  table.title = "Best and worst " + std::to_string(options.top) + " of " + std::to_string(places.size()) +
                " (model, data fraction, subgroup) by " + shown.title;
  if (rule != Rule::value) table.title += ", " + std::string(name_of(rule)) + " decisions";
  std::erase_if(table.name, [](char c) { return c == '[' || c == ']'; });
  table.columns = {column("side", "side"),   column("rank", "rank"),
                   column("model", "model"), column("fraction", "data fraction", "", 4),
                   column("n", "n"),         column("subgroup", "subgroup"),
                   measure_column(shown),    column("rows", "rows", "in the denominator", 1)};
  const auto add = [&](const char* side, std::size_t rank, const Place& place) {
    const auto& estimate = place.point->estimates[place.subgroup][measure];
    const auto fraction = place.point->fraction;
    table.rows.push_back({TableCell::of(side), TableCell::of_count(rank + 1),
                          TableCell::of(header.models[place.point->model].name),
                          TableCell::of_number(header.data_fracs[fraction]),
                          TableCell::of_count(header.rows[fraction]),
                          TableCell::of(analysis.subgroups[place.subgroup].name), cell_of(estimate),
                          TableCell::of_number(estimate.rows)});
  };
  const auto shown_places = std::min(options.top, places.size());
  for (std::size_t i = 0; i < shown_places; ++i) add("best", i, places[i]);
  for (std::size_t i = 0; i < shown_places; ++i) add("worst", i, places[places.size() - 1 - i]);
  table.notes = {rule_note(analysis, rule), interval_note(analysis), few_note(analysis)};
  if (without > 0) table.notes.push_back(std::to_string(without) + " more have no value, and so no rank.");
  add_partial_note(table, header, points_of(analysis, rule));
  table.notes.push_back(
      "Selected from many: the best look better and the worst look worse than they are, and the intervals do "
      "not "
      "allow for it.");
  return table;
}

Table means_of_ten_table(const SubgroupAnalysis& analysis, const store::Header& header, Rule rule,
                         const SubgroupTableOptions& options) {
  const auto measure = options.columns.front();
  const auto& shown = analysis.columns[measure];
  const auto points = points_of(analysis, rule);
  Table table;
  table.name = "means_of_ten_" + shown.name + "_" + std::string(name_of(rule));
  std::erase_if(table.name, [](char c) { return c == '[' || c == ']'; });
  table.title = "Means of the ten best and the ten worst (model, data fraction) by " + shown.title;
  if (rule != Rule::value) table.title += ", " + std::string(name_of(rule)) + " decisions";
  table.columns = {column("family", "groups of"), column("subgroup", "subgroup"),
                   column("points", "points", "(model, data fraction) with a value"),
                   column("ten_best", "ten best", "mean of the ten best", 4),
                   column("ten_worst", "ten worst", "mean of the ten worst", 4)};
  const auto mean = [](std::span<const double> values) {
    return values.empty()
               ? nan
               : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  };
  for (const auto& family : analysis.families) {
    double low[2] = {HUGE_VAL, HUGE_VAL}, high[2] = {-HUGE_VAL, -HUGE_VAL};
    std::size_t groups = 0;
    for (const auto subgroup : family.members) {
      if (!contains(options.subgroups, subgroup)) continue;
      std::vector<double> values;
      for (const auto* point : points)
        if (const double value = point->estimates[subgroup][measure].value; !std::isnan(value))
          values.push_back(value);
      std::ranges::sort(values, {}, [&](double value) { return badness(shown.measure, value); });
      const auto count = std::min(ten, values.size());
      const double means[2] = {mean(std::span(values).first(count)), mean(std::span(values).last(count))};
      for (std::size_t i = 0; i < 2 && count > 0; ++i) {
        low[i] = std::min(low[i], means[i]);
        high[i] = std::max(high[i], means[i]);
      }
      groups += count > 0 ? 1 : 0;
      table.rows.push_back({TableCell::of(family.name), TableCell::of(analysis.subgroups[subgroup].name),
                            TableCell::of_count(values.size()), TableCell::of_number(means[0], "no value"),
                            TableCell::of_number(means[1], "no value")});
    }
    if (groups > 1)
      table.rows.push_back({TableCell::of(family.name), TableCell::of("largest difference"), TableCell{},
                            TableCell::of_number(high[0] - low[0]), TableCell::of_number(high[1] - low[1])});
  }
  table.notes = {rule_note(analysis, rule), "For each subgroup, its ten best and ten worst of " +
                                                std::to_string(points.size()) +
                                                " (model, data fraction), fewer where fewer have a value; "
                                                "'largest difference' is between the groups "
                                                "of one family."};
  add_partial_note(table, header, points);
  return table;
}

Table invariant_table(const SubgroupAnalysis& analysis, const store::Header& header) {
  Table table;
  table.name = "invariants";
  table.title = "Invariants of the records";
  table.columns = {
      column("invariant", "invariant"),
      column("model", "model"),
      column("checked", "checked"),
      column("breaches", "breaches"),
      column("largest_deviation", "largest deviation", "relative to the number expected, at least 1"),
      column("first_breach", "first breach")};
  for (const auto& check : analysis.checks) {
    std::uint64_t breaches = 0;
    for (const auto& breach : analysis.breaches)
      if (breach.invariant == check.invariant) breaches += breach.cells;
    table.rows.push_back({TableCell::of(check.invariant), TableCell::of("all"),
                          TableCell::of_count(check.checked),
                          TableCell::of_count(breaches).flag(breaches > 0),
                          TableCell::of_number(check.largest_deviation), TableCell{}});
    for (const auto& breach : analysis.breaches)
      if (breach.invariant == check.invariant)
        table.rows.push_back(
            {TableCell::of(check.invariant), TableCell::of(header.models[breach.model].name), TableCell{},
             TableCell::of_count(breach.cells).flag(), TableCell{},
             TableCell::of("data fraction " + shortest(header.data_fracs[breach.fraction]) + ", trial " +
                           std::to_string(breach.trial) + ": " + breach.detail)});
  }
  table.notes = {
      "Checked in every recorded cell of the store, on every ground truth. A breach: the records are not "
      "what they say, and no number that rests on them should be used."};
  return table;
}

}  // namespace seldon::analysis

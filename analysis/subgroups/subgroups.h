#pragma once
// What is reported of subgroups, per model, data fraction and decision rule: measures, gaps and their
// intervals, over the trials that returned a solution (docs/analysis.md, "Subgroup tables").

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/results.h"
#include "analysis/statistics/comparison.h"
#include "analysis/statistics/interval.h"
#include "store/store.h"

namespace seldon::analysis {

/// Measures of a subgroup. Decisions hard or soft where that makes a difference.
enum class Measure : std::uint8_t {
  accuracy,
  positive_rate,
  tpr,
  fpr,
  tnr,
  fnr,
  precision,
  f1,
  auroc,              ///< from binned scores; the same under both rules
  mean_score,         ///< mean predicted probability of the class
  log_loss,           ///< nats
  calibration,        ///< mean score minus the share of positives
  balanced_accuracy,  ///< mean over classes of the share of a class's rows that are decided for it
  mean_error,         ///< regression, as the two that follow: mean of prediction - label
  mean_squared_error,
  mean_absolute_error,
};
inline constexpr std::size_t measure_count = static_cast<std::size_t>(Measure::mean_absolute_error) + 1;
std::string_view name_of(Measure measure);   ///< "tpr"
std::string_view title_of(Measure measure);  ///< "TPR"
std::string_view about(Measure measure);     ///< what it is, one sentence
/// Whether a ratio of two of its values means anything: not where a value may be negative.
bool has_ratio(Measure measure);

/// How bad a value is: of two, the better one is that with less. Minus the value of a rate or an accuracy,
/// the value of what counts errors (FPR, FNR, losses), and the distance from 0 where too much is as bad as
/// too little (calibration, mean error).
double badness(Measure measure, double value);

/// The decisions that a number rests on.
enum class Rule : std::uint8_t {
  soft,   ///< predicted probabilities
  hard,   ///< the decided class
  value,  ///< regression: there is nothing to decide
};
std::string_view name_of(Rule rule);

/// A measure, of one class against the others where that matters. Two classes: class 1. `of_class` is
/// meaningless for accuracy, balanced accuracy, log loss and regression.
struct MeasureColumn {
  Measure measure;
  std::uint32_t of_class = 1;
  std::string name;   ///< "tpr"; with more than two classes "tpr_[2]"
  std::string title;  ///< "TPR"
};

/// A subgroup as the experiment declares it.
struct Subgroup {
  std::string name;                     ///< "all", "gender=F", "gender=F x age=under_30"
  std::vector<std::string> attributes;  ///< "gender", "age"; empty for "all"
  std::vector<std::string> groups;      ///< "F", "under_30"
  bool used_in_training = false;        ///< a constraint names groups of one of its attributes
  bool used_in_part = false;            ///< of one, but not of all of them
};

/// Subgroups that are compared with each other: the groups of an attribute, or the cells of a crossing.
struct SubgroupFamily {
  std::string name;  ///< "gender", "gender x age"
  std::vector<std::string> attributes;
  std::vector<std::size_t> members;                     ///< indices of subgroups
  bool overlapping = false;                             ///< a row may be in several of them, or in none
  bool used_in_training = false, used_in_part = false;  ///< as its members
};

/// One number for the average model of the trials, judged on a new evaluation set.
struct Estimate {
  double value = 0;          ///< mean over trials; NaN with the reason in `why_nan`
  Interval interval = {};    ///< at the asked confidence, for one cell
  double between_sd = 0;     ///< standard deviation of the value between trials (ddof 1; NaN for one trial)
  double sampling_se = 0;    ///< root of the mean sampling variance within one evaluation set
  std::uint32_t trials = 0;  ///< behind the value
  double rows = 0;           ///< in the denominator, mean over trials
  bool few_rows = false;     ///< under --min-n: shown, flagged
  std::string why_nan;       ///< "no positives", "no trial with a solution"; empty where there is a value
};

/// Two groups of one family and what lies between them: the pair with the largest gap. `best` has the lesser
/// badness(). What a criterion does not define has no trials and no reason.
struct Gap {
  std::string criterion;            ///< "demographic_parity", "equal_opportunity" ..., or a column's name
  std::string title;                ///< "demographic parity"
  std::size_t column = 0;           ///< that drives it
  std::size_t family = 0;           ///< index of SubgroupAnalysis::families
  std::size_t best = 0, worst = 0;  ///< subgroups that drive it; equal where there is no pair
  std::size_t pairs = 1;       ///< from which this one was selected: the interval is simultaneous over them
  Estimate difference, ratio;  ///< larger minus smaller value; smaller over larger
};

/// A subgroup against the whole, and against the rest of the rows.
struct Contrast {
  std::size_t subgroup = 0, column = 0;
  Estimate difference, ratio;  ///< group minus whole, group over whole
  TestResult test = {};        ///< 'the group equals the rest'
  double holm = 0;             ///< the test's p, adjusted within its family (Holm)
  std::size_t tests = 0;       ///< in that family: those of this point's subgroups and this column
};

/// The subgroups of one model at one data fraction, by one rule on one truth.
struct SubgroupPoint {
  std::uint32_t model = 0, fraction = 0;  ///< indices of the header
  Rule rule = Rule::soft;
  std::uint32_t solutions = 0, recorded = 0;
  std::vector<double> rows;                      ///< [subgroup], of the evaluation set, mean over trials
  std::vector<double> positives;                 ///< [subgroup] rows of class 1 (two classes; else empty)
  std::vector<std::vector<Estimate>> estimates;  ///< [subgroup][column]
  std::vector<Gap> gaps;            ///< criteria first, then one for each other column; by family
  std::vector<Contrast> contrasts;  ///< of each subgroup but "all", by column
  double auroc_error = 0;  ///< most that binning may have moved any subgroup's AUROC; NaN without AUROC
};

/// A promise of the records that one of them breaks.
struct Breach {
  std::string invariant;  ///< "groups add up to the whole", "matrix adds up" ...
  std::uint64_t cells = 0;
  std::uint32_t model = 0, fraction = 0, trial = 0;  ///< the first such cell
  std::string detail;                                ///< what was found there
};

struct InvariantCheck {
  std::string invariant;
  std::uint64_t checked = 0;     ///< cells
  double largest_deviation = 0;  ///< of them, relative to what was expected (at least 1)
};

struct SubgroupOptions {
  std::vector<std::uint32_t> models, fractions;  ///< indices of the header; empty: all
  std::optional<std::string> truth;              ///< as Selection::truth
  bool soft = true, hard = true;
  bool auroc = true;  ///< reads the histograms, where there are any
  double confidence = 0.95;
  double min_rows = 30;  ///< fewer in a denominator are flagged
  unsigned threads = 0;  ///< 0: as many as the machine has cores
  /// What takes most of the memory, where no table asks for it: SubgroupPoint::gaps and ::contrasts, and the
  /// data fractions that have them (empty: all).
  bool gaps = true, contrasts = true;
  std::vector<std::uint32_t> compared_fractions;
};

/// What a store's subgroup counts say.
struct SubgroupAnalysis {
  std::vector<Subgroup> subgroups;
  std::vector<SubgroupFamily> families;
  std::vector<MeasureColumn> columns;
  std::string truth;
  double confidence = 0.95, min_rows = 30;
  std::vector<SubgroupPoint> points;  ///< by model, then fraction (both in the header's order), soft first
  std::vector<InvariantCheck> checks;
  std::vector<Breach> breaches;
  Damage damage;
  std::vector<std::string> without_counts;  ///< models that have solutions but no counts: imported ones
};

/// Reads the whole store once. InputError for an unknown truth, and where no model has subgroup counts.
SubgroupAnalysis analyse_subgroups(const store::Reader& reader, const SubgroupOptions& options = {});

/// Subgroups, and the families that they form, from their names and the experiment's identity.
std::vector<Subgroup> subgroups_of(const store::Header& header);
std::vector<SubgroupFamily> families_of(const store::Header& header, const std::vector<Subgroup>& subgroups);

/// Position of a measure's column; none where the experiment has no such measure.
std::optional<std::size_t> column_of(const std::vector<MeasureColumn>& columns, Measure measure,
                                     std::uint32_t of_class = 1);

}  // namespace seldon::analysis

#pragma once
// Two models side by side, trial by trial: models share the rows of a trial (docs/architecture.md), so the
// difference of their performances over the trials in which both found a solution is free of what the trial
// alone brings.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "analysis/plots/figure.h"
#include "analysis/results.h"
#include "analysis/table.h"

namespace seldon::analysis {

/// Two models at one data fraction.
struct PairPoint {
  double fraction = 0;
  std::uint64_t rows = 0;
  std::uint32_t recorded = 0;     ///< trials recorded of both models
  std::uint32_t pairs = 0;        ///< of these, trials in which both have a solution with a performance
  std::uint32_t only_first = 0;   ///< trials in which only the first has one
  std::uint32_t only_second = 0;  ///< trials in which only the second has one
  double first = 0, second = 0;   ///< mean performance over the pairs; NaN for none
  double difference = 0;          ///< mean of first - second over the pairs; NaN for none
  double error = 0;               ///< its standard error, ddof 1; NaN for under two pairs
  double lower = 0, upper = 0;    ///< Student's interval; NaN for under two pairs
  double p = 0;                   ///< two-sided, of 'the mean difference is 0'; NaN for under two pairs
};

struct PairCurve {
  std::string first, second;      ///< models
  std::vector<PairPoint> points;  ///< by amount of data, ascending
};

struct Pairs {
  std::string experiment;
  std::string measure, truth;
  std::uint32_t n_trials = 0;
  double confidence = 0.95;
  std::vector<PairCurve> curves;
};

/// `models`: at least two names; the first is compared with each of the others. Empty: all models of the
/// store. InputError for an unknown name, measure or truth, and for fewer than two models.
Pairs compare_pairs(const Results& results, const Selection& selection = {},
                    const std::vector<std::string>& models = {}, const std::string& measure = {},
                    double confidence = 0.95);

/// One row per pair of models and fraction.
Table pairs_table(const Pairs& pairs);

std::string pairs_data(const Pairs& pairs);

struct PairsOptions {
  FigureStyle style;
  std::string x_label, difference_label;  ///< empty: the usual ones
  bool x_log = true;
  std::vector<std::pair<std::string, std::string>> labels;  ///< model, text of the legend
};

std::string pairs_script(const Pairs& pairs, const PairsOptions& options);

/// Writes NAME.gp and NAME.dat into the folder and draws NAME.FORMAT beside them.
void write_pairs(const Pairs& pairs, const PairsOptions& options, const std::filesystem::path& folder,
                 std::span<const Format> formats);

}  // namespace seldon::analysis

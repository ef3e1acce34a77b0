#pragma once
// Two experiments side by side: per model and data fraction what lies between them, with intervals.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analysis/aggregate.h"
#include "analysis/results.h"
#include "analysis/statistics/comparison.h"
#include "analysis/table.h"

namespace seldon::analysis {

/// One of the two experiments, called A and B in tables.
struct Side {
  const Results* results = nullptr;
  std::string label;  ///< for people: the store's file name
};

struct CompareOptions {
  std::vector<std::pair<std::string, std::string>> models = {};  ///< A's and B's; empty: those of equal name
  Selection selection = {};      ///< of both; a rule only where a store has several
  std::string performance = {};  ///< measure; empty: A's first that B has, too
  bool same_rows = false;        ///< the user vouches that a trial drew the same rows in both
};

/// One quantity of one model at one data fraction.
struct ComparedPoint {
  std::string quantity;                ///< "performance, log_loss", "solution rate", "failure rate, parity"
  std::string model_a, model_b;        ///< names
  double fraction_a, fraction_b;       ///< equal, or of equal n
  std::uint64_t rows_a, rows_b;        ///< n
  Bounded a, b;                        ///< mean or rate in each, over its own trials
  Bounded difference;                  ///< A - B
  std::uint64_t trials_a, trials_b;    ///< behind `a` and `b`
  std::optional<std::uint64_t> pairs;  ///< trials behind the difference where these are paired
};

/// A key of the experiments' identity that tells them apart.
struct IdentityDifference {
  std::string key, a, b;  ///< the values as JSON; empty where a store has no such key
};

struct Comparison {
  std::string title;
  std::vector<ComparedPoint> points;  ///< by quantity, model, amount of data
  std::vector<IdentityDifference> identity;
  std::vector<std::string> notes;  ///< what is compared, how, and what is left out
};

/// Whether the trials of two experiments drew the same rows, and how that is known, in words: seed, data and
/// resampling of their identities are equal.
struct Pairing {
  bool paired;
  std::string why;
};
Pairing pairing_of(const store::Header& a, const store::Header& b);

/// Data fractions go together if equal, else if they stand for the same n.
///
/// Intervals of 95 %. Each mean: Student's; each rate: Wilson's. Differences where trials are paired:
/// Student's over the trials in which both have a performance, and paired_rate_difference(); else Welch's and
/// Newcombe's (analysis/statistics/comparison.h). Solutions and failures count as in aggregate.h.
///
/// InputError where the two have no model or no data fraction in common, for an unknown name, and for a model
/// named twice.
Comparison compare(const Side& a, const Side& b, const CompareOptions& options = {});

/// What the Three Plots of both experiments in one figure are drawn from: the models of compare() under the
/// names "MODEL (A)" and "MODEL (B)", the measure and the constraints that both have. Each keeps its own
/// fractions. InputError as compare().
Summary side_by_side(const Side& a, const Side& b, const CompareOptions& options = {});

/// "comparison", one row per point, and "identity", one per key.
std::vector<Table> comparison_tables(const Comparison& comparison);

}  // namespace seldon::analysis

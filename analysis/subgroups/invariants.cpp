#include "analysis/subgroups/invariants.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>

#include "analysis/subgroups/constraint_value.h"
#include "analysis/text.h"

namespace seldon::analysis {
namespace {

/// Looks at one record after the other.
class Checker {
 public:
  Checker(const Block& block, const store::Header& header, const std::vector<Subgroup>& subgroups,
          const std::vector<SubgroupFamily>& families)
      : block_(block),
        header_(header),
        subgroups_(subgroups),
        families_(families),
        shape_(block.layout->shape()) {
    findings_.rows_of_whole.assign(shape_.truths.size(), -1.0);
    const auto rule = std::ranges::find(shape_.rules, shape_.regime == Regime::regression ? "value" : "soft");
    for (std::size_t i = 0; i < shape_.constraints.size() && rule != shape_.rules.end(); ++i) {
      const auto known =
          std::ranges::find(header.constraints, shape_.constraints[i], &store::ConstraintHeader::name);
      if (known == header.constraints.end()) continue;
      auto value = ConstraintValue::parse(known->expression, shape_, subgroups);
      const auto place = i * shape_.rules.size() + static_cast<std::size_t>(rule - shape_.rules.begin());
      if (value) constraints_.push_back({i, place * shape_.truths.size(), std::move(*value)});
    }
  }

  Findings run() {
    for (std::size_t trial = 0; trial < block_.trials(); ++trial) {
      if (block_.states[trial] != CellState::done) continue;
      trial_ = trial;
      const auto record = block_.record(trial);
      state_and_record(record);
      if (record.outcome() != Outcome::solution) continue;
      for (std::size_t truth = 0; truth < shape_.truths.size(); ++truth) check_truth(record, truth);
    }
    return std::move(findings_);
  }

 private:
  Findings::One& begin(Invariant invariant) {
    auto& one = findings_.of[static_cast<std::size_t>(invariant)];
    ++one.checked;
    return one;
  }

  /// Keeps the largest deviation; words are made for the first breach only.
  template <class Words>
  void compare(Findings::One& one, bool& breached, double found, double expected, const Words& words,
               double tolerance = invariant_tolerance) {
    // Almost all are equal to the last bit. What is not a number says nothing: a model may have scores that
    // are none.
    if (found == expected) return;
    const double deviation = std::abs(found - expected) / std::max(1.0, std::abs(expected));
    if (!(deviation > one.largest || deviation > tolerance)) return;
    one.largest = std::max(one.largest, deviation);
    if (deviation <= tolerance || breached) return;
    breached = true;
    if (one.breached > 0) {
      ++one.breached;
      return;
    }
    note(one, words() + ": " + shortest(found) + " instead of " + shortest(expected));
  }

  void note(Findings::One& one, std::string detail) {
    if (one.breached++ > 0) return;
    one.fraction = block_.fraction;
    one.trial = block_.first_trial + static_cast<std::uint32_t>(trial_);
    one.detail = std::move(detail);
  }

  void state_and_record(const RecordView& record) {
    auto& one = begin(Invariant::state_and_record);
    const auto outcome = record.outcome();
    const bool solved = outcome == Outcome::solution;
    if (!solved && outcome != Outcome::no_solution_found)
      return note(one, "marked as done without an outcome");
    if (solved == (record.nsf_reason() != NsfReason::none))
      return note(one,
                  solved ? "a solution, and a reason why there is none" : "no solution, and no reason why");
    for (const double g : record.doubles(Field::g))
      if (std::isinf(g) && g < 0 && solved)
        return note(one, "a solution with a constraint's value of no solution (-inf)");
      else if (!solved && !(std::isinf(g) && g < 0))
        return note(one, "no solution, but a constraint's value: " + shortest(g));
  }

  void check_truth(const RecordView& record, std::size_t truth) {
    const bool regression = shape_.regime == Regime::regression;
    const auto counts = record.doubles(regression ? Field::residuals : Field::hard_counts);
    if (counts.empty()) return;
    const std::size_t groups = subgroups_.size(), width = counts.size() / shape_.truths.size() / groups;
    const auto of_truth = counts.subspan(truth * groups * width, groups * width);
    if (std::isnan(of_truth[0])) return;  // imported results have none
    whole_rows(of_truth, truth, width);
    groups_add_up(record, truth, regression);
    if (!regression) matrices(record, truth);
    performance(record, truth, of_truth);
    if (!constraints_.empty()) constraints(record, truth);
    if (!block_.histograms.empty()) histograms(record, truth);
  }

  void whole_rows(std::span<const double> counts, std::size_t truth, std::size_t width) {
    auto& one = begin(Invariant::whole_rows);
    bool breached = false;
    const bool regression = shape_.regime == Regime::regression;
    double rows = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (regression && i % width != 0) continue;
      if (i < width) rows += counts[i];
      compare(one, breached, counts[i], std::max(0.0, std::nearbyint(counts[i])),
              [&] { return "rows of " + subgroups_[i / width].name; });
    }
    auto& known = findings_.rows_of_whole[truth];
    if (known < 0) known = rows;
    compare(one, breached, rows, known, [&] { return "rows of the truth '" + shape_.truths[truth] + "'"; });
    if (shape_.truths[truth] == "original")
      compare(one, breached, rows, static_cast<double>(header_.total_rows),
              [&] { return std::string("rows of the whole table"); });
  }

  /// For each field, the sums over the groups of each family against those of "all".
  void groups_add_up(const RecordView& record, std::size_t truth, bool regression) {
    constexpr std::array classes = {Field::hard_counts, Field::soft_sums, Field::soft_squares,
                                    Field::log_loss};
    constexpr std::array values = {Field::residuals};
    auto& one = begin(Invariant::groups);
    bool breached = false;
    for (const auto field : regression ? std::span<const Field>(values) : std::span<const Field>(classes)) {
      const auto all = record.doubles(field);
      const std::size_t groups = subgroups_.size(), width = all.size() / shape_.truths.size() / groups;
      const auto* sums = &all[truth * groups * width];
      for (const auto& family : families_) {
        if (family.overlapping) continue;
        for (std::size_t k = 0; k < width; ++k) {
          double sum = 0;
          for (const auto member : family.members) sum += sums[member * width + k];
          compare(one, breached, sum, sums[k], [&] {
            return "sum of " + std::string(name_of(field)) + "[" + std::to_string(k) +
                   "] over the groups of " + family.name;
          });
        }
      }
    }
  }

  void matrices(const RecordView& record, std::size_t truth) {
    auto& one = begin(Invariant::matrices);
    bool breached = false;
    const auto hard = record.doubles(Field::hard_counts), soft = record.doubles(Field::soft_sums);
    const std::size_t classes = shape_.classes, first = truth * subgroups_.size() * classes;
    for (std::size_t row = 0; row < subgroups_.size() * classes; ++row) {
      double rows = 0, probability = 0;
      for (std::size_t k = 0; k < classes; ++k) {
        rows += hard[(first + row) * classes + k];
        probability += soft[(first + row) * classes + k];
      }
      compare(one, breached, probability, rows, [&] {
        return "summed probabilities of class " + std::to_string(row % classes) + " in " +
               subgroups_[row / classes].name;
      });
    }
  }

  void performance(const RecordView& record, std::size_t truth, std::span<const double> counts) {
    const auto recorded = record.doubles(Field::performance);
    if (recorded.empty()) return;
    auto& one = begin(Invariant::performance);
    bool breached = false;
    for (std::size_t measure = 0; measure < shape_.performance.size(); ++measure) {
      const auto& name = shape_.performance[measure];
      const auto expected = performance_of(name, record, truth, counts);
      if (expected)
        compare(one, breached, recorded[truth * shape_.performance.size() + measure], *expected,
                [&] { return "performance '" + name + "'"; });
    }
  }

  void constraints(const RecordView& record, std::size_t truth) {
    auto& one = begin(Invariant::constraints);
    bool breached = false;
    const auto recorded = record.doubles(Field::g);
    for (const auto& constraint : constraints_) {
      const double g = recorded[constraint.place + truth], expected = constraint.value.at(record, truth);
      if (std::isfinite(expected) && std::isfinite(g))
        compare(
            one, breached, g, expected,
            [&] { return "soft value of constraint '" + shape_.constraints[constraint.index] + "'"; },
            constraint_tolerance);
    }
  }

  /// From the sums of "all".
  std::optional<double> performance_of(const std::string& name, const RecordView& record, std::size_t truth,
                                       std::span<const double> counts) const {
    if (shape_.regime == Regime::regression)
      return name == "mean_squared_error" ? std::optional(counts[5] / counts[0]) : std::nullopt;
    const std::size_t classes = shape_.classes, all = truth * subgroups_.size() * classes * classes;
    const auto soft = record.doubles(Field::soft_sums);
    double rows = 0, hits = 0, probability = 0;
    for (std::size_t k = 0; k < classes * classes; ++k) rows += counts[k];
    for (std::size_t k = 0; k < classes; ++k) {
      hits += counts[k * classes + k];
      probability += soft[all + k * classes + k];
    }
    if (name == "accuracy") return hits / rows;
    if (name == "probabilistic_accuracy") return probability / rows;
    if (name == "log_loss") return record.doubles(Field::log_loss)[truth * subgroups_.size() * 2] / rows;
    return std::nullopt;
  }

  void histograms(const RecordView& record, std::size_t truth) {
    auto& one = begin(Invariant::histograms);
    bool breached = false;
    const std::size_t classes = shape_.classes, rows_in_all = subgroups_.size() * classes;
    const auto hard = record.doubles(Field::hard_counts), soft = record.doubles(Field::soft_sums);
    const std::size_t cell = block_.histograms.size() / block_.trials();
    const auto bins = block_.histograms.subspan(trial_ * cell, cell);
    for (std::size_t row = 0; row < rows_in_all; ++row) {
      const std::size_t at = truth * rows_in_all + row;
      double count = 0, score = 0, rows = 0;
      for (std::size_t b = 0; b < histogram_bins; ++b) {
        count += bins[(at * histogram_bins + b) * 2];
        score += bins[(at * histogram_bins + b) * 2 + 1];
      }
      for (std::size_t k = 0; k < classes; ++k) rows += hard[at * classes + k];
      // Scores that are no numbers fall into no bin.
      if (std::isnan(soft[at * classes + classes - 1])) continue;
      const auto words = [&] {
        return "bins of class " + std::to_string(row % classes) + " in " + subgroups_[row / classes].name;
      };
      compare(one, breached, count, rows, words);
      compare(one, breached, score, soft[at * classes + classes - 1], words);
    }
  }

  const Block& block_;
  const store::Header& header_;
  const std::vector<Subgroup>& subgroups_;
  const std::vector<SubgroupFamily>& families_;
  const RecordShape& shape_;
  /// Those that can be followed; `place` is that of the rule on the first truth in Field::g.
  struct Constraint {
    std::size_t index, place;
    ConstraintValue value;
  };
  std::vector<Constraint> constraints_;
  std::size_t trial_ = 0;
  Findings findings_;
};

}  // namespace

std::string_view title_of(Invariant invariant) {
  constexpr std::array<std::string_view, invariant_count> titles = {
      "state and record agree",          "rows are whole and the same in every cell",
      "probabilities add up to rows",    "groups add up to the whole",
      "performance is that of the sums", "constraints are those of the sums",
      "histograms add up to the sums"};
  return titles[static_cast<std::size_t>(invariant)];
}

void Findings::merge(const Findings& later) {
  auto& rows = of[static_cast<std::size_t>(Invariant::whole_rows)];
  for (std::size_t truth = 0; truth < later.rows_of_whole.size(); ++truth) {
    if (rows_of_whole.size() <= truth) rows_of_whole.resize(truth + 1, -1.0);
    const double mine = rows_of_whole[truth], theirs = later.rows_of_whole[truth];
    if (mine < 0) rows_of_whole[truth] = theirs;
    if (mine < 0 || theirs < 0 || mine == theirs) continue;
    const auto& other = later.of[static_cast<std::size_t>(Invariant::whole_rows)];
    if (rows.breached++ == 0) {
      rows.fraction = other.fraction;
      rows.trial = other.trial;
      rows.detail =
          "rows of the whole: " + shortest(theirs) + " after " + shortest(mine) + " in earlier cells";
    }
  }
  for (std::size_t i = 0; i < invariant_count; ++i) {
    auto& one = of[i];
    const auto& other = later.of[i];
    if (one.breached == 0 && other.breached > 0) {
      one.fraction = other.fraction;
      one.trial = other.trial;
      one.detail = other.detail;
    }
    one.checked += other.checked;
    one.breached += other.breached;
    one.largest = std::max(one.largest, other.largest);
  }
}

Findings check(const Block& block, const store::Header& header, const std::vector<Subgroup>& subgroups,
               const std::vector<SubgroupFamily>& families) {
  return Checker(block, header, subgroups, families).run();
}

}  // namespace seldon::analysis

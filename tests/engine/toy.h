#pragma once
// A small generated table for the engine's tests: two groups, a label that depends on the features and on the
// group.

#include <cmath>
#include <numeric>
#include <vector>

#include "core/random.h"
#include "engine/dataset/dataset.h"
#include "engine/predictor.h"
#include "engine/problem.h"

namespace seldon::engine::toy {

struct Table {
  std::vector<double> features, labels;
  std::vector<std::uint8_t> men, women, all;
  Dataset data;

  /// `gap`: how much more often group M has label 1, on the log-odds scale.
  Table(std::size_t rows, std::size_t width, double gap, Regime regime = Regime::classification,
        std::uint64_t seed = 1) {
    const Stream draws(Purpose::synthetic_data, seed);
    for (std::size_t i = 0; i < rows; ++i) {
      const bool man = draws.uniform(4 * i * width + 1) < 0.5;
      double eta = man ? gap : 0.0;
      for (std::size_t j = 0; j < width; ++j) {
        const double value =
            Stream(Purpose::synthetic_data, seed, {j}).normal(i) + (j == 0 && man ? gap : 0.0);
        features.push_back(value);
        eta += value / static_cast<double>(j + 1);
      }
      const double u = draws.uniform(4 * i * width + 2);
      labels.push_back(regime == Regime::regression ? eta + draws.normal(3 * rows + i)
                                                    : (u < 1 / (1 + std::exp(-eta)) ? 1.0 : 0.0));
      men.push_back(man);
      women.push_back(!man);
      all.push_back(1);
    }
    data.regime = regime;
    data.rows = rows;
    data.width = width;
    data.features = features;
    data.labels = labels;
    data.groups = {{"M", men}, {"F", women}};
    data.subgroups = {{"all", all}, {"gender=M", men}, {"gender=F", women}};
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  Rows every_row() const {
    Rows rows(data.rows);
    std::iota(rows.begin(), rows.end(), 0U);
    return rows;
  }
};

/// A model that says one thing per row.
class Fixed final : public Predictor {
 public:
  explicit Fixed(std::vector<double> scores) : scores_(std::move(scores)) {}
  void scores(std::span<const std::uint32_t> rows, std::span<double> out) override {
    for (std::size_t i = 0; i < rows.size(); ++i) out[i] = scores_[rows[i]];
  }

 private:
  std::vector<double> scores_;
};

inline ConstraintSpec constraint(const char* expression, double delta = 0.05, bool hard = false,
                                 Regime regime = Regime::classification,
                                 Variant variant = Variant::default_) {
  ConstraintOptions options;
  options.regime = regime;
  options.groups = {"M", "F"};
  options.delta = delta;
  options.variant = variant;
  ConstraintSpec spec{"c", Constraint::parse(expression, options)};
  spec.hard = hard;
  spec.bound = hard ? BoundKind::clopper_pearson : BoundKind::student_t;
  return spec;
}

inline Problem problem(const Table& table, const char* objective = "log_loss") {
  Problem p;
  p.data = &table.data;
  p.objective = ObjectiveRegistry::instance().find(objective);
  return p;
}

inline constexpr const char* disparate_impact = "min((PR | [M])/(PR | [F]),(PR | [F])/(PR | [M])) >= 0.8";

}  // namespace seldon::engine::toy

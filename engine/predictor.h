#pragma once
// A fitted model as the safety test and the evaluation see it: rows of the table in, scores and decisions
// out.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/learner.h"
#include "engine/objective/link.h"

namespace seldon::engine {

class Predictor {
 public:
  virtual ~Predictor() = default;
  virtual std::size_t columns() const { return 1; }
  /// Scores (probabilities or predictions) of rows of the table: rows x columns.
  virtual void scores(std::span<const std::uint32_t> rows, std::span<double> out) = 0;
  /// Decisions as indicators; random classifiers draw theirs.
  virtual void decisions(Regime regime, std::span<const std::uint32_t> rows, std::span<const double> scores,
                         std::span<double> out) {
    static_cast<void>(rows);
    decide(regime, columns(), scores, out);
  }
  /// True where a row's score depends on the rows beside it (batchnorm = "toolkit").
  virtual bool batch_dependent() const { return false; }
};

/// One trial of a learner.
class LearnerPredictor final : public Predictor {
 public:
  LearnerPredictor(Learner& learner, std::size_t trial, Regime regime)
      : learner_(learner), trial_(trial), regime_(regime) {}
  std::size_t columns() const override { return learner_.columns(); }
  void scores(std::span<const std::uint32_t> rows, std::span<double> out) override {
    learner_.predict(trial_, rows, out);
    apply_link(regime_, columns(), out, out);
  }
  bool batch_dependent() const override { return learner_.batch_dependent(); }

 private:
  Learner& learner_;
  std::size_t trial_;
  Regime regime_;
};

/// A predictor whose scores of one set of rows are there already; of other rows it asks the predictor.
/// Borrows all three.
class KnownScores final : public Predictor {
 public:
  KnownScores(Predictor& predictor, std::span<const std::uint32_t> rows, std::span<const double> scores)
      : predictor_(predictor), rows_(rows), scores_(scores) {}
  std::size_t columns() const override { return predictor_.columns(); }
  void scores(std::span<const std::uint32_t> rows, std::span<double> out) override {
    const bool known = rows.data() == rows_.data() && rows.size() == rows_.size();
    if (known) std::ranges::copy(scores_, out.begin());
    if (!known) predictor_.scores(rows, out);
  }
  void decisions(Regime regime, std::span<const std::uint32_t> rows, std::span<const double> scores,
                 std::span<double> out) override {
    predictor_.decisions(regime, rows, scores, out);
  }
  bool batch_dependent() const override { return predictor_.batch_dependent(); }

 private:
  Predictor& predictor_;
  std::span<const std::uint32_t> rows_;
  std::span<const double> scores_;
};

/// All of a base node's values over rows of the table, by mean probability (hard = false) or by decision;
/// every conditional node's rows are scored by themselves where the predictor depends on its batch.
class NodeScores {
 public:
  NodeScores(const Dataset& data, Predictor& predictor, std::span<const std::uint32_t> rows);
  std::span<const double> scores() const { return scores_; }
  std::span<const double> decisions() const { return decisions_; }
  std::span<const double> labels() const { return labels_; }
  /// z of the node.
  std::vector<double> values(const struct BaseNode& node, bool hard);

 private:
  const Dataset& data_;
  Predictor& predictor_;
  std::span<const std::uint32_t> rows_;
  std::vector<double> scores_, decisions_, labels_;
};

}  // namespace seldon::engine

#include "engine/tensor/evaluation.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include "core/error.h"

namespace seldon::engine::tensor {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr auto bins = static_cast<std::int64_t>(histogram_bins);

std::int64_t extent(std::size_t n) {
  return static_cast<std::int64_t>(n);
}

/// masks [M, n] times values [n, T, q], as one product: [M, T, q].
at::Tensor product(const at::Tensor& masks, const at::Tensor& values) {
  const std::int64_t trials = values.size(1), terms = values.size(2);
  return at::mm(masks, values.reshape({values.size(0), trials * terms})).view({masks.size(0), trials, terms});
}

/// The same for masks of 0 and 1, where a value that is not finite reaches only the sums whose mask has its
/// row (0 times NaN is NaN, so it must not enter the product).
at::Tensor masked_sums(const at::Tensor& masks, const at::Tensor& values) {
  const at::Tensor usable = values.isfinite();
  if (usable.all().item<bool>()) return product(masks, values);
  const auto any = [&](const at::Tensor& chosen) { return product(masks, chosen.to(at::kDouble)).gt(0.5); };
  const at::Tensor above = any(values.eq(infinity)), below = any(values.eq(-infinity));
  const at::Tensor undefined = any(values.isnan()).logical_or(above.logical_and(below));
  at::Tensor sums = product(masks, values.masked_fill(usable.logical_not(), 0.0));
  sums.masked_fill_(above, infinity).masked_fill_(below, -infinity).masked_fill_(undefined, nan);
  return sums;
}

/// Some rows of a truth: labels [n], masks of subgroups [S, n], scores [n, T, columns].
struct Part {
  at::Tensor labels, subgroups, scores;
};

/// Of one regime: what it sums, part after part, and the results in host memory.
class Sums {
 public:
  virtual ~Sums() = default;
  /// Doubles that a row takes, for one trial and for all of them.
  virtual std::int64_t per_row_and_trial() const = 0;
  virtual std::int64_t per_row() const = 0;
  virtual void add(const Part& part) = 0;
  virtual std::vector<std::vector<SubgroupSums>> take() = 0;
};

/// sum += part, which may be the first.
void accumulate(at::Tensor& sum, const at::Tensor& part) {
  sum = sum.defined() ? sum.add(part) : part;
}

/// [M, T, q] as [T, M, q] in host memory.
at::Tensor by_trial(const at::Tensor& sums) {
  return sums.cpu().transpose(0, 1).contiguous();
}

class RegressionSums final : public Sums {
 public:
  std::int64_t per_row_and_trial() const override { return 4 * terms; }
  std::int64_t per_row() const override { return 16; }

  void add(const Part& part) override {
    const at::Tensor prediction = part.scores.select(2, 0);
    const at::Tensor label = part.labels.unsqueeze(1).expand_as(prediction);
    const at::Tensor error = prediction.sub(label), square = error.square();
    const at::Tensor values = at::stack(
        {at::ones_like(label), label, label.square(), error, error.abs(), square, square.square()}, 2);
    accumulate(sums_, masked_sums(part.subgroups, values));
  }

  std::vector<std::vector<SubgroupSums>> take() override {
    const at::Tensor sums = by_trial(sums_);
    const double* from = sums.data_ptr<double>();
    std::vector<std::vector<SubgroupSums>> result(static_cast<std::size_t>(sums.size(0)));
    for (auto& trial : result) {
      trial.resize(static_cast<std::size_t>(sums.size(1)));
      for (SubgroupSums& subgroup : trial) {
        std::copy_n(from, terms, subgroup.residuals.begin());
        from += terms;
      }
    }
    return result;
  }

 private:
  static constexpr std::int64_t terms = 7;  ///< SubgroupSums::residuals
  at::Tensor sums_;                         ///< [S, T, terms]
};

class ClassSums final : public Sums {
 public:
  ClassSums(std::int64_t subgroups, const EvaluationOptions& options)
      : subgroups_(subgroups), classes_(extent(options.classes)), histograms_(options.histograms) {}
  std::int64_t per_row_and_trial() const override {
    return 4 * (3 * classes_ + 2) + (histograms_ ? 4 * bins : 0);
  }
  std::int64_t per_row() const override { return 2 * subgroups_ * classes_; }

  void add(const Part& part) override {
    const at::Tensor classes = at::arange(classes_, part.labels.options());
    const at::Tensor is_class = part.labels.unsqueeze(0).eq(classes.unsqueeze(1));  // [K, n]
    // [S K, n]: rows of a subgroup with a label
    const at::Tensor masks = part.subgroups.unsqueeze(1)
                                 .mul(is_class.unsqueeze(0))
                                 .reshape({subgroups_ * classes_, part.labels.size(0)});
    const at::Tensor p = probabilities(part.scores);
    const at::Tensor own = at::where(is_class.t().unsqueeze(1), p, 0.0).sum(2, /*keepdim=*/true);
    constexpr double least = 1e-15;  // as in the performance measure "log_loss"
    // A NaN stands in all columns of its row, so that `own`, too, is one.
    const at::Tensor loss = own.clamp(least, 1.0 - least).log().neg();
    accumulate(sums_,
               masked_sums(
                   masks, at::cat({decisions(part.scores, classes), p, p.square(), loss, loss.square()}, 2)));
    if (histograms_) accumulate(histogram_, product(masks, in_bins(part.scores.select(2, -1))));
  }

  std::vector<std::vector<SubgroupSums>> take() override;

 private:
  /// [n, T, K]: a binary score stands for the two columns (1 - p, p).
  static at::Tensor probabilities(const at::Tensor& scores) {
    if (scores.size(2) > 1) return scores;
    return at::cat({scores.neg().add(1.0), scores}, 2);
  }
  /// The same of indicators, as `decide` says (engine/objective/link.h).
  static at::Tensor decisions(const at::Tensor& scores, const at::Tensor& classes) {
    if (scores.size(2) == 1) return probabilities(scores.ge(0.5).to(at::kDouble));
    const at::Tensor best = at::argmax(scores.nan_to_num(0.0), 2, /*keepdim=*/true);  // the lowest of equals
    return best.eq(classes).to(at::kDouble);
  }
  /// [n, T, 2 bins]: 1 in the bin of each score, then the score in its place; a NaN is in no bin.
  static at::Tensor in_bins(const at::Tensor& p) {
    const at::Tensor known = p.nan_to_num(-1.0).unsqueeze(2);
    const at::Tensor bin =
        known.mul(static_cast<double>(bins)).clamp(0.0, static_cast<double>(bins - 1)).floor();
    const at::Tensor hit =
        bin.eq(at::arange(bins, p.options())).logical_and(p.isnan().logical_not().unsqueeze(2));
    const at::Tensor ones = hit.to(at::kDouble);
    return at::cat({ones, ones.mul(known)}, 2);
  }

  std::int64_t subgroups_, classes_;
  bool histograms_;
  at::Tensor sums_;       ///< [S K, T, 3 K + 2]
  at::Tensor histogram_;  ///< [S K, T, 2 bins]
};

std::vector<std::vector<SubgroupSums>> ClassSums::take() {
  const at::Tensor sums = by_trial(sums_);
  const at::Tensor histogram = histograms_ ? by_trial(histogram_) : at::Tensor();
  const auto classes = static_cast<std::size_t>(classes_);
  const double* from = sums.data_ptr<double>();
  const double* bin = histograms_ ? histogram.data_ptr<double>() : nullptr;
  const auto append = [&](std::vector<double>& to) {
    to.insert(to.end(), from, from + classes);
    from += classes;
  };
  std::vector<std::vector<SubgroupSums>> result(static_cast<std::size_t>(sums.size(0)));
  for (auto& trial : result) {
    trial.resize(static_cast<std::size_t>(subgroups_));
    for (SubgroupSums& subgroup : trial) {
      for (std::size_t label = 0; label < classes; ++label) {
        append(subgroup.hard_counts);
        append(subgroup.soft_sums);
        append(subgroup.soft_squares);
        for (double& sum : subgroup.log_loss) sum += *from++;
        for (std::size_t k = 0; bin && k < histogram_bins; ++k)
          for (const std::size_t of : {k, histogram_bins + k}) subgroup.histogram.push_back(bin[of]);
        if (bin) bin += 2 * histogram_bins;
      }
    }
  }
  return result;
}

std::unique_ptr<Sums> sums_of(Regime regime, std::int64_t subgroups, const EvaluationOptions& options) {
  if (regime == Regime::regression) return std::make_unique<RegressionSums>();
  return std::make_unique<ClassSums>(subgroups, options);
}

}  // namespace

at::Tensor link(Regime regime, const at::Tensor& predictors) {
  switch (regime) {
    case Regime::classification:
      return predictors.sigmoid();
    case Regime::multiclass_classification:
      return at::softmax(predictors, -1);
    case Regime::regression:
      return predictors;
    case Regime::reinforcement_learning:
      break;
  }
  throw InternalError("no link function for reinforcement learning");
}

std::vector<std::vector<SubgroupSums>> subgroup_sums(Regime regime, const DeviceTable& table,
                                                     const at::Tensor& rows, const at::Tensor& scores,
                                                     const EvaluationOptions& options) {
  const at::NoGradGuard no_grad;
  const auto sums = sums_of(regime, table.subgroups.size(0), options);
  // Rows at once, so that the parts stay in bounds; their number depends on shapes alone, and so do the bits.
  constexpr std::int64_t budget = (std::int64_t{1} << 27) / 8, fewest = 1000;
  const std::int64_t n = rows.size(0),
                     size = std::max(fewest,
                                     budget / (scores.size(0) * sums->per_row_and_trial() + sums->per_row()));
  std::int64_t first = 0;
  do {  // once even without rows: sums of nothing are zero
    const std::int64_t count = std::min(size, n - first);
    const at::Tensor some = rows.narrow(0, first, count);
    sums->add({table.labels.index_select(0, some), table.subgroups.index_select(1, some).to(at::kDouble),
               scores.narrow(1, first, count).transpose(0, 1)});
    first += count;
  } while (first < n);
  return sums->take();
}

std::vector<TrialScores> evaluate(TensorLearner& learner, Regime regime, const Truth& truth,
                                  const EvaluationOptions& options) {
  const at::NoGradGuard no_grad;
  const std::vector<std::int64_t> indices(truth.rows.begin(), truth.rows.end());
  const at::Tensor rows = at::tensor(indices, at::kLong).to(learner.device());
  const std::int64_t trials = learner.candidate_rows().size(0);
  const at::Tensor scores = link(regime, learner.predict_rows(rows.unsqueeze(0).expand({trials, -1})));
  auto subgroups = subgroup_sums(regime, learner.table(), rows, scores, options);
  const at::Tensor host = scores.cpu().contiguous();
  const double* from = host.data_ptr<double>();
  const std::int64_t size = host.size(1) * host.size(2);
  std::vector<TrialScores> result;
  for (auto& of_trial : subgroups) {
    result.push_back({std::vector<double>(from, from + size), std::move(of_trial)});
    from += size;
  }
  return result;
}

}  // namespace seldon::engine::tensor

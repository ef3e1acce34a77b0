#include "analysis/subgroups/accumulate.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <span>

#include "analysis/statistics/auroc.h"
#include "analysis/subgroups/kernels.h"

namespace seldon::analysis {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Named arrays over slots.
class Arrays {
 public:
  Arrays(std::size_t arrays, std::size_t slots) : slots_(slots), values_(arrays * slots) {}
  double* operator[](std::size_t array) { return values_.data() + array * slots_; }
  const double* operator[](std::size_t array) const { return values_.data() + array * slots_; }
  std::size_t arrays() const { return values_.size() / std::max<std::size_t>(slots_, 1); }

 private:
  std::size_t slots_;
  std::vector<double> values_;
};

/// The sums of one trial's record by slot. Classes: one array for each class and sum.
class TrialSums {
 public:
  explicit TrialSums(const AccumulationPlan& plan)
      : plan_(&plan),
        classes_(plan.shape.classes),
        summed_(plan.shape.regime == Regime::regression ? 7 : common + per_class * classes_),
        arrays_(summed_ + 2 * (1 + 2 * classes_), plan.slots.slots()) {}

  /// False where the record holds no counts.
  bool read(const RecordView& record) {
    const bool any =
        plan_->shape.regime == Regime::regression ? read_residuals(record) : read_classes(record);
    if (!any) return false;
    const auto all_but_one = plan_->slots.subgroups() - 1;
    for (std::size_t array = 0; array < summed_; ++array) {
      // Of two classes only the second is followed; of the first the rows are known.
      if (classes_ == 2 && array > common && array < common + per_class) continue;
      double* values = arrays_[array];
      for (std::size_t i = 1; i <= all_but_one; ++i) values[i + all_but_one] = values[0] - values[i];
    }
    clear_empty_rests();
    prepare(rows(), 0);
    for (std::size_t k = classes_ == 2 ? 1 : 0; k < classes_; ++k) {
      prepare(positives(k), 1 + 2 * k);
      prepare(negatives(k), 2 + 2 * k);
    }
    return true;
  }

  kernels::Rows all_rows() const { return prepared(rows(), 0); }
  kernels::Rows positive_rows(std::size_t k) const { return prepared(positives(k), 1 + 2 * k); }
  kernels::Rows negative_rows(std::size_t k) const { return prepared(negatives(k), 2 + 2 * k); }
  const double* rows() const { return arrays_[0]; }
  const double* hard_hits() const { return arrays_[1]; }
  const double* soft_hits() const { return arrays_[2]; }
  const double* soft_hits2() const { return arrays_[3]; }
  const double* loss() const { return arrays_[4]; }
  const double* loss2() const { return arrays_[5]; }
  const double* positives(std::size_t k) const { return of_class(k, 0); }
  const double* negatives(std::size_t k) const { return of_class(k, 1); }
  const double* hard_tp(std::size_t k) const { return of_class(k, 2); }
  const double* hard_fp(std::size_t k) const { return of_class(k, 3); }
  const double* hard_pp(std::size_t k) const { return of_class(k, 4); }  ///< decided for the class
  const double* tp(std::size_t k) const { return of_class(k, 5); }
  const double* fp(std::size_t k) const { return of_class(k, 6); }
  const double* tp2(std::size_t k) const { return of_class(k, 7); }
  const double* fp2(std::size_t k) const { return of_class(k, 8); }
  const double* pp(std::size_t k) const { return of_class(k, 9); }
  const double* pp2(std::size_t k) const { return of_class(k, 10); }
  const double* excess(std::size_t k) const { return of_class(k, 11); }  ///< of p - l, l = 1 in the class
  const double* excess2(std::size_t k) const { return of_class(k, 12); }
  /// Regression: n, sums of y, y^2, e, |e|, e^2, e^4.
  const double* residual(std::size_t sum) const { return arrays_[sum]; }

 private:
  static constexpr std::size_t common = 6, per_class = 13;

  /// Counts of the rest are exact; sums of scores are not, and where there are no rows rounding would pass
  /// for a sum.
  void clear_empty_rests() {
    for (std::size_t slot = plan_->slots.subgroups(); slot < plan_->slots.slots(); ++slot) {
      if (rows()[slot] == 0)
        for (std::size_t array = 0; array < summed_; ++array) arrays_[array][slot] = 0;
      for (std::size_t k = classes_ == 2 ? 1 : 0; k < classes_; ++k) {
        const auto clear = [&](std::initializer_list<std::size_t> sums) {
          for (const auto sum : sums) arrays_[common + k * per_class + sum][slot] = 0;
        };
        if (positives(k)[slot] == 0) clear({2, 5, 7});
        if (negatives(k)[slot] == 0) clear({3, 6, 8});
      }
    }
  }

  void prepare(const double* rows, std::size_t denominator) {
    kernels::prepare(plan_->slots.slots(), rows, arrays_[summed_ + 2 * denominator],
                     arrays_[summed_ + 2 * denominator + 1]);
  }
  kernels::Rows prepared(const double* rows, std::size_t denominator) const {
    return {rows, arrays_[summed_ + 2 * denominator], arrays_[summed_ + 2 * denominator + 1]};
  }
  const double* of_class(std::size_t k, std::size_t sum) const {
    return arrays_[common + k * per_class + sum];
  }

  bool read_residuals(const RecordView& record) {
    const auto sums = record.doubles(Field::residuals);
    if (sums.empty()) return false;
    const auto& slots = plan_->slots;
    for (std::size_t slot = 0; slot < slots.subgroups(); ++slot)
      for (std::size_t k = 0; k < 7; ++k)
        arrays_[k][slot] = sums[(plan_->truth * slots.subgroups() + slots.subgroup_at(slot)) * 7 + k];
    return !std::isnan(arrays_[0][0]);
  }

  bool read_classes(const RecordView& record) {
    const auto hard = record.doubles(Field::hard_counts), soft = record.doubles(Field::soft_sums),
               squares = record.doubles(Field::soft_squares), loss = record.doubles(Field::log_loss);
    if (hard.empty() || soft.empty() || squares.empty() || loss.empty()) return false;
    const auto& slots = plan_->slots;
    bool any = false;
    for (std::size_t slot = 0; slot < slots.subgroups(); ++slot) {
      const auto row = plan_->truth * slots.subgroups() + slots.subgroup_at(slot);
      const auto at = row * classes_ * classes_;
      read_matrices(slot, &hard[at], &soft[at], &squares[at]);
      arrays_[4][slot] = loss[row * 2];
      arrays_[5][slot] = loss[row * 2 + 1];
      any = any || !std::isnan(arrays_[0][slot]);
    }
    return any;
  }

  void read_matrices(std::size_t slot, const double* hard, const double* soft, const double* squares) {
    double rows = 0, hits = 0, soft_hits = 0, soft_hits2 = 0;
    for (std::size_t k = 0; k < classes_; ++k) {
      double positives = 0, decided = 0, score = 0, score2 = 0;
      for (std::size_t j = 0; j < classes_; ++j) {
        positives += hard[k * classes_ + j];
        decided += hard[j * classes_ + k];
        score += soft[j * classes_ + k];
        score2 += squares[j * classes_ + k];
      }
      const auto diagonal = k * classes_ + k;
      const double tp = soft[diagonal], tp2 = squares[diagonal];
      const double values[per_class] = {positives,
                                        0.0,
                                        hard[diagonal],
                                        decided - hard[diagonal],
                                        decided,
                                        tp,
                                        score - tp,
                                        tp2,
                                        score2 - tp2,
                                        score,
                                        score2,
                                        score - positives,
                                        score2 - 2 * tp + positives};
      const std::size_t followed = classes_ == 2 && k == 0 ? 1 : per_class;
      for (std::size_t sum = 0; sum < followed; ++sum)
        arrays_[common + k * per_class + sum][slot] = values[sum];
      rows += positives;
      hits += hard[diagonal];
      soft_hits += tp;
      soft_hits2 += tp2;
    }
    arrays_[0][slot] = rows;
    arrays_[1][slot] = hits;
    arrays_[2][slot] = soft_hits;
    arrays_[3][slot] = soft_hits2;
    for (std::size_t k = classes_ == 2 ? 1 : 0; k < classes_; ++k) {
      double* positives = arrays_[common + k * per_class];
      arrays_[common + k * per_class + 1][slot] = rows - positives[slot];
    }
  }

  const AccumulationPlan* plan_;
  std::size_t classes_;
  std::size_t summed_;  ///< arrays of sums; denominators prepared for division come behind them
  Arrays arrays_;
};

/// What a stream is in one trial.
struct Values {
  double *value, *variance;
  double *rows, *effective;  ///< written by precision and F1 only
};

class Evaluator {
 public:
  Evaluator(const AccumulationPlan& plan, Moments& moments)
      : plan_(plan), moments_(moments), sums_(plan), n_(plan.slots.slots()), balanced_(4, n_) {}

  /// The next trial; false where its record holds no counts.
  bool read(const RecordView& record) {
    if (!sums_.read(record)) return false;
    for (std::size_t rule = 0; rule < 2; ++rule) {
      // Of two classes: (TPR + 1 - FPR) / 2.
      std::fill_n(balanced_[2 * rule], n_, plan_.shape.classes == 2 ? 0.5 : 0.0);
      std::fill_n(balanced_[2 * rule + 1], n_, 0.0);
    }
    return true;
  }
  const TrialSums& sums() const { return sums_; }

  /// Writes value and variance, and for precision and F1 the denominator's rows; `histograms` of this trial.
  /// Streams of a trial come in their order, since the balanced accuracy is made of the TPR before it.
  void evaluate(const Stream& stream, std::span<const double> histograms, const Values& to) {
    const auto mean = [&](const double* sum, const double* squares) {
      kernels::mean(n_, sum, squares, sums_.all_rows(), to.value, to.variance);
    };
    switch (stream.measure) {
      case Measure::auroc:
        return areas(histograms, to);
      case Measure::mean_error:
        return mean(sums_.residual(3), sums_.residual(5));
      case Measure::mean_squared_error:
        return mean(sums_.residual(5), sums_.residual(6));
      case Measure::mean_absolute_error:
        return mean(sums_.residual(4), sums_.residual(5));
      case Measure::log_loss:
        return mean(sums_.loss(), sums_.loss2());
      case Measure::calibration:
        return mean(sums_.excess(stream.of_class), sums_.excess2(stream.of_class));
      case Measure::balanced_accuracy: {
        const auto rule = static_cast<std::size_t>(stream.rule);
        std::copy_n(balanced_[2 * rule], n_, to.value);
        std::copy_n(balanced_[2 * rule + 1], n_, to.variance);
        return;
      }
      default:
        if (stream.rule == Rule::hard)
          hard(stream, to);
        else
          soft(stream, to);
        add_to_balanced(stream, to);
    }
  }

 private:
  void hard(const Stream& stream, const Values& to) {
    const auto k = stream.of_class;
    const auto rate = [&](const double* hits, const kernels::Rows& rows) {
      kernels::hard_rate(n_, hits, rows, to.value, to.variance);
    };
    switch (stream.measure) {
      case Measure::accuracy:
        return rate(sums_.hard_hits(), sums_.all_rows());
      case Measure::positive_rate:
        return rate(sums_.hard_pp(k), sums_.all_rows());
      case Measure::tpr:
        return rate(sums_.hard_tp(k), sums_.positive_rows(k));
      case Measure::fpr:
        return rate(sums_.hard_fp(k), sums_.negative_rows(k));
      case Measure::precision:
        return kernels::hard_precision(n_, sums_.hard_tp(k), sums_.hard_fp(k), to.value, to.variance,
                                       to.rows);
      default:
        return kernels::hard_f1(n_, sums_.hard_tp(k), sums_.hard_fp(k), sums_.positives(k), to.value,
                                to.variance, to.rows);
    }
  }

  void soft(const Stream& stream, const Values& to) {
    const auto k = stream.of_class;
    const auto mean = [&](const double* sum, const double* squares, const kernels::Rows& rows) {
      kernels::mean(n_, sum, squares, rows, to.value, to.variance);
    };
    const kernels::SoftSums ratio{sums_.all_rows(), sums_.positives(k), sums_.tp(k),
                                  sums_.fp(k),      sums_.tp2(k),       sums_.fp2(k)};
    switch (stream.measure) {
      case Measure::accuracy:
        return mean(sums_.soft_hits(), sums_.soft_hits2(), sums_.all_rows());
      case Measure::positive_rate:
        return mean(sums_.pp(k), sums_.pp2(k), sums_.all_rows());
      case Measure::tpr:
        return mean(sums_.tp(k), sums_.tp2(k), sums_.positive_rows(k));
      case Measure::fpr:
        return mean(sums_.fp(k), sums_.fp2(k), sums_.negative_rows(k));
      case Measure::precision:
        std::copy_n(sums_.pp(k), n_, to.rows);
        return kernels::soft_precision(n_, ratio, to.value, to.variance, to.effective);
      default:
        std::copy_n(sums_.rows(), n_, to.rows);
        return kernels::soft_f1(n_, ratio, to.value, to.variance, to.effective);
    }
  }

  /// The mean of the classes' TPR, which rest on different rows: their variances add up.
  void add_to_balanced(const Stream& stream, const Values& values) {
    const double classes = plan_.shape.classes;
    const bool other = classes == 2 && stream.measure == Measure::fpr;
    if (stream.measure != Measure::tpr && !other) return;
    const auto rule = static_cast<std::size_t>(stream.rule);
    kernels::add_scaled(n_, (other ? -1 : 1) / classes, values.value, balanced_[2 * rule]);
    kernels::add_scaled(n_, 1 / (classes * classes), values.variance, balanced_[2 * rule + 1]);
  }

  /// Of the last class's scores against those of all others.
  void areas(std::span<const double> histograms, const Values& to) {
    const auto& slots = plan_.slots;
    const std::size_t classes = plan_.shape.classes, groups = slots.subgroups();
    const std::size_t per_subgroup = classes * histogram_bins * 2;
    bins_.assign(slots.slots() * 2 * histogram_bins, 0.0);
    const auto bin = [&](std::size_t slot, std::size_t positive) {
      return &bins_[(slot * 2 + positive) * histogram_bins];
    };
    for (std::size_t slot = 0; slot < groups; ++slot)
      for (std::size_t k = 0; k < classes; ++k) {
        const double* from = &histograms[(plan_.truth * groups + slots.subgroup_at(slot)) * per_subgroup +
                                         k * histogram_bins * 2];
        double* counts = bin(slot, k + 1 == classes ? 1 : 0);
        for (std::size_t b = 0; b < histogram_bins; ++b) counts[b] += from[2 * b];
      }
    for (std::size_t slot = 1; slot < groups; ++slot)
      for (std::size_t b = 0; b < 2 * histogram_bins; ++b)
        bin(slot + groups - 1, 0)[b] = bin(0, 0)[b] - bin(slot, 0)[b];
    for (std::size_t slot = 0; slot < slots.slots(); ++slot) {
      const auto area = auroc({bin(slot, 1), histogram_bins}, {bin(slot, 0), histogram_bins});
      to.value[slot] = area.value;
      to.variance[slot] = area.variance;
      if (slot < groups && area.binning_error > moments_.auroc_error)
        moments_.auroc_error = area.binning_error;
    }
  }

  const AccumulationPlan& plan_;
  Moments& moments_;
  TrialSums sums_;
  std::size_t n_;
  Arrays balanced_;  ///< of each rule the value and its variance
  std::vector<double> bins_;
};

bool has_own_rows(Measure measure) {
  return measure == Measure::precision || measure == Measure::f1;
}

/// Sums of products of deviations of one trial, for one stream.
void add_crosses(const SlotPlan& plan, const double* deviation, double* cross) {
  for (const auto& family : plan.families()) {
    kernels::add_pairs(family.begin, family.end, deviation, cross + family.pairs);
  }
  const std::size_t groups = plan.subgroups() - 1;
  kernels::add_products(groups, deviation + 1, deviation + 1 + groups, cross + plan.crosses() - groups);
}

/// From sums of deviations to means, sums of squared deviations from them, and of products of such.
void centre(Moments& moments, const std::vector<double>& shift, const SlotPlan& plan) {
  const std::size_t slots = plan.slots(), groups = plan.subgroups() - 1;
  const double trials = moments.solutions;
  if (moments.solutions == 0) return;
  for (std::size_t stream = 0; stream * slots < moments.mean.size(); ++stream) {
    double *sum = &moments.mean[stream * slots], *cross = moments.cross.data() + stream * plan.crosses();
    const double* count = &moments.count[stream * slots];
    const auto settle = [&](std::size_t a, std::size_t b, double& product) {
      product = count[a] == trials && count[b] == trials ? product - sum[a] * sum[b] / trials : nan;
    };
    for (const auto& family : plan.families()) {
      double* at = cross + family.pairs;
      for (std::size_t a = family.begin; a < family.end; ++a)
        for (std::size_t b = a + 1; b < family.end; ++b) settle(a, b, *at++);
    }
    for (std::size_t i = 1; i <= groups; ++i) settle(i, i + groups, cross[plan.crosses() - groups + i - 1]);
    for (std::size_t slot = 0; slot < slots; ++slot) {
      const auto at = stream * slots + slot;
      if (moments.count[at] == 0) continue;
      moments.squares[at] = std::max(0.0, moments.squares[at] - sum[slot] * sum[slot] / moments.count[at]);
      moments.mean[at] = shift[at] + sum[slot] / moments.count[at];
    }
  }
}

}  // namespace

SlotPlan::SlotPlan(std::size_t subgroups, const std::vector<SubgroupFamily>& families)
    : slot_of_(subgroups, 0), subgroup_at_(1, 0) {
  for (const auto& family : families) {
    Range range{subgroup_at_.size(), 0, crosses_};
    for (const auto member : family.members) {
      slot_of_[member] = subgroup_at_.size();
      subgroup_at_.push_back(member);
    }
    range.end = subgroup_at_.size();
    const std::size_t size = range.end - range.begin;
    crosses_ += size * (size - 1) / 2;
    families_.push_back(range);
  }
  crosses_ += subgroups - 1;
}

std::size_t SlotPlan::cross(std::size_t family, std::size_t a, std::size_t b) const {
  const auto& range = families_[family];
  const auto i = std::min(slot_of_[a], slot_of_[b]) - range.begin,
             j = std::max(slot_of_[a], slot_of_[b]) - range.begin, size = range.end - range.begin;
  return range.pairs + i * (2 * size - i - 1) / 2 + (j - i - 1);
}

Moments::Moments(std::size_t streams, const SlotPlan& plan, std::size_t classes)
    : count(streams * plan.slots()),
      mean(count),
      squares(count),
      within(count),
      rows(count),
      effective(count),
      cross(streams * plan.crosses()),
      n(plan.slots()),
      of_class(classes * plan.slots()) {}

void Moments::merge(const Moments& other, const SlotPlan& plan) {
  if (mean.empty()) {
    *this = other;
    return;
  }
  const std::size_t slots = plan.slots(), groups = plan.subgroups() - 1;
  const double mine = solutions, theirs = other.solutions, both = mine + theirs;
  for (std::size_t stream = 0; both > 0 && stream * slots < mean.size(); ++stream) {
    const auto step = [&](std::size_t slot) {
      return other.mean[stream * slots + slot] - mean[stream * slots + slot];
    };
    double* to = cross.data() + stream * plan.crosses();
    const double* from = other.cross.data() + stream * plan.crosses();
    const auto add = [&](std::size_t a, std::size_t b, std::size_t at) {
      to[at] += from[at] + (mine > 0 && theirs > 0 ? step(a) * step(b) * mine * theirs / both : 0);
    };
    for (const auto& family : plan.families()) {
      std::size_t at = family.pairs;
      for (std::size_t a = family.begin; a < family.end; ++a)
        for (std::size_t b = a + 1; b < family.end; ++b) add(a, b, at++);
    }
    for (std::size_t i = 1; i <= groups; ++i) add(i, i + groups, plan.crosses() - groups + i - 1);
  }
  for (std::size_t i = 0; i < mean.size(); ++i) {
    const double total = count[i] + other.count[i];
    if (total == 0) continue;
    const double difference = other.mean[i] - mean[i];
    mean[i] += difference * other.count[i] / total;
    squares[i] += other.squares[i] + difference * difference * count[i] * other.count[i] / total;
    count[i] = total;
  }
  kernels::add(within.size(), other.within.data(), within.data());
  kernels::add(rows.size(), other.rows.data(), rows.data());
  kernels::add(effective.size(), other.effective.data(), effective.data());
  kernels::add(n.size(), other.n.data(), n.data());
  kernels::add(of_class.size(), other.of_class.data(), of_class.data());
  recorded += other.recorded;
  solutions += other.solutions;
  without_counts += other.without_counts;
  auroc_error = std::max(auroc_error, other.auroc_error);
}

std::vector<Stream> streams_of(const RecordShape& shape, bool soft, bool hard, bool auroc) {
  if (shape.regime == Regime::regression)
    return {{Measure::mean_error, 0, Rule::value},
            {Measure::mean_squared_error, 0, Rule::value},
            {Measure::mean_absolute_error, 0, Rule::value}};
  std::vector<Stream> streams = {{Measure::log_loss, 0, Rule::value}};
  for (const Rule rule : {Rule::soft, Rule::hard}) {
    if (!(rule == Rule::soft ? soft : hard)) continue;
    streams.push_back({Measure::accuracy, 0, rule});
  }
  for (std::uint32_t k = shape.classes == 2 ? 1 : 0; k < shape.classes; ++k) {
    streams.push_back({Measure::calibration, k, Rule::value});
    // The mean score is asked for under both rules.
    streams.push_back({Measure::positive_rate, k, Rule::soft});
    if (hard) streams.push_back({Measure::positive_rate, k, Rule::hard});
    for (const Rule rule : {Rule::soft, Rule::hard}) {
      if (!(rule == Rule::soft ? soft : hard)) continue;
      for (const auto measure : {Measure::tpr, Measure::fpr, Measure::precision, Measure::f1})
        streams.push_back({measure, k, rule});
    }
  }
  for (const Rule rule : {Rule::soft, Rule::hard})
    if (rule == Rule::soft ? soft : hard) streams.push_back({Measure::balanced_accuracy, 0, rule});
  if (auroc && shape.histograms) streams.push_back({Measure::auroc, shape.classes - 1, Rule::value});
  return streams;
}

Moments accumulate(const Block& block, const AccumulationPlan& plan) {
  const std::size_t slots = plan.slots.slots(), classes = plan.shape.classes;
  Moments moments(plan.streams.size(), plan.slots, classes);
  std::vector<double> shift(moments.mean.size());
  Evaluator evaluator(plan, moments);
  Arrays trial(5, slots);
  const Values values{trial[0], trial[1], trial[2], trial[3]};
  const std::size_t histogram = block.trials() == 0 ? 0 : block.histograms.size() / block.trials();
  for (std::size_t t = 0; t < block.trials(); ++t) {
    if (block.states[t] != CellState::done) continue;
    ++moments.recorded;
    const auto record = block.record(t);
    if (record.outcome() != Outcome::solution) continue;
    if (!evaluator.read(record)) {
      ++moments.without_counts;
      continue;
    }
    ++moments.solutions;
    kernels::add(slots, evaluator.sums().rows(), moments.n.data());
    for (std::size_t k = 0; k < classes; ++k)
      kernels::add(slots, evaluator.sums().positives(k), &moments.of_class[k * slots]);
    for (std::size_t s = 0; s < plan.streams.size(); ++s) {
      evaluator.evaluate(plan.streams[s], block.histograms.subspan(t * histogram, histogram), values);
      const auto at = s * slots;
      kernels::take(
          slots, values.value, values.variance,
          {&moments.count[at], &shift[at], &moments.mean[at], &moments.squares[at], &moments.within[at]},
          trial[4]);
      if (plan.slots.crosses() > 0)
        add_crosses(plan.slots, trial[4], moments.cross.data() + s * plan.slots.crosses());
      if (!has_own_rows(plan.streams[s].measure)) continue;
      kernels::add(slots, values.rows, &moments.rows[at]);
      if (plan.streams[s].rule == Rule::soft) kernels::add(slots, values.effective, &moments.effective[at]);
    }
  }
  centre(moments, shift, plan.slots);
  return moments;
}

}  // namespace seldon::analysis

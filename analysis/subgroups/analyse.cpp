// A store's subgroups from end to end: one pass over its records, a point evaluated as soon as its trials are
// in.

#include <algorithm>
#include <memory>
#include <utility>

#include "analysis/scan.h"
#include "analysis/subgroups/accumulate.h"
#include "analysis/subgroups/invariants.h"
#include "analysis/subgroups/point.h"
#include "core/error.h"

namespace seldon::analysis {
namespace {

bool wanted(const std::vector<std::uint32_t>& indices, std::uint32_t index) {
  return indices.empty() || std::ranges::find(indices, index) != indices.end();
}

InputError without_counts(const store::Header& header) {
  return InputError("the store of experiment '" + header.name +
                    "' holds results without subgroup counts (imported ones, for example), so it has no "
                    "subgroup tables; `seldon-report plots` and `export` need none");
}

/// The shape that all models share in what matters here.
const RecordShape& common_shape(const store::Header& header) {
  if (header.models.empty()) throw InputError("the store has no models, so it has no subgroup tables");
  const auto& first = header.models.front().shape;
  for (const auto& model : header.models)
    if (model.shape.subgroups != first.subgroups || model.shape.classes != first.classes ||
        model.shape.truths != first.truths || model.shape.regime != first.regime)
      throw InputError(
          "the models '" + header.models.front().name + "' and '" + model.name +
          "' do not have the same subgroups, classes and ground truths; tables of both cannot be "
          "made from one store");
  if (first.subgroups.empty() || first.truths.empty()) throw without_counts(header);
  return first;
}

class Analyser {
 public:
  Analyser(const store::Reader& reader, const SubgroupOptions& options)
      : reader_(reader),
        options_(options),
        shape_(common_shape(reader.header())),
        subgroups_(subgroups_of(reader.header())),
        families_(families_of(reader.header(), subgroups_)),
        // Where a model keeps no histograms, no model has the column.
        histograms_(options.auroc && shape_.regime != Regime::regression &&
                    std::ranges::all_of(reader.header().models,
                                        [](const auto& model) { return model.shape.histograms; })),
        plan_{shape_, truth_index(shape_, {{}, options.truth}),
              streams_of(shape_, options.soft, options.hard, histograms_),
              SlotPlan(subgroups_.size(), families_), histograms_},
        findings_(reader.header().models.size()) {
    analysis_.subgroups = subgroups_;
    analysis_.families = families_;
    analysis_.columns = columns_of(shape_, histograms_);
    analysis_.truth = shape_.truths[plan_.truth];
    analysis_.confidence = options.confidence;
    analysis_.min_rows = options.min_rows;
  }

  SubgroupAnalysis run() {
    ScanOptions options;
    options.histograms = histograms_;
    options.threads = options_.threads;
    analysis_.damage = scan(reader_, options, [this](const Block& block) { return look_at(block); });
    finish_point();
    report_findings();
    if (!with_counts_ && !analysis_.without_counts.empty()) throw without_counts(reader_.header());
    return std::move(analysis_);
  }

 private:
  Fold look_at(const Block& block) {
    const bool needed = wanted(options_.models, block.model) && wanted(options_.fractions, block.fraction);
    const auto moments = std::make_shared<Moments>(needed ? accumulate(block, plan_) : Moments());
    const auto findings = std::make_shared<Findings>(check(block, reader_.header(), subgroups_, families_));
    return [this, moments, findings, needed, model = block.model, fraction = block.fraction] {
      findings_[model].merge(*findings);
      if (!needed) return;
      if (point_ != std::pair(model, fraction)) finish_point();
      point_ = {model, fraction};
      moments_.merge(*moments, plan_.slots);
    };
  }

  void finish_point() {
    if (moments_.mean.empty() && moments_.n.empty()) return;
    const auto [model, fraction] = point_;
    const auto& name = reader_.header().models[model].name;
    if (moments_.without_counts > 0 &&
        (analysis_.without_counts.empty() || analysis_.without_counts.back() != name))
      analysis_.without_counts.push_back(name);
    with_counts_ = with_counts_ || moments_.solutions > 0;
    std::vector<Rule> rules;
    if (shape_.regime == Regime::regression) rules.push_back(Rule::value);
    if (rules.empty() && options_.soft) rules.push_back(Rule::soft);
    if (shape_.regime != Regime::regression && options_.hard) rules.push_back(Rule::hard);
    auto options = options_;
    if (!wanted(options.compared_fractions, fraction)) options.gaps = options.contrasts = false;
    for (const auto rule : rules) {
      auto point = point_of(plan_, moments_, analysis_, rule, options);
      point.model = model;
      point.fraction = fraction;
      analysis_.points.push_back(std::move(point));
    }
    moments_ = Moments();
  }

  void report_findings() {
    for (std::size_t i = 0; i < invariant_count; ++i) {
      InvariantCheck check{std::string(title_of(static_cast<Invariant>(i))), 0, 0};
      for (std::uint32_t model = 0; model < findings_.size(); ++model) {
        const auto& one = findings_[model].of[i];
        check.checked += one.checked;
        check.largest_deviation = std::max(check.largest_deviation, one.largest);
        if (one.breached > 0)
          analysis_.breaches.push_back(
              {check.invariant, one.breached, model, one.fraction, one.trial, one.detail});
      }
      if (check.checked > 0) analysis_.checks.push_back(std::move(check));
    }
  }

  const store::Reader& reader_;
  const SubgroupOptions& options_;
  const RecordShape& shape_;
  std::vector<Subgroup> subgroups_;
  std::vector<SubgroupFamily> families_;
  bool histograms_;
  AccumulationPlan plan_;
  std::vector<Findings> findings_;
  SubgroupAnalysis analysis_;
  std::pair<std::uint32_t, std::uint32_t> point_;
  Moments moments_;
  bool with_counts_ = false;
};

}  // namespace

SubgroupAnalysis analyse_subgroups(const store::Reader& reader, const SubgroupOptions& options) {
  return Analyser(reader, options).run();
}

}  // namespace seldon::analysis

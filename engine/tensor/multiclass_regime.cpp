// Several classes: softmax, log loss, and the rates of engine/measure/multiclass_rates.cpp. Each value is the
// score of one class, or of the row's own, or one minus that.

#include <algorithm>
#include <vector>

#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/add.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include "core/error.h"
#include "engine/tensor/constants.h"
#include "engine/tensor/regimes.h"

namespace seldon::engine::tensor {
namespace {

constexpr std::int64_t own_class = -1;

/// Which class's score a node takes.
std::int64_t column_of(const BaseNode& node) {
  const std::string& name = node.measure->name;
  if (name == "ACC") return own_class;
  return name == "CM" ? node.index.second : node.index.first;
}

bool is_complement(const BaseNode& node) {
  const std::string& name = node.measure->name;
  return name == "NR" || name == "TNR" || name == "FNR";
}

class MulticlassProgram final : public RegimeProgram {
 public:
  MulticlassProgram(const Dataset& data, const DeviceTable& table, std::span<const RegimeNode> nodes)
      : labels_(table.labels.to(at::kLong)), zero_(constant(0, table.labels.device())) {
    const at::Device device = labels_.device();
    const auto largest = std::ranges::max_element(data.labels);
    if (largest != data.labels.end()) last_class_ = static_cast<std::int64_t>(*largest);
    std::vector<std::int64_t> hard_sources, soft_sources;  // the own class first, then class by class
    std::vector<double> sign, offset;
    for (const RegimeNode& node : nodes) {
      const std::int64_t column = column_of(*node.base);
      last_class_ = std::max({last_class_, column, std::int64_t{node.base->index.first}});
      (node.hard ? hard_sources : soft_sources).push_back(column + 1);
      if (!node.hard) columns_.push_back(column);
      sign.push_back(is_complement(*node.base) ? -1 : 1);
      offset.push_back(is_complement(*node.base) ? 1 : 0);
    }
    const std::int64_t count = extent(nodes.size());
    hard_sources_ = indices(std::move(hard_sources), device);
    soft_sources_ = indices(std::move(soft_sources), device);
    sign_ = constant(std::move(sign), {count, 1, 1}, device);
    offset_ = constant(std::move(offset), {count, 1, 1}, device);
  }

  at::Tensor loss(const at::Tensor& rows, const at::Tensor& predictors) override {
    if (last_class_ >= predictors.size(2))
      throw InputError("class " + std::to_string(last_class_) + " of a label or a measure does not exist: " +
                       "there are " + std::to_string(predictors.size(2)) +
                       " classes, counted from 0; mend the index or the labels");
    scores_ = at::softmax(predictors, 2);
    own_ = labels_.index_select(0, rows).view({predictors.size(0), predictors.size(1), 1});
    is_own_ = own_.eq(at::arange(predictors.size(2), own_.options()));
    return at::log_softmax(predictors, 2)
        .gather(2, own_)
        .squeeze(2)
        .sum(1)
        .mul_(-1.0 / static_cast<double>(predictors.size(1)));
  }

  at::Tensor values() override {
    std::vector<at::Tensor> parts;
    if (hard_sources_.size(0) > 0) {
      const at::Tensor best = at::argmax(scores_, 2, /*keepdim=*/true);  // the lowest of equals
      const at::Tensor decisions = best.eq(at::arange(scores_.size(2), best.options())).to(at::kDouble);
      parts.push_back(pick(decisions, hard_sources_));
    }
    if (soft_sources_.size(0) > 0) parts.push_back(pick(scores_, soft_sources_));
    return at::addcmul(offset_, sign_, parts.size() == 1 ? parts[0] : at::cat(parts, 0));
  }

  at::Tensor gradient(const at::Tensor& d_values) override {
    const double share = 1.0 / static_cast<double>(scores_.size(1));
    const at::Tensor residual = scores_.sub(is_own_.to(at::kDouble));
    if (!d_values.defined()) return residual.mul(share);
    const std::int64_t soft = extent(columns_.size());
    const at::Tensor d = d_values.mul(sign_.narrow(0, sign_.size(0) - soft, soft));
    // Class by class, since sums over indices (index_add) have no fixed order on a GPU.
    at::Tensor d_scores = at::zeros_like(scores_);
    for (std::int64_t k = 0; k < soft; ++k) {
      const std::int64_t column = columns_[static_cast<std::size_t>(k)];
      if (column == own_class)
        d_scores.add_(at::where(is_own_, d.select(0, k).unsqueeze(2), zero_));
      else
        d_scores.select(2, column).add_(d.select(0, k));
    }
    return at::add(at::_softmax_backward_data(d_scores, scores_, 2, at::kDouble), residual, share);
  }

 private:
  /// Columns of x [T, B, classes] as [sources, T, B].
  at::Tensor pick(const at::Tensor& x, const at::Tensor& sources) const {
    return at::cat({x.gather(2, own_), x}, 2).permute({2, 0, 1}).index_select(0, sources);
  }

  std::int64_t last_class_ = -1;
  std::vector<std::int64_t> columns_;  ///< of the soft nodes
  at::Tensor labels_, hard_sources_, soft_sources_, sign_, offset_, zero_;
  at::Tensor scores_, own_, is_own_;  ///< of the last batch: [T, B, classes], [T, B, 1], [T, B, classes]
};

}  // namespace

std::unique_ptr<RegimeProgram> make_multiclass_program(const Dataset& data, const DeviceTable& table,
                                                       std::span<const RegimeNode> nodes) {
  return std::make_unique<MulticlassProgram>(data, table, nodes);
}

}  // namespace seldon::engine::tensor

// Binary classification: p = logistic(eta), log loss, and the rates of engine/measure/binary_rates.cpp. Each
// value is offset + sign p: p, 1 - p, or for accuracy p where y = 1 and 1 - p elsewhere; with signs and
// offsets of 0, 1 and -1 that is exact.

#include <algorithm>
#include <vector>

#include <ATen/ops/add.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/sigmoid_backward.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include "engine/tensor/constants.h"
#include "engine/tensor/regimes.h"

namespace seldon::engine::tensor {
namespace {

/// Below it the host's logistic function stays as it is (engine/model/kernels.cpp), just above zero: ratios
/// of rates then have a value that they would not have at zero.
constexpr double least_predictor = -707;

enum class Value { p, complement, of_label };

Value value_of(const BaseNode& node) {
  const std::string& name = node.measure->name;
  if (name == "ACC") return Value::of_label;
  return name == "NR" || name == "TNR" || name == "FNR" ? Value::complement : Value::p;
}

class BinaryProgram final : public RegimeProgram {
 public:
  BinaryProgram(const DeviceTable& table, std::span<const RegimeNode> nodes) {
    const at::Device device = table.labels.device();
    labels_ = at::stack({table.labels, table.labels.mul(2).sub(1), table.labels.neg().add(1)}, 0);
    std::vector<Value> values;
    std::vector<bool> hard;
    for (const RegimeNode& node : nodes) {
      values.push_back(value_of(*node.base));
      hard.push_back(node.hard);
    }
    soft_ = std::ranges::count(hard, false);
    any_hard_ = soft_ < extent(hard.size());
    if (!any_hard_ && !values.empty() && std::ranges::count(values, values[0]) == extent(values.size()))
      values.erase(values.begin() + 1, values.end());  // all nodes average the same
    nodes_ = extent(values.size());
    const auto of_label = std::ranges::count(values, Value::of_label);
    any_of_label_ = of_label > 0;
    all_of_label_ = of_label == nodes_;
    std::vector<double> sign, offset;
    std::vector<bool> by_label;
    for (const Value value : values) {
      sign.push_back(value == Value::complement ? -1 : 1);
      offset.push_back(value == Value::complement ? 1 : 0);
      by_label.push_back(value == Value::of_label);
    }
    sign_ = constant(sign, {nodes_, 1, 1}, device);
    offset_ = constant(offset, {nodes_, 1, 1}, device);
    of_label_ = flags(by_label, {nodes_, 1, 1}, device);
    if (any_hard_) hard_ = flags(hard, {nodes_, 1, 1}, device);
  }

  at::Tensor loss(const at::Tensor& rows, const at::Tensor& predictors) override {
    const at::Tensor eta = predictors.select(2, 0);
    p_ = at::sigmoid(eta.clamp_min(least_predictor));
    batch_ = labels_.index_select(1, rows).view({3, eta.size(0), eta.size(1)});
    // -log p of the label: log(1 + exp(-s eta)), s = 1 for class 1 and -1 for class 0.
    return at::log_sigmoid(eta.mul(batch_.select(0, 1))).sum(1).mul_(-1.0 / static_cast<double>(eta.size(1)));
  }

  at::Tensor values() override {
    const at::Tensor by_label = batch_.narrow(0, 1, 1), label_offset = batch_.narrow(0, 2, 1);
    batch_sign_ = sign_;
    at::Tensor offset = offset_;
    if (all_of_label_) {
      batch_sign_ = by_label;
      offset = label_offset;
    } else if (any_of_label_) {
      batch_sign_ = at::where(of_label_, by_label, sign_);
      offset = at::where(of_label_, label_offset, offset_);
    }
    at::Tensor scores = p_;
    if (any_hard_) scores = at::where(hard_, p_.ge(0.5).to(at::kDouble), p_);
    return at::addcmul(offset, batch_sign_, scores);
  }

  at::Tensor gradient(const at::Tensor& d_values) override {
    const double share = 1.0 / static_cast<double>(p_.size(1));
    const at::Tensor residual = p_.sub(batch_.select(0, 0));
    if (!d_values.defined()) return residual.mul(share).unsqueeze(2);
    const at::Tensor sign =
        batch_sign_.size(0) == 1 ? batch_sign_ : batch_sign_.narrow(0, nodes_ - soft_, soft_);
    const at::Tensor d_p = d_values.mul(sign).sum(0);
    return at::add(at::sigmoid_backward(d_p, p_), residual, share).unsqueeze(2);
  }

 private:
  std::int64_t nodes_ = 0, soft_ = 0;
  bool any_hard_ = false, any_of_label_ = false, all_of_label_ = false;
  at::Tensor labels_;                           ///< [3, N]: y, 2 y - 1, 1 - y
  at::Tensor sign_, offset_, of_label_, hard_;  ///< [K or 1, 1, 1]
  at::Tensor p_, batch_, batch_sign_;           ///< of the last batch
};

}  // namespace

std::unique_ptr<RegimeProgram> make_binary_program(const DeviceTable& table,
                                                   std::span<const RegimeNode> nodes) {
  return std::make_unique<BinaryProgram>(table, nodes);
}

}  // namespace seldon::engine::tensor

// Regression: the prediction is the predictor; errors e = prediction - label, as they are or squared
// (engine/measure/regression_errors.cpp), for measures and objective.

#include <algorithm>
#include <vector>

#include <ATen/ops/add.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/where.h>

#include "engine/tensor/constants.h"
#include "engine/tensor/regimes.h"

namespace seldon::engine::tensor {
namespace {

class RegressionProgram final : public RegimeProgram {
 public:
  RegressionProgram(const Objective& objective, const DeviceTable& table, std::span<const RegimeNode> nodes)
      : squared_loss_(objective.name == "mean_squared_error"), labels_(table.labels) {
    std::vector<bool> squared;
    for (const RegimeNode& node : nodes) squared.push_back(node.base->measure->name == "Mean_Squared_Error");
    any_squared_ = std::ranges::count(squared, true) > 0;
    all_squared_ = std::ranges::count(squared, true) == extent(squared.size());
    squared_ = flags(squared, {extent(squared.size()), 1, 1}, labels_.device());
    one_ = constant(1, labels_.device());
  }

  at::Tensor loss(const at::Tensor& rows, const at::Tensor& predictors) override {
    const at::Tensor prediction = predictors.select(2, 0);
    error_ = prediction.sub(labels_.index_select(0, rows).view_as(prediction));
    if (squared_loss_ || any_squared_) square_ = error_.mul(error_);
    return (squared_loss_ ? square_ : error_).sum(1).mul_(share());
  }

  at::Tensor values() override {
    if (!any_squared_) return error_.unsqueeze(0);
    return all_squared_ ? square_.unsqueeze(0) : at::where(squared_, square_, error_);
  }

  at::Tensor gradient(const at::Tensor& d_values) override {
    at::Tensor d;
    if (d_values.defined()) {
      if (any_squared_) {
        const at::Tensor by_error = error_.mul(2);
        d = d_values.mul(all_squared_ ? by_error : at::where(squared_, by_error, one_)).sum(0);
      } else {
        d = d_values.sum(0);
      }
    }
    if (squared_loss_)
      d = d.defined() ? at::add(d, error_, 2 * share()) : error_.mul(2 * share());
    else
      d = d.defined() ? d.add(share()) : at::full_like(error_, share());
    return d.unsqueeze(2);
  }

 private:
  double share() const { return 1.0 / static_cast<double>(error_.size(1)); }

  bool squared_loss_, any_squared_ = false, all_squared_ = false;
  at::Tensor labels_, squared_, one_;
  at::Tensor error_, square_;  ///< [T, B]
};

}  // namespace

std::unique_ptr<RegimeProgram> make_regression_program(const Objective& objective, const DeviceTable& table,
                                                       std::span<const RegimeNode> nodes) {
  return std::make_unique<RegressionProgram>(objective, table, nodes);
}

}  // namespace seldon::engine::tensor

#pragma once
// Models of the cases: linear in the features, the parameters being (intercept, weights).

#include <memory>
#include <span>
#include <vector>

#include "engine/predictor.h"
#include "engine/problem.h"
#include "programs/conformance/check.h"

namespace seldon::conformance {

/// Predictions of theta on rows of a table, through the regime's link or (linear) without.
class FixedModel final : public engine::Predictor {
 public:
  FixedModel(const Table& table, std::vector<double> theta, bool linear)
      : table_(table), theta_(std::move(theta)), linear_(linear) {}
  void scores(std::span<const std::uint32_t> rows, std::span<double> out) override;
  /// The linear predictor itself.
  void predictors(std::span<const std::uint32_t> rows, std::span<double> out) const;

 private:
  const Table& table_;
  std::vector<double> theta_;
  bool linear_;
};

/// The model of a case; `theta` as numbers, "zeros" or, for least squares over `rows`, "OLS".
FixedModel model_of(const Json& inputs, const Table& table, const engine::Rows& rows);
std::vector<double> theta_of(const Json& inputs, const Table& table, const engine::Rows& rows);

/// A problem with one constraint and an objective that is zero everywhere.
struct OneConstraint {
  engine::Dataset data;
  engine::Objective objective;
  engine::Problem problem;
  OneConstraint(const Json& c, const Table& table, engine::Variant variant);
  OneConstraint(const OneConstraint&) = delete;
  OneConstraint& operator=(const OneConstraint&) = delete;
  const engine::Constraint& tree() const { return problem.constraints.front().tree; }
};

}  // namespace seldon::conformance

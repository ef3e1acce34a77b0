// The fused gradient of linear models against LibTorch's autograd: the same Lagrangian, written out in tensor
// operations from the parameters to the bounds.

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "engine/constraint/bound.h"
#include "engine/lagrangian.h"
#include "engine/learner.h"
#include "tests/engine/toy.h"

namespace seldon::engine {
namespace {

constexpr double safety_rows = 200, delta = 0.05, inflation = 2;

at::Tensor tensor_of(std::vector<double> values) {
  return at::tensor(values, at::kDouble);
}

struct Ends {
  at::Tensor lower, upper;
};

/// A batch, from parameters (a leaf) to bounds of base nodes.
class Graph {
 public:
  Graph(const toy::Table& table, const Rows& rows, const std::vector<double>& parameters)
      : theta(tensor_of(parameters).set_requires_grad(true)) {
    std::vector<double> x, y, man;
    for (const std::uint32_t row : rows) {
      x.push_back(1);
      for (std::size_t j = 0; j < table.data.width; ++j)
        x.push_back(table.features[row * table.data.width + j]);
      y.push_back(table.labels[row]);
      man.push_back(table.men[row]);
    }
    const auto n = static_cast<std::int64_t>(rows.size());
    eta = tensor_of(x).reshape({n, -1}).matmul(theta);
    p = at::sigmoid(eta);
    labels = tensor_of(y);
    everyone = at::ones({n}, at::kBool);
    men = tensor_of(man) == 1;
    women = tensor_of(man) == 0;
  }

  at::Tensor log_loss() const { return -(labels * p.log() + (1 - labels) * (1 - p).log()).mean(); }
  at::Tensor mean_squared_error() const { return (eta - labels).square().mean(); }

  /// Student's t bounds as candidate selection predicts them: for the safety rows expected among those of
  /// `mask`, the half-width inflated; rates within [0, 1].
  Ends bounds(const at::Tensor& z, const at::Tensor& mask, double delta_of_side, bool rate) const {
    const at::Tensor chosen = z.masked_select(mask);
    const auto share = static_cast<double>(chosen.numel()) / static_cast<double>(z.numel());
    const double m = std::nearbyint(share * safety_rows);
    const at::Tensor half = chosen.std(/*unbiased=*/true) *
                            (inflation * student_t_quantile(1 - delta_of_side, m - 1) / std::sqrt(m));
    const Ends ends{chosen.mean() - half, chosen.mean() + half};
    return rate ? Ends{ends.lower.clamp(0, 1), ends.upper.clamp(0, 1)} : ends;
  }
  Ends rate(const at::Tensor& z, const at::Tensor& mask, double delta_of_side) const {
    return bounds(z, mask, delta_of_side, true);
  }

  at::Tensor theta, eta, p, labels, everyone, men, women;
};

/// The largest magnitude in [a] - [b].
at::Tensor largest_gap(const Ends& a, const Ends& b) {
  return at::maximum((a.lower - b.upper).abs(), (a.upper - b.lower).abs());
}

/// A constraint and its upper bound by hand.
struct Written {
  const char* expression;
  std::size_t sides;  ///< needed one-sided bounds, which share delta
  std::function<at::Tensor(const Graph&, double delta_of_side)> upper;
};

const Written disparate_impact{toy::disparate_impact, 4, [](const Graph& g, double d) {
                                 const Ends m = g.rate(g.p, g.men, d), f = g.rate(g.p, g.women, d);
                                 return 0.8 - at::minimum(m.lower / f.upper, f.lower / m.upper);
                               }};

const Written equalized_odds{
    "abs((FNR | [M]) - (FNR | [F])) + abs((FPR | [M]) - (FPR | [F])) <= 0.35", 8,
    [](const Graph& g, double d) {
      const at::Tensor good = g.labels == 1, bad = g.labels == 0, q = 1 - g.p;
      return largest_gap(g.rate(q, good & g.men, d), g.rate(q, good & g.women, d)) +
             largest_gap(g.rate(g.p, bad & g.men, d), g.rate(g.p, bad & g.women, d)) - 0.35;
    }};

const Written product_and_exponential{"(TPR | [M]) * exp(FPR) - 1", 4, [](const Graph& g, double d) {
                                        const Ends t = g.rate(g.p, (g.labels == 1) & g.men, d);
                                        const Ends f = g.rate(g.p, g.labels == 0, d);
                                        return t.upper * f.upper.exp() - 1;
                                      }};

const Written square{"(PR | [M]) ** 2 - 0.5", 2,
                     [](const Graph& g, double d) { return g.rate(g.p, g.men, d).upper.square() - 0.5; }};

const Written logarithm{"log(TNR) + 2 * NR <= 0.3", 2, [](const Graph& g, double d) {
                          const at::Tensor q = 1 - g.p;
                          return g.rate(q, g.labels == 0, d).upper.log() +
                                 2 * g.rate(q, g.everyone, d).upper - 0.3;
                        }};

const Written squared_error{"Mean_Squared_Error <= 2.0", 1, [](const Graph& g, double d) {
                              return g.bounds((g.eta - g.labels).square(), g.everyone, d, false).upper - 2;
                            }};

const Written error_gap{
    "abs((Mean_Error | [M]) - (Mean_Error | [F])) <= 0.1", 4, [](const Graph& g, double d) {
      const at::Tensor error = g.eta - g.labels;
      return largest_gap(g.bounds(error, g.men, d, false), g.bounds(error, g.women, d, false)) - 0.1;
    }};

struct Case {
  const char* name;
  Regime regime;
  std::vector<Written> constraints;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

/// The learner's gradient. Its interface shows none, but Adam with beta_velocity = 0 and beta_square = 1 is
/// the plain step theta - gradient, which from theta = 0 loses no digit.
std::vector<double> gradient_of(Learner& learner, std::size_t trial) {
  learner.load_solution(trial, std::vector<double>(learner.solution_size(), 0.0));
  AdamStep plain;
  plain.step = 1;
  plain.beta_velocity = 0;
  plain.beta_square = 1;
  plain.epsilon = 1;
  learner.step(plain, std::vector<std::uint8_t>(learner.trials(), 1));
  std::vector<double> gradient = learner.solution(trial);
  for (double& value : gradient) value = -value;
  return gradient;
}

class FusedGradient : public ::testing::TestWithParam<Case> {
 protected:
  const bool regression_ = GetParam().regime == Regime::regression;
  const toy::Table table_{240, 3, 0.5, GetParam().regime};
  Problem problem_ = toy::problem(table_, regression_ ? "mean_squared_error" : "log_loss");
  std::vector<double> multipliers_;

  void SetUp() override {
    for (const Written& written : GetParam().constraints) {
      problem_.constraints.push_back(toy::constraint(written.expression, delta, false, GetParam().regime));
      ASSERT_EQ(problem_.constraints.back().tree.bound_count(), written.sides);
      multipliers_.push_back(0.7 + static_cast<double>(multipliers_.size()));
    }
  }

  at::Tensor lagrangian_of(const Graph& graph) const {
    at::Tensor value = regression_ ? graph.mean_squared_error() : graph.log_loss();
    for (std::size_t i = 0; i < multipliers_.size(); ++i) {
      const Written& written = GetParam().constraints[i];
      const at::Tensor upper = written.upper(graph, delta / static_cast<double>(written.sides));
      // A constraint that clipping at 0 and 1 has made constant would test nothing.
      const at::Tensor alone = torch::autograd::grad({upper}, {graph.theta}, {}, /*retain_graph=*/true)[0];
      EXPECT_GT(alone.abs().max().item<double>(), 0.05) << written.expression;
      value = value + multipliers_[i] * upper;
    }
    return value;
  }

  /// Two trials with rows of their own; `batches[t]` are positions in them.
  void expect_equal(const std::vector<std::vector<std::uint32_t>>& batches) {
    LearnerRequest request;
    request.data = &table_.data;
    request.candidate_rows.resize(2);
    for (std::uint32_t row = 0; row < table_.data.rows; ++row) {
      if (row % 3 != 0) request.candidate_rows[0].push_back(row);
      if (row % 3 != 1) request.candidate_rows[1].push_back(table_.data.rows - 1 - row);
    }
    request.trials = {0, 1};
    request.model_name = "m";
    request.initial = "random";
    const auto learner =
        ArchitectureRegistry::instance().find(regression_ ? "linear" : "logistic")->make(request);

    std::vector<std::vector<double>> starts, derivatives;
    std::vector<double> values;
    learner->forward({{batches[0], batches[1]}});
    for (std::size_t t = 0; t < 2; ++t) {
      starts.push_back(learner->solution(t));
      Lagrangian lagrangian(problem_, request.candidate_rows[t], safety_rows);
      lagrangian.choose(batches[t]);
      const auto predictors = learner->predictors(0, t);
      const auto& value = lagrangian.evaluate({&predictors, 1}, 1);
      values.push_back(value.loss);
      for (std::size_t i = 0; i < multipliers_.size(); ++i) values.back() += multipliers_[i] * value.upper[i];
      derivatives.push_back(lagrangian.gradient(multipliers_)[0]);
    }
    learner->backward(0, {{derivatives[0], derivatives[1]}});
    const std::vector<std::vector<double>> gradients = {gradient_of(*learner, 0), gradient_of(*learner, 1)};

    for (std::size_t t = 0; t < 2; ++t) {
      SCOPED_TRACE("trial " + std::to_string(t));
      Rows rows;
      for (const std::uint32_t position : batches[t]) rows.push_back(request.candidate_rows[t][position]);
      const Graph graph(table_, rows, starts[t]);
      const at::Tensor value = lagrangian_of(graph);
      EXPECT_NEAR(values[t], value.item<double>(), 1e-10 * std::abs(value.item<double>()));
      const at::Tensor wanted = torch::autograd::grad({value}, {graph.theta})[0];
      const double largest = wanted.abs().max().item<double>();
      ASSERT_GT(largest, 1e-3);
      for (std::size_t j = 0; j < gradients[t].size(); ++j)
        EXPECT_NEAR(gradients[t][j], wanted[static_cast<std::int64_t>(j)].item<double>(), 1e-10 * largest)
            << "parameter " << j;
    }
  }
};

TEST_P(FusedGradient, EqualsAutogradOverAllRows) {
  std::vector<std::uint32_t> all(160);
  std::iota(all.begin(), all.end(), 0U);
  expect_equal({all, all});
}

TEST_P(FusedGradient, EqualsAutogradOverBatches) {
  std::vector<std::vector<std::uint32_t>> batches(2);
  for (std::uint32_t i = 0; i < 90; ++i) {
    batches[0].push_back((7 * i) % 160);
    batches[1].push_back((11 * i + 5) % 160);
  }
  expect_equal(batches);
}

INSTANTIATE_TEST_SUITE_P(
    Constraints, FusedGradient,
    ::testing::Values(
        Case{"objective_alone", Regime::classification, {}},
        Case{"disparate_impact", Regime::classification, {disparate_impact}},
        Case{"equalized_odds", Regime::classification, {equalized_odds}},
        Case{"exponential", Regime::classification, {product_and_exponential}},
        Case{"power", Regime::classification, {square}},
        Case{"logarithm", Regime::classification, {logarithm}},
        Case{"three_at_once", Regime::classification, {disparate_impact, square, equalized_odds}},
        Case{"squared_error", Regime::regression, {squared_error}},
        Case{"two_of_regression", Regime::regression, {squared_error, error_gap}}),
    [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace seldon::engine

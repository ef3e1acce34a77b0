// The categories about bounds: stats, ttest_bound, fairness_bound, constraint_value, safety.

#include <cmath>
#include <numeric>

#include "engine/evaluation.h"
#include "engine/lagrangian.h"
#include "engine/safety_test.h"
#include "programs/conformance/linear.h"

namespace seldon::conformance {
namespace {

/// A list, or "A..B" for whole numbers.
std::vector<double> sample(const Json& x) {
  if (x.is_array()) return numbers(x);
  const auto text = x.get<std::string>();
  const std::size_t dots = text.find("..");
  std::vector<double> values;
  for (long i = std::stol(text.substr(0, dots)); i <= std::stol(text.substr(dots + 2)); ++i)
    values.push_back(static_cast<double>(i));
  return values;
}

/// What candidate selection computes on these rows.
struct CandidateBound {
  double upper;
  std::vector<double> d_theta;
};
CandidateBound candidate_bound(const OneConstraint& one, const Table& table, const FixedModel& model,
                               const engine::Rows& rows, double safety_rows) {
  engine::Lagrangian lagrangian(one.problem, rows, safety_rows);
  std::vector<std::uint32_t> all(rows.size());
  std::iota(all.begin(), all.end(), 0U);
  lagrangian.choose(all);
  std::vector<double> predictors(rows.size());
  model.predictors(rows, predictors);
  const std::span<const double> pass = predictors;
  CandidateBound result{lagrangian.evaluate({&pass, 1}, 1).upper.front(),
                        std::vector<double>(table.width + 1, 0.0)};
  const double multiplier[] = {1.0};
  const std::vector<double>& d = lagrangian.gradient(multiplier).front();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    result.d_theta[0] += d[i];
    for (std::size_t j = 0; j < table.width; ++j)
      result.d_theta[j + 1] += d[i] * table.features[rows[i] * table.width + j];
  }
  return result;
}

double value_on(const OneConstraint& one, FixedModel& model, const engine::Rows& rows) {
  return engine::evaluate(one.problem, {"original", rows}, model, {{}, false, 2}).g.front().front();
}

/// The tree's interval where a case fixes both deltas of its base nodes, needed or not.
engine::Interval interval_at(const OneConstraint& one, FixedModel& model, const engine::Rows& rows,
                             double delta_lower, double delta_upper) {
  engine::NodeScores scores(one.data, model, rows);
  std::vector<engine::Interval> bounds;
  for (const engine::BaseNode& node : one.tree().base_nodes()) {
    const engine::NodeStatistics z = engine::statistics(scores.values(node, false));
    const auto end = [&](engine::Side side, double delta) {
      return engine::bound(engine::BoundKind::student_t, z, {.side = side, .delta = delta, .m = z.n}).value;
    };
    bounds.push_back({end(engine::Side::lower, delta_lower), end(engine::Side::upper, delta_upper)});
  }
  return one.tree().propagate(bounds);
}

const engine::Rows& first_of(const engine::Rows& named, const engine::Rows& otherwise) {
  return named.empty() ? otherwise : named;
}

}  // namespace

void check_stats(const Json& c, const Setting&, Check& check) {
  const Json& inputs = c.at("inputs");
  const auto function = inputs.at("fn").get<std::string>();
  double got = std::nan("");
  if (function == "stddev_ddof1") {
    got = engine::statistics(sample(inputs.at("x"))).sd;
  } else if (function == "tinv") {
    got = engine::student_t_quantile(number(inputs.at("p")), number(inputs.at("nu")));
  } else if (function == "weighted_sum_gamma") {
    // The discounted return of an episode; the engine for policies will need it.
    const std::vector<double> rewards = sample(inputs.at("x"));
    got = 0;
    for (std::size_t t = rewards.size(); t-- > 0;) got = rewards[t] + number(inputs.at("gamma")) * got;
  } else {
    check.differ("fn", function, "no such function here");
    return;
  }
  check.near(function, c.at("expected"), got);
}

void check_ttest_bound(const Json& c, const Setting& setting, Check& check) {
  const Json& inputs = c.at("inputs");
  const auto reference = inputs.at("data").get<std::string>();
  const Table& table = setting.data.table(reference);
  const DataReference rows = setting.data.resolve(reference);
  FixedModel model = model_of(inputs, table, rows.rows);
  const OneConstraint one(c, table, setting.variant);
  if (inputs.contains("delta_lower") || inputs.contains("delta_upper")) {
    const engine::Interval got =
        interval_at(one, model, first_of(rows.rows, rows.safety), number(inputs.at("delta_lower")),
                    number(inputs.at("delta_upper")));
    check.near("lower", c.at("expected").at("lower"), got.lower);
    check.near("upper", c.at("expected").at("upper"), got.upper);
    return;
  }
  for (const auto& [key, wanted] : c.at("expected").items()) {
    if (key == "candidate_upper" || key == "test_file_candidate")
      check.near(key, wanted,
                 candidate_bound(one, table, model, first_of(rows.candidate, rows.rows),
                                 number(inputs.at("n_safety")))
                     .upper);
    else if (key == "safety_upper" || key == "test_file_safety")
      check.near(key, wanted,
                 engine::safety_test(one.problem, model, first_of(rows.safety, rows.rows)).upper.front());
    else
      check.differ(key, wanted.dump(), "nothing of that name");
  }
}

void check_fairness_bound(const Json& c, const Setting& setting, Check& check) {
  const Json& inputs = c.at("inputs");
  const auto reference = inputs.at("data").get<std::string>();
  const Table& table = setting.data.table(reference);
  const DataReference rows = setting.data.resolve(reference);
  const OneConstraint one(c, table, setting.variant);
  engine::Rows all(table.rows);
  std::iota(all.begin(), all.end(), 0U);
  FixedModel model = model_of(inputs, table, all);
  const engine::SafetyResult safety = engine::safety_test(one.problem, model, rows.safety);
  const CandidateBound candidate =
      candidate_bound(one, table, model, rows.candidate, static_cast<double>(rows.safety.size()));

  for (const auto& [key, wanted] : c.at("expected").items()) {
    if (key == "safety_upper") {
      check.near(key, wanted, safety.upper.front());
    } else if (key == "candidate_upper") {
      check.near(key, wanted, candidate.upper);
    } else if (key == "d_candidate_upper_d_theta") {
      check.all_near(key, wanted, candidate.d_theta);
    } else if (key == "value_full_data") {
      check.near(key, wanted, value_on(one, model, all));
    } else if (key == "safety_base_node_bounds") {
      const auto& bases = one.tree().base_nodes();
      for (std::size_t k = 0; k < bases.size(); ++k) {
        if (!wanted.contains(bases[k].name)) continue;
        const Json& ends = wanted[bases[k].name];
        if (ends.contains("lower"))
          check.near(bases[k].name + " lower", ends["lower"], safety.nodes[k].lower);
        if (ends.contains("upper"))
          check.near(bases[k].name + " upper", ends["upper"], safety.nodes[k].upper);
      }
    } else {
      check.differ(key, wanted.dump(), "nothing of that name");
    }
  }
}

void check_constraint_value(const Json& c, const Setting& setting, Check& check) {
  const Json& inputs = c.at("inputs");
  const auto reference = inputs.at("data").get<std::string>();
  const Table& table = setting.data.table(reference);
  const DataReference rows = setting.data.resolve(reference);
  const OneConstraint one(c, table, setting.variant);
  FixedModel model = model_of(inputs, table, rows.rows);
  const double got = value_on(one, model, first_of(rows.rows, rows.safety));
  for (const auto& [key, wanted] : c.at("expected").items()) check.near(key, wanted, got);
}

void check_safety(const Json& c, const Setting& setting, Check& check) {
  const Json& inputs = c.at("inputs");
  const auto reference = inputs.at("data").get<std::string>();
  const Table& table = setting.data.table(reference);
  const DataReference rows = setting.data.resolve(reference);
  const OneConstraint one(c, table, setting.variant);
  FixedModel model = model_of(inputs, table, rows.rows);
  const engine::SafetyResult got = engine::safety_test(one.problem, model, first_of(rows.safety, rows.rows));
  for (const auto& [key, wanted] : c.at("expected").items()) {
    if (key == "passed")
      check.equal(key, wanted.get<bool>(), got.passed);
    else if (key == "upper")
      check.near(key, wanted, got.upper.front());
    else
      check.differ(key, wanted.dump(), "nothing of that name");
  }
}

}  // namespace seldon::conformance

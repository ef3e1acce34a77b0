#pragma once
// Results with several constraints.

#include <functional>
#include <string>
#include <vector>

#include "example.h"

namespace seldon::analysis::example {

/// Gives every model one more constraint; `g(model, fraction, trial)` is its value by every rule and on every
/// truth, where there is a solution.
inline void add_constraint(Results& results, const std::string& name, double delta,
                           const std::function<double(std::size_t, std::size_t, std::size_t)>& g) {
  results.header.constraints.push_back({name, "PR - 0.5 <= 0", "soft", "student_t", delta});
  for (std::size_t m = 0; m < results.models.size(); ++m) {
    auto& model = results.models[m];
    const auto before = model;
    auto shape = before.header.shape;
    shape.constraints.push_back(name);
    shape.base_nodes.push_back(name + ": PR");
    model.header.shape = results.header.models[m].shape = shape;
    const std::size_t cells = model.states.size(), views = shape.rules.size() * shape.truths.size();
    const std::size_t constraints = shape.constraints.size();
    model.g.clear();
    model.upper.clear();
    for (std::size_t cell = 0; cell < cells; ++cell) {
      const auto old = cell * (constraints - 1);
      for (std::size_t i = 0; i < (constraints - 1) * views; ++i)
        model.g.push_back(before.g[old * views + i]);
      const double value = g(m, cell / results.header.n_trials, cell % results.header.n_trials);
      model.g.insert(model.g.end(), views, value);
      for (std::size_t i = 0; i + 1 < constraints; ++i) model.upper.push_back(before.upper[old + i]);
      model.upper.push_back(value);
    }
  }
}

/// As many models as asked for, three constraints, six fractions, ten trials.
inline Results many(std::size_t models) {
  auto results = empty(models, {0.01, 0.03, 0.1, 0.3, 0.6, 1.0}, 10, 5000);
  const auto noise = [](std::size_t m, std::size_t f, std::size_t t) {
    return static_cast<double>((m * 7 + f * 5 + t * 3 + m * f * t) % 11) / 11.0;
  };
  for (std::size_t m = 0; m < models; ++m)
    for (std::size_t f = 0; f < 6; ++f)
      for (std::size_t t = 0; t < 10; ++t) {
        const double x = noise(m, f, t), level = static_cast<double>(m) / static_cast<double>(models);
        if (m % 3 == 0 && x > 0.15 * static_cast<double>(f + 1))
          refuse(results, m, f, t, NsfReason::safety_test);
        else
          solve(results, m, f, t, 0.7 - 0.04 * static_cast<double>(f) + 0.15 * level + 0.05 * x,
                x - 0.3 - level / 2);
      }
  add_constraint(results, "second", 0.1, [&](auto m, auto f, auto t) { return noise(m + 1, f, t) - 0.8; });
  add_constraint(results, "third", 0.05, [&](auto m, auto f, auto t) { return noise(m, f + 2, t) - 0.6; });
  return results;
}

}  // namespace seldon::analysis::example

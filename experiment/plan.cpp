#include "experiment/plan.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "experiment/text.h"

namespace seldon::experiment {

namespace {

std::uint64_t ceil_div(std::uint64_t a, std::uint64_t b) {
  return a / b + (a % b != 0);
}

/// A training step costs three forward passes (forward, and twice that for the gradient), an evaluation one.
double cell_cost(const Schedule& schedule, const ModelWork& work, std::uint64_t total_rows) {
  const double passes = schedule.iterations > 0
                            ? static_cast<double>(schedule.iterations) / static_cast<double>(schedule.batches)
                            : static_cast<double>(work.solver_iterations);
  return work.cost_per_row *
         (3 * passes * static_cast<double>(schedule.rows) + static_cast<double>(total_rows));
}

std::vector<std::uint64_t> rows_at_all(const Description& description, std::uint64_t total_rows) {
  std::vector<std::uint64_t> rows;
  for (const double fraction : description.data_fracs) {
    rows.push_back(rows_at(fraction, total_rows));
    if (rows.back() < 1)
      throw InputError(description.place("experiment.data_fracs"),
                       "the fraction " + shortest(fraction) + " of " + std::to_string(total_rows) +
                           " rows is less than one row; remove it");
  }
  return rows;
}

}  // namespace

std::uint64_t round_half_even(double value) {
  const double below = std::floor(value), rest = value - below;
  const auto whole = static_cast<std::uint64_t>(below);
  if (rest == 0.5) return whole + whole % 2;
  return whole + (rest > 0.5);
}

std::uint64_t rows_at(double fraction, std::uint64_t total_rows) {
  return round_half_even(fraction * static_cast<double>(total_rows));
}

std::uint64_t candidate_rows(std::uint64_t n, double frac_in_safety) {
  return round_half_even(static_cast<double>(n) * (1.0 - frac_in_safety));
}

std::uint64_t batches_per_epoch(std::uint64_t rows, std::uint64_t batch_size, bool toolkit) {
  const std::uint64_t full = rows / batch_size, rest = rows % batch_size;
  const bool joins = !toolkit && full > 0 && rest < batch_size - rest;
  return std::max<std::uint64_t>(1, full + (rest > 0 && !joins));
}

std::uint64_t epochs_min_sample_repeat(std::uint64_t min_iterations, double fraction,
                                       std::uint64_t total_rows, std::uint64_t batch_size,
                                       std::uint64_t repeats) {
  const double batches = static_cast<double>(total_rows) * fraction / static_cast<double>(batch_size);
  if (static_cast<double>(repeats) * batches > static_cast<double>(min_iterations)) return repeats;
  return static_cast<std::uint64_t>(std::ceil(static_cast<double>(min_iterations) / std::max(1.0, batches)));
}

Schedule schedule(const ModelSection& model, std::uint64_t n, double frac_in_safety) {
  Schedule s;
  s.rows = model.kind == "seldonian" ? candidate_rows(n, frac_in_safety) : n;
  if (model.batch_size) s.batches = batches_per_epoch(s.rows, *model.batch_size, model.variant == "toolkit");
  if (model.iterations) {
    s.iterations = *model.iterations;
    s.epochs = ceil_div(s.iterations, s.batches);
    return s;
  }
  if (model.epochs) s.epochs = *model.epochs;
  if (model.epochs_for_iterations) s.epochs = ceil_div(*model.epochs_for_iterations, s.batches);
  if (model.min_epochs) s.epochs = std::max(s.epochs, *model.min_epochs);
  s.iterations = s.epochs * s.batches;
  return s;
}

Plan make_plan(const Description& description, std::uint64_t total_rows, std::span<const ModelWork> work,
               std::uint32_t experiment) {
  if (work.size() != description.models.size()) throw InternalError("a plan needs the work of each model");
  Plan plan;
  plan.total_rows = total_rows;
  plan.rows = rows_at_all(description, total_rows);
  plan.cells = std::uint64_t{description.n_trials} * plan.rows.size() * work.size();

  for (std::uint32_t m = 0; m < work.size(); ++m) {
    const ModelSection& model = description.models[m];
    const std::uint32_t size = std::max(1u, model.pack_size > 0 ? model.pack_size : work[m].pack_size);
    plan.pack_sizes.push_back(size);
    auto& schedules = plan.schedules.emplace_back();
    auto& costs = plan.cell_costs.emplace_back();
    for (std::uint32_t f = 0; f < plan.rows.size(); ++f) {
      schedules.push_back(schedule(model, plan.rows[f], description.frac_in_safety));
      costs.push_back(cell_cost(schedules.back(), work[m], total_rows));
      for (std::uint32_t first = 0; first < description.n_trials;) {
        const std::uint32_t width = std::min(size, description.n_trials - first);
        plan.packs.push_back({experiment, m, f, first, width});
        first += width;
      }
    }
  }
  const auto order = [&](const Pack& pack) {
    return std::tuple(-plan.cost(pack), pack.model, pack.fraction, pack.first_trial);
  };
  std::sort(plan.packs.begin(), plan.packs.end(),
            [&](const Pack& a, const Pack& b) { return order(a) < order(b); });
  return plan;
}

}  // namespace seldon::experiment

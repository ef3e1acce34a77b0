// Where the two kernels that everything rests on stand against what one core can do: candidate selection of
// linear models (double) and of the face CNN (float), in whole and in parts. Prints tables in Markdown.
// Usage: bench_roofline

#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones_like.h>
#include <torch/csrc/autograd/autograd.h>

#include "bench/faces.h"
#include "bench/machine.h"
#include "bench/network_cost.h"
#include "core/random.h"
#include "engine/model/kernels.h"
#include "engine/network/batch.h"
#include "engine/network/forward.h"
#include "engine/network/torch_setup.h"

namespace {

using namespace seldon;
using namespace seldon::bench;

/// A kernel with what it costs at least, and the bytes that it works on, which decide the level they lie in.
struct Kernel {
  std::string name;
  double flop, bytes, working_set, seconds;
};

std::string quantity(double value, const char* unit) {
  const char* const prefix = value >= 1e9 ? "G" : value >= 1e6 ? "M" : value >= 1e3 ? "k" : "";
  const double scale = value >= 1e9 ? 1e9 : value >= 1e6 ? 1e6 : value >= 1e3 ? 1e3 : 1;
  char text[64];
  std::snprintf(text, sizeof text, "%.3g %s%s", value / scale, prefix, unit);
  return text;
}

std::string duration(double seconds) {
  char text[64];
  std::snprintf(text, sizeof text, seconds < 1e-3 ? "%.3g us" : "%.3g ms",
                seconds * (seconds < 1e-3 ? 1e6 : 1e3));
  return text;
}

void print_head() {
  std::printf(
      "| kernel | time | flop | bytes | flop/byte | lie in | achieved | attainable | share |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
}

/// Attainable: the less of the peak and of intensity times bandwidth. A kernel without products is measured
/// in bytes.
void print(const Machine& machine, double peak, const Kernel& kernel) {
  const Level& level = machine.level_of(kernel.working_set);
  const bool products = kernel.flop > 0;
  const double intensity = kernel.flop / kernel.bytes;
  const double attainable = products ? std::min(peak, intensity * level.bandwidth) : level.bandwidth;
  const double achieved = (products ? kernel.flop : kernel.bytes) / kernel.seconds;
  const char* const unit = products ? "FLOP/s" : "B/s";
  std::printf("| %s | %s | %s | %s | %.2g | %s | %s | %s | %.0f %% |\n", kernel.name.c_str(),
              duration(kernel.seconds).c_str(), products ? quantity(kernel.flop, "").c_str() : "-",
              quantity(kernel.bytes, "B").c_str(), intensity, level.name.c_str(),
              quantity(achieved, unit).c_str(), quantity(attainable, unit).c_str(),
              100 * achieved / attainable);
}

// ---- linear models

struct LinearShape {
  const char* name;
  std::size_t rows, columns;
};

/// A table of that shape with two groups, drawn.
struct LinearTable {
  std::vector<double> features, labels;
  std::vector<std::uint8_t> men, women;
  engine::Dataset data;

  explicit LinearTable(const LinearShape& shape) {
    const Stream draws(Purpose::synthetic_data, 1), more(Purpose::synthetic_data, 2);
    const std::size_t rows = shape.rows * 5 / 2;  // two fifths are candidate data
    for (std::size_t i = 0; i < rows * shape.columns; ++i) features.push_back(draws.normal(i));
    for (std::size_t i = 0; i < rows; ++i) {
      men.push_back(more.uniform(2 * i) < 0.5);
      women.push_back(!men.back());
      labels.push_back(more.uniform(2 * i + 1) < 0.5 ? 1.0 : 0.0);
    }
    data.rows = rows;
    data.width = shape.columns;
    data.features = features;
    data.labels = labels;
    data.groups = {{"M", men}, {"F", women}};
  }
};

/// Seconds per iteration: the difference of a long and a short run.
double linear_iteration(const LinearTable& table) {
  engine::ConstraintOptions constraint;
  constraint.groups = {"M", "F"};
  engine::ModelSpec model;
  model.name = "qsa";
  model.architecture = engine::ArchitectureRegistry::instance().find("logistic");
  model.problem.data = &table.data;
  model.problem.objective = engine::ObjectiveRegistry::instance().find("log_loss");
  model.problem.constraints.push_back(
      {"disparate_impact",
       engine::Constraint::parse("min((PR | [M])/(PR | [F]),(PR | [F])/(PR | [M])) >= 0.8", constraint)});
  model.selection.multipliers = {0.5};
  engine::Rows rows(table.data.rows);
  std::iota(rows.begin(), rows.end(), 0U);
  Unhindered progress;
  const auto seconds = [&](std::uint64_t iterations) {
    return seconds_per_call([&] { engine::run_trial(model, {0, rows}, 1.0, iterations, progress); });
  };
  const std::uint64_t more = 500;
  return (seconds(more + 20) - seconds(20)) / static_cast<double>(more);
}

/// Operations per row besides the two products (a division, a maximum and a comparison count as one each):
/// logistic 39 (exp by a polynomial of degree 13: 26, its reduction 7, limit and scaling 2; sum, quotient,
/// product and choice 4), log loss 5, residual 2, two passes for mean and variance 4, the constraint's
/// gradient 5, the logistic function's 4, the sum of the gradient 1.
constexpr double other_flop_per_row = 60;
/// Numbers read or written per row besides the matrix, twice: 1 by the product, 2 logistic, 3 log loss, 3
/// residual, 3 measure with its derivative, 2 mean and variance, 4 the constraint's gradient, 4 the logistic
/// function's, 2 the transposed product and its sum.
constexpr double other_numbers_per_row = 24;

void linear_rows(const Machine& machine, const LinearShape& shape) {
  const double n = static_cast<double>(shape.rows), d = static_cast<double>(shape.columns),
               size = sizeof(double);
  engine::PanelMatrix matrix(shape.rows, shape.columns);
  const Stream draws(Purpose::synthetic_data, 3);
  for (std::size_t i = 0; i < shape.rows; ++i)
    for (std::size_t j = 0; j < shape.columns; ++j) matrix.at(i, j) = draws.normal(i * shape.columns + j);
  std::vector<double> weights(shape.columns, 0.1), gradient(shape.columns, 0.0), eta(matrix.padded_rows()),
      p(shape.rows), residuals(shape.rows, 0.01);
  const LinearTable table(shape);
  const std::string name = shape.name;
  const double of_matrix = size * n * d;
  std::vector<Kernel> kernels;
  kernels.push_back({name + ": iteration", n * (4 * d + other_flop_per_row),
                     size * n * (2 * d + other_numbers_per_row), of_matrix + 8 * size * n,
                     linear_iteration(table)});
  kernels.push_back({"X w", 2 * n * d, size * n * (d + 1), of_matrix + size * n,
                     seconds_per_call([&] { matrix.multiply(weights, 0.1, eta); })});
  kernels.push_back({"X' r", 2 * n * d, size * n * (d + 1), of_matrix + size * n,
                     seconds_per_call([&] { matrix.multiply_transposed(residuals, gradient); })});
  kernels.push_back({"logistic function", 39 * n, 2 * size * n, 2 * size * n,
                     seconds_per_call([&] { engine::logistic(std::span(eta).first(shape.rows), p); })});
  for (const Kernel& kernel : kernels) print(machine, machine.double_peak, kernel);
}

// ---- the face CNN

class CnnRows {
 public:
  explicit CnnRows(const Machine& machine)
      : machine_(machine), faces_(4000), costs_(training_cost(faces_.network(), batch)) {}

  void print_all() {
    whole();
    for (std::size_t i = 0; i < faces_.network().layers().size(); ++i) layer(i);
  }

 private:
  static constexpr std::size_t batch = 237;

  void print_kernel(const std::string& name, double flop, double bytes, double working_set, double seconds) {
    print(machine_, machine_.float_peak, {name, flop, bytes, working_set, seconds});
  }

  /// The learner's iteration with the gradient of the loss alone, which costs what any other does.
  void whole() {
    const engine::ModelSpec model = faces_.model({});
    const auto made = faces_.training(model, faces_.tasks(0, 1), {});
    std::vector<std::uint32_t> positions(batch);
    std::iota(positions.begin(), positions.end(), 0U);
    const std::vector<std::span<const std::uint32_t>> batches = {positions};
    const std::vector<double> derivative(batch, 1e-3);
    const std::vector<std::span<const double>> derivatives = {derivative};
    const std::vector<std::uint8_t> active = {1};
    const double seconds = seconds_per_call([&] {
      made.learner->forward(batches);
      made.learner->backward(0, derivatives);
      made.learner->step({.step = 1e-3}, active);
      made.learner->clear();
    });
    const Cost cost = total(costs_);
    print_kernel("face CNN: iteration", cost.flop, cost.bytes, cost.bytes, seconds);
  }

  /// One layer's forward and backward pass.
  void layer(std::size_t i) {
    using namespace engine::network;
    const Network& network = faces_.network();
    const Stream draws(Purpose::initial_weights, 1);
    std::vector<float> values = network.initial(draws);
    const auto count = static_cast<std::int64_t>(values.size());
    std::vector<at::Tensor> leaves =
        parameter_views(network, at::from_blob(values.data(), {1, count}, at::kFloat));
    for (at::Tensor& leaf : leaves) leaf = leaf.detach().set_requires_grad(true);
    std::vector<std::uint32_t> rows(batch);
    std::iota(rows.begin(), rows.end(), 0U);
    const std::vector<std::span<const std::uint32_t>> batches = {rows};
    at::Tensor input;
    {
      const at::NoGradGuard no_grad;
      input = run_layers(network, 0, i, gather(faces_.data(), batches), leaves, {});
    }
    input = input.detach().set_requires_grad(i > 0);
    const Layer& here = network.layers()[i];
    std::vector<at::Tensor> wanted;
    if (i > 0) wanted.push_back(input);
    const bool weighted = costs_[i].flop > 0 || std::holds_alternative<BatchNorm>(here.stage);
    if (weighted) wanted.insert(wanted.end(), {leaves[here.parameter], leaves[here.parameter + 1]});
    at::Tensor direction;
    const double seconds = seconds_per_call([&] {
      const at::Tensor out = run_layers(network, i, i + 1, input, leaves, {});
      if (!direction.defined()) direction = at::ones_like(out);
      torch::autograd::grad({out}, wanted, {direction});
    });
    const double in = 4.0 * batch * static_cast<double>(here.in.size()),
                 out = 4.0 * batch * static_cast<double>(here.out.size());
    print_kernel(costs_[i].name, costs_[i].flop, costs_[i].bytes, 2 * (in + out), seconds);
  }

  const Machine& machine_;
  FaceExperiment faces_;
  std::vector<Cost> costs_;
};

}  // namespace

int main() {
  engine::network::tune_allocator();
  engine::network::configure_torch(1);
  const Machine machine = measure_machine();
  std::printf("One core, %s: %s in double, %s in float", std::string(engine::kernel_level()).c_str(),
              quantity(machine.double_peak, "FLOP/s").c_str(),
              quantity(machine.float_peak, "FLOP/s").c_str());
  for (const Level& level : machine.levels)
    std::printf("; %s %s", level.name.c_str(), quantity(level.bandwidth, "B/s").c_str());
  std::printf(".\n\n");
  print_head();
  linear_rows(machine, {"loan, 400 x 57", 400, 57});
  linear_rows(machine, {"GPA, 17,321 x 9", 17321, 9});
  CnnRows(machine).print_all();
  return 0;
}

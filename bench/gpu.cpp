// Networks on a device: is it right, and how fast. bench/gpu.py builds and runs this and makes a table of it;
// every command prints one line of JSON for each result.
//
// * `bench_gpu check`: whole trainings on the device against the same ones alone, on the CPU, without graphs.
// * `bench_gpu time`: seconds per iteration of candidate selection of one pack.
// * `bench_gpu pack`: whole packs (candidate selection, safety test, evaluation); seconds of each.
// * `bench_gpu profile`: an iteration in its parts, each waited for, and the whole without waiting.
//
// Options: --device cpu|cuda[:N] --rows N --batch N --trials T --iterations N --packs N --convolutions
// grouped|unfolded --precision float32|tf32|bfloat16 --eager. Data: drawn faces; the network of the published
// experiment. Exit 1 where a check fails.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>

#include "bench/faces.h"
#include "bench/gpu_checks.h"
#include "bench/network_cost.h"
#include "bench/operations.h"
#include "core/error.h"
#include "engine/network/torch_setup.h"
#include "engine/tensor/lagrangian.h"
#include "engine/tensor/learner.h"

#ifdef SELDON_CUDA
#include <cuda_runtime_api.h>
#endif

namespace {

using namespace seldon;
using namespace seldon::bench;

struct Command {
  FaceSetting setting;
  std::uint64_t rows = 23700, iterations = 100;
  std::size_t packs = 1;
};

engine::Convolutions convolutions_of(const std::string& name) {
  if (name == "grouped") return engine::Convolutions::grouped;
  if (name == "unfolded") return engine::Convolutions::unfolded;
  throw InputError("--convolutions is grouped or unfolded, not '" + name + "'");
}

engine::Precision precision_of(const std::string& name) {
  if (name == "float32") return engine::Precision::float32;
  if (name == "tf32") return engine::Precision::tf32;
  if (name == "bfloat16") return engine::Precision::bfloat16;
  throw InputError("--precision is float32, tf32 or bfloat16, not '" + name + "'");
}

std::uint64_t number(const std::string& option, const std::string& text) {
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(text.c_str(), &end, 10);
  if (text.empty() || *end || value == 0)
    throw InputError(option + " needs a whole number over 0, not '" + text + "'");
  return value;
}

Command parse(const std::vector<std::string>& words) {
  Command command;
  engine::Execution& execution = command.setting.execution;
  execution.tensor_program = true;
  const std::map<std::string, std::function<void(const std::string&)>> options = {
      {"--device", [&](const std::string& text) { execution.device = text; }},
      {"--rows", [&](const std::string& text) { command.rows = number("--rows", text); }},
      {"--batch", [&](const std::string& text) { command.setting.batch = number("--batch", text); }},
      {"--trials", [&](const std::string& text) { command.setting.trials = number("--trials", text); }},
      {"--iterations", [&](const std::string& text) { command.iterations = number("--iterations", text); }},
      {"--packs", [&](const std::string& text) { command.packs = number("--packs", text); }},
      {"--convolutions", [&](const std::string& text) { execution.convolutions = convolutions_of(text); }},
      {"--precision", [&](const std::string& text) { execution.precision = precision_of(text); }},
  };
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--eager") {
      execution.graph = false;
      continue;
    }
    const auto option = options.find(words[i]);
    if (option == options.end() || i + 1 == words.size())
      throw InputError("'" + words[i] + "' is no option, or its value is missing");
    option->second(words[++i]);
  }
  return command;
}

/// Waits until the device has done what it was given.
void synchronise(const std::string& device) {
#ifdef SELDON_CUDA
  if (device != "cpu" && cudaDeviceSynchronize() != cudaSuccess)
    throw InternalError(std::string("the GPU reports: ") + cudaGetErrorString(cudaGetLastError()));
#else
  static_cast<void>(device);
#endif
}

/// Bytes in use on the device, cached ones of the allocator included: after a run, its peak. 0 on a CPU.
double device_bytes(const std::string& device) {
#ifdef SELDON_CUDA
  std::size_t free = 0, total = 0;
  if (device != "cpu" && cudaMemGetInfo(&free, &total) == cudaSuccess)
    return static_cast<double>(total - free);
#else
  static_cast<void>(device);
#endif
  return 0;
}

template <class F>
double seconds_of(const std::string& device, F f) {
  synchronise(device);
  const auto start = std::chrono::steady_clock::now();
  f();
  synchronise(device);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Escapes nothing but what occurs in messages.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text)
    if (c == '"' || c == '\\') {
      out.append("\\").push_back(c);
    } else {
      out.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
    }
  return out.append("\"");
}

int check(const Command& command) {
  const FaceExperiment faces(command.rows);
  bool passed = true;
  for (const CheckOutcome& outcome :
       run_checks(faces, command.setting, {command.setting.trials, command.iterations})) {
    // JSON has no infinity.
    std::printf("{\"check\": %s, \"passed\": %s, \"worst\": %.3g, \"tolerance\": %.3g, \"note\": %s}\n",
                quoted(outcome.name).c_str(), outcome.passed() ? "true" : "false",
                std::min(outcome.worst, 1e300), outcome.tolerance, quoted(outcome.note).c_str());
    passed &= outcome.passed();
  }
  return passed ? 0 : 1;
}

double seconds_of_selection(const FaceExperiment& faces, const FaceSetting& setting,
                            std::uint64_t iterations) {
  const engine::ModelSpec model = faces.model(setting);
  const auto tasks = faces.tasks(0, setting.trials);
  auto made = faces.training(model, tasks, setting.execution);
  made.options.iterations = iterations;
  Unhindered progress;
  return seconds_of(setting.execution.device, [&] {
    engine::select_candidates(*made.learner, model.problem, made.data, made.options, progress);
  });
}

/// An iteration is the difference of a long and a short run, so that what happens once (recording graphs,
/// BatchNorm's statistics at the end) drops out.
int time(const Command& command) {
  const FaceExperiment faces(command.rows);
  const std::string& device = command.setting.execution.device;
  // Graphs are recorded within the first few iterations.
  const std::uint64_t few = std::max<std::uint64_t>(command.iterations / 5, device == "cpu" ? 1 : 12),
                      many = few + command.iterations;
  seconds_of_selection(faces, command.setting, few);  // libraries load their kernels
  std::vector<double> seconds;
  for (int repeat = 0; repeat < 3; ++repeat) {
    const double shorter = seconds_of_selection(faces, command.setting, few);
    seconds.push_back((seconds_of_selection(faces, command.setting, many) - shorter) /
                      static_cast<double>(command.iterations));
  }
  std::ranges::sort(seconds);
  const Cost cost = total(training_cost(faces.network(), static_cast<double>(command.setting.batch)));
  std::printf(
      "{\"trials\": %zu, \"batch\": %llu, \"seconds_per_iteration\": %.9g, \"least\": %.9g, \"most\": %.9g, "
      "\"flop\": %.0f, \"bytes\": %.0f, \"device_bytes\": %.0f}\n",
      command.setting.trials, static_cast<unsigned long long>(command.setting.batch), seconds[1], seconds[0],
      seconds[2], cost.flop, cost.bytes, device_bytes(device));
  return 0;
}

int pack(const Command& command) {
  const FaceExperiment faces(command.rows);
  const engine::ModelSpec model = faces.model(command.setting);
  for (std::size_t p = 0; p < command.packs; ++p) {
    const auto tasks =
        faces.tasks(static_cast<std::uint32_t>(p * command.setting.trials), command.setting.trials);
    Unhindered progress;
    double selection = 0, safety = 0, evaluation = 0;
    std::size_t solutions = 0;
    const double all = seconds_of(command.setting.execution.device, [&] {
      engine::run_trials(model, tasks, 1.0, command.iterations, progress,
                         [&](const engine::TrialResult& result) {
                           if (result.error) throw InternalError(*result.error);
                           selection += result.seconds_selection;
                           safety += result.seconds_safety;
                           evaluation += result.seconds_evaluation;
                           solutions += result.outcome == Outcome::solution;
                         });
    });
    std::printf(
        "{\"pack\": %zu, \"trials\": %zu, \"iterations\": %llu, \"seconds\": %.6f, \"selection\": %.6f, "
        "\"safety\": %.6f, \"evaluation\": %.6f, \"solutions\": %zu, \"device_bytes\": %.0f}\n",
        p, tasks.size(), static_cast<unsigned long long>(command.iterations), all, selection, safety,
        evaluation, solutions, device_bytes(command.setting.execution.device));
    std::fflush(stdout);
  }
  return 0;
}

/// The parts of an iteration by the seams that the loop itself uses.
class Profile {
 public:
  Profile(const FaceExperiment& faces, const FaceSetting& setting)
      : device_(setting.execution.device),
        model_(faces.model(setting)),
        tasks_(faces.tasks(0, setting.trials)) {
    made_ = faces.training(model_, tasks_, setting.execution);
    learner_ = dynamic_cast<engine::tensor::TensorLearner*>(made_.learner.get());
    if (!learner_) throw InternalError("this model is no tensor program");
    lagrangian_.emplace(model_.problem, learner_->table(), made_.data[0].safety_rows);
    const auto trials = static_cast<std::int64_t>(setting.trials);
    rows_ = learner_->candidate_rows().narrow(1, 0, static_cast<std::int64_t>(setting.batch)).contiguous();
    const auto options = rows_.options().dtype(at::kDouble);
    multipliers_ = at::full({trials, 1}, 0.5, options);
    corrections_ = at::full({2}, 1.0, options);
    active_ = at::ones({trials}, options.dtype(at::kBool));
  }

  void run(std::uint64_t repeats) {
    for (std::uint64_t k = 0; k < repeats + warm_up; ++k) {
      measuring_ = k >= warm_up;
      iterate();
    }
    std::printf("{\"operations\": %zu}\n", count_operations([&] { iterate(); }));
    for (auto& [name, seconds] : parts_) {
      std::ranges::sort(seconds);
      std::printf("{\"part\": \"%s\", \"seconds\": %.9g}\n", name.c_str(), seconds[seconds.size() / 2]);
    }
  }

 private:
  static constexpr std::uint64_t warm_up = 3;

  void iterate() {
    part("forward", [&] { predictors_ = learner_->forward(rows_); });
    const at::NoGradGuard no_grad;
    part("loss, bounds", [&] { lagrangian_->evaluate(rows_, predictors_); });
    part("their gradient", [&] { direction_ = lagrangian_->gradient(multipliers_); });
    part("backward", [&] { learner_->backward(direction_); });
    part("finite, step", [&] {
      learner_->finite();
      learner_->step(model_.selection.adam, corrections_, active_);
    });
  }

  template <class F>
  void part(const char* name, F f) {
    const double seconds = seconds_of(device_, f);
    if (!measuring_) return;
    auto at = std::ranges::find(parts_, name, &std::pair<std::string, std::vector<double>>::first);
    if (at == parts_.end()) at = parts_.insert(at, {name, {}});
    at->second.push_back(seconds);
  }

  std::string device_;
  engine::ModelSpec model_;
  std::vector<engine::TrialTask> tasks_;
  FaceExperiment::Training made_;
  engine::tensor::TensorLearner* learner_ = nullptr;
  std::optional<engine::tensor::TensorLagrangian> lagrangian_;
  at::Tensor rows_, multipliers_, corrections_, active_, predictors_, direction_;
  std::vector<std::pair<std::string, std::vector<double>>> parts_;
  bool measuring_ = false;
};

int profile(const Command& command) {
  const FaceExperiment faces(command.rows);
  Profile(faces, command.setting).run(command.iterations);
  return 0;
}

int run(int argc, char** argv) {
  const std::map<std::string, int (*)(const Command&)> commands = {
      {"check", check}, {"time", time}, {"pack", pack}, {"profile", profile}};
  const auto command = argc > 1 ? commands.find(argv[1]) : commands.end();
  if (command == commands.end())
    throw InputError("usage: bench_gpu check|time|pack|profile [options]; see bench/gpu.cpp");
  const Command parsed = parse({argv + 2, argv + argc});
  engine::network::configure_device(parsed.setting.execution.device, parsed.setting.execution.precision);
  return command->second(parsed);
}

}  // namespace

int main(int argc, char** argv) {
  engine::network::tune_allocator();
  try {
    engine::network::configure_torch(1);
    return run(argc, argv);
  } catch (const Error& error) {
    std::fprintf(stderr, "bench_gpu: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_gpu: %s\n", error.what());
    return static_cast<int>(ExitCode::internal);
  }
}

#include "worker/settle.h"

#include <algorithm>
#include <cmath>

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include "core/error.h"
#include "engine/network/torch_setup.h"

namespace seldon::worker {
namespace {

using engine::Convolutions;

/// The rest is for what the estimate leaves out: workspaces of libraries, the data, fragments.
constexpr double share_of_free_memory = 0.8;
/// Of CUDA's libraries, once for each process.
constexpr double bytes_of_libraries = 1 << 30;
using experiment::Description;
using experiment::ModelSection;

/// Of a config's name; of one that is no learner at all, false.
bool is_network(const ModelSection& model) {
  register_all();
  const engine::Architecture* found = engine::ArchitectureRegistry::instance().find(model.architecture.value);
  return found && found->network;
}

/// What comes into question for a model, given what the config leaves open.
std::vector<PackRange> ranges_of(const Workspace& workspace, std::size_t index) {
  const Description& description = workspace.description();
  const ModelSection& model = description.models[index];
  PackRange range;
  range.most = std::min(description.n_trials, most_trials_of_a_pack);
  if (model.pack_size > 0) range.least = range.most = std::min(model.pack_size, description.n_trials);
  // Passes differ in size from trial to trial.
  if (model.batchnorm == "toolkit") range.least = range.most = 1;
  std::vector<Convolutions> forms = {workspace.model(index).execution.convolutions};
  if (model.convolutions == "auto" && !workspace.dataset().pixels.empty())
    forms = {Convolutions::grouped, Convolutions::unfolded};
  std::vector<PackRange> ranges;
  for (const Convolutions form : forms) {
    range.convolutions = form;
    ranges.push_back(range);
  }
  return ranges;
}

/// Nothing to choose from: one form, one width.
std::optional<PackPoint> only_choice(const std::vector<PackRange>& ranges) {
  if (ranges.size() > 1 || ranges[0].least < ranges[0].most) return std::nullopt;
  return PackPoint{ranges[0].convolutions, ranges[0].least, {}};
}

/// The rows of a model's largest batch that fall to one of the workers that share it.
std::uint64_t rows_at_once(const Workspace& workspace, std::size_t index) {
  const Description& description = workspace.description();
  const std::uint64_t batch = largest_batch(description.models[index], workspace.plan().schedules[index]);
  return (batch + description.gpus_per_trial - 1) / description.gpus_per_trial;
}

PackProbe probe_of(const Workspace& workspace, std::size_t index) {
  PackProbe probe;
  probe.model = &workspace.model(index);
  probe.rows = workspace.trial_rows(0, workspace.plan().rows.back());
  probe.rows.resize(std::min<std::uint64_t>(probe.rows.size(), rows_at_once(workspace, index)));
  return probe;
}

/// Ends open ranges where `memory` does; one trial is always tried.
void keep_within(std::vector<PackRange>& ranges, double memory, const Workspace& workspace, std::size_t index,
                 const PackProbe& probe) {
  const engine::ModelSpec& model = workspace.model(index);
  if (!model.architecture->memory_per_trial) return;
  for (PackRange& range : ranges) {
    if (range.least == range.most) continue;
    engine::Execution execution = model.execution;
    execution.convolutions = range.convolutions;
    const double trials = std::max(0.0, memory) / model.architecture->memory_per_trial(
                                                      workspace.dataset(), probe.rows.size(), execution);
    range.most =
        std::clamp<std::uint32_t>(static_cast<std::uint32_t>(std::min(trials, 1e6)), range.least, range.most);
  }
}

/// All that the speed of a pack depends on, for the most part.
std::string key_of(const Workspace& workspace, std::size_t index, const PackProbe& probe,
                   const std::vector<PackRange>& ranges) {
  const ModelSection& model = workspace.description().models[index];
  std::string key = fmt::format("{} {} {} {} {}", model.architecture.value, model.precision, model.batchnorm,
                                workspace.dataset().width, probe.rows.size());
  for (const PackRange& range : ranges)
    key += fmt::format(" {} {}-{}", name_of(range.convolutions), range.least, range.most);
  return key;
}

InputError too_large(const Workspace& workspace, std::size_t index, const PackProbe& probe, const Gpu& gpu) {
  const ModelSection& model = workspace.description().models[index];
  const std::string prefix = "model '" + model.name + "': ";
  const std::string rows = std::to_string(probe.rows.size()) + " rows at a time";
  if (model.pack_size > 0)
    return {workspace.description().place("model." + model.name + ".pack_size"),
            prefix + std::to_string(model.pack_size) + " trials with " + rows +
                " do not fit into the memory of " + gpu.name +
                "; set a smaller pack_size, or 0 to have it measured"};
  return {workspace.description().place("model." + model.name + ".architecture"),
          prefix + "not even one trial with " + rows + " fits into the memory of " + gpu.name +
              "; set a smaller batch_size, or more gpus_per_trial"};
}

}  // namespace

std::uint64_t largest_batch(const ModelSection& model, const std::vector<experiment::Schedule>& schedules) {
  std::uint64_t largest = 1;
  for (const experiment::Schedule& schedule : schedules) {
    if (!model.batch_size) {
      largest = std::max(largest, schedule.rows);
      continue;
    }
    const std::uint64_t size = std::min(*model.batch_size, schedule.rows);
    // What is left over joins the last batch where it makes no batch of its own.
    const std::uint64_t last = schedule.rows - std::min(schedule.rows, (schedule.batches - 1) * size);
    largest = std::max({largest, size, last});
  }
  return largest;
}

double gpu_bytes_per_trial(const Workspace& workspace, std::size_t model) {
  const engine::ModelSpec& spec = workspace.model(model);
  if (!workspace.network(model) || !spec.architecture->memory_per_trial) return 0;
  return spec.architecture->memory_per_trial(workspace.dataset(), rows_at_once(workspace, model),
                                             spec.execution);
}

void settle_device(Description& description, const std::function<Machine()>& machine) {
  const auto needs_gpu = [](const ModelSection& model) {
    return model.precision != ModelSection{}.precision;
  };
  if (description.device != "cpu") {
    // A run of linear models only leaves GPUs, and the second that it takes to start them, to others.
    const bool used = std::ranges::any_of(description.models, is_network);
    const Machine here = used ? machine() : Machine{};
    if (used && here.gpus == 0) {
      const std::string where = "the machine of rank 0 has no GPU that LibTorch can use (" + here.why_none +
                                "); start it where there is one, or ";
      if (description.device == "cuda")
        throw InputError(description.place("experiment.device"),
                         "device is \"cuda\", but " + where + "say device = \"cpu\" in a new store");
      if (const auto model = std::ranges::find_if(description.models, needs_gpu);
          model != description.models.end())
        throw InputError(description.place("model." + model->name + ".precision"),
                         "model '" + model->name + "': precision \"" + model->precision +
                             "\" is for GPUs, and " + where + "remove the key");
    }
    if (description.device == "auto") description.device = here.gpus == 0 ? "cpu" : "cuda";
  }
  for (ModelSection& model : description.models)
    if (model.convolutions == "auto" && (description.device == "cpu" || !is_network(model)))
      model.convolutions = "grouped";
}

std::vector<std::string> settle_packs(Workspace& workspace, const Machine& machine, std::uint32_t workers,
                                      Measurements& known) {
  std::vector<std::string> notes;
  const Gpu gpu = gpu_of(machine, 0);
  const double sharers = std::ceil(static_cast<double>(workers) / static_cast<double>(machine.gpus));
  const double memory = share_of_free_memory * gpu.free_bytes / std::max(1.0, sharers) - bytes_of_libraries;
  workspace.place(gpu.device, true);
  // As workers do; cuBLAS reads some of it when it starts.
  engine::network::configure_torch(static_cast<int>(workspace.description().threads_per_worker));
  engine::network::configure_device(gpu.device, engine::Precision::float32);
  for (std::size_t i = 0; i < workspace.description().models.size(); ++i) {
    if (!workspace.network(i)) continue;
    const ModelSection model = workspace.description().models[i];
    auto ranges = ranges_of(workspace, i);
    if (const auto only = only_choice(ranges)) {
      workspace.settle(i, model.pack_size > 0 ? model.pack_size : only->width, only->convolutions);
      continue;
    }
    const PackProbe probe = probe_of(workspace, i);
    keep_within(ranges, memory, workspace, i, probe);
    auto [measured, fresh] = known.try_emplace(key_of(workspace, i, probe, ranges));
    if (fresh) {
      spdlog::info("model '{}': measuring on {} how to run its trials together", model.name, gpu.name);
      measured->second = measure(probe, ranges);
      machine.release_memory();
    }
    const auto chosen = choose(measured->second);
    if (!chosen) throw too_large(workspace, i, probe, gpu);
    const std::uint32_t width =
        model.pack_size > 0 ? model.pack_size : evened_out(chosen->width, workspace.description().n_trials);
    workspace.settle(i, width, chosen->convolutions);
    notes.push_back(fmt::format(
        "model '{}' on {}, {} rows at a time, {}; so pack_size is {}, convolutions {}", model.name, gpu.name,
        probe.rows.size(), describe(measured->second), width, name_of(chosen->convolutions)));
    spdlog::info("{}", notes.back());
  }
  return notes;
}

}  // namespace seldon::worker

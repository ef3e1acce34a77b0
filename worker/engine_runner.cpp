#include "worker/engine_runner.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include "core/sha256.h"
#include "core/wire.h"
#include "engine/model/kernels.h"
#include "engine/network/torch_setup.h"
#include "engine/tensor/device.h"
#include "experiment/config.h"
#include "worker/node_data.h"
#include "worker/pinning.h"
#include "worker/translate.h"

namespace seldon::worker {

namespace tensor = engine::tensor;

namespace {

/// Multiply-adds per second of one core, forward and backward, for estimates only (measured on a loaded 2025
/// server core: about 1e10 for linear models, 2e10 for the face CNN).
constexpr double work_per_second = 1.5e10;

using Indices = std::vector<std::vector<std::uint32_t>>;

struct Unpacked {
  table::Frame frame;
  Indices indices;
  std::string folder;
};

Unpacked unpack_data(std::span<const std::byte> data) {
  Reader sizes(data);
  const auto head = sizes.get<std::uint64_t>(), body = sizes.get<std::uint64_t>();
  constexpr std::size_t start = 2 * sizeof(std::uint64_t);
  if (start + head + body != data.size()) throw InternalError("the data from rank 0 have the wrong size");
  Reader reader(data.subspan(start, head));
  std::string folder = reader.get_string();
  Indices indices(reader.get<std::uint64_t>());
  for (auto& rows : indices) rows = reader.get_vector<std::uint32_t>();
  return {table::Frame::from_blob(nullptr, data.subspan(start + head, body)), std::move(indices),
          std::move(folder)};
}

/// "min(PR | [M], ...)  2 base nodes, 4 bounds" and a line per node.
std::string tree_lines(const engine::ConstraintSpec& constraint) {
  const engine::Constraint& tree = constraint.tree;
  std::ostringstream out;
  out << constraint.name << ": " << tree.canonical() << " <= 0, delta " << tree.delta() << ", "
      << name_of(constraint.bound) << ", " << (constraint.hard ? "hard" : "soft") << " decisions; "
      << tree.base_nodes().size() << " base nodes, " << tree.bound_count() << " one-sided bounds";
  for (const engine::BaseNode& node : tree.base_nodes()) {
    out << "\n  " << node.name << ":";
    if (node.needs_lower) out << " lower with delta " << node.delta_lower;
    if (node.needs_lower && node.needs_upper) out << ",";
    if (node.needs_upper) out << " upper with delta " << node.delta_upper;
  }
  return out.str();
}

ExperimentHeader header_of(const Workspace& workspace, const std::string& numbers,
                           const std::string& identity, const std::string& notes) {
  const experiment::Description& description = workspace.description();
  ExperimentHeader header;
  header.name = description.name;
  header.seed = description.seed;
  header.n_trials = description.n_trials;
  header.data_fracs = description.data_fracs;
  header.rows = workspace.plan().rows;
  header.total_rows = workspace.plan().total_rows;
  header.config = experiment::canonical_toml(description) + notes;
  header.identity = identity;
  header.numerics = numbers;
  header.packs = workspace.plan().packs;
  for (const engine::ConstraintSpec& c : workspace.model(0).problem.constraints) {
    const auto section =
        std::ranges::find(description.constraints, c.name, &experiment::ConstraintSection::name);
    header.constraints.push_back({c.name, section->expression.value, c.hard ? "hard" : "soft",
                                  std::string(name_of(c.bound)), c.tree.delta()});
  }
  for (std::size_t i = 0; i < description.models.size(); ++i)
    header.models.push_back(
        {description.models[i].name, description.models[i].kind, workspace.layout(i).shape()});
  return header;
}

/// Begins a line of the stored config that says what was measured.
constexpr std::string_view note_mark = "# measured: ";

std::string notes_in(const std::string& config) {
  std::string notes;
  std::istringstream lines(config);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(note_mark)) notes += line + "\n";
  return notes;
}

/// That share this node's GPUs, by what the launcher says. Rank 0 is none of them, unless it is alone.
std::uint32_t workers_here() {
  return std::max(1U, local_rank().count - 1);
}

/// What numbers depend on where networks run on GPUs.
std::string numerics_on(const Machine& machine) {
  nlohmann::json numbers = nlohmann::json::parse(numerics());
  numbers["accelerator"] = machine.name;
  numbers["accelerator_libraries"] = machine.libraries;
  return numbers.dump();
}

experiment::PlanFacts facts_of(const Workspace& workspace) {
  experiment::PlanFacts facts;
  facts.cost_per_second = work_per_second;
  std::set<std::string> used;
  for (std::size_t i = 0; i < workspace.description().models.size(); ++i) {
    facts.bytes_per_cell.push_back(workspace.layout(i).bytes());
    const engine::ModelSpec& model = workspace.model(i);
    facts.together.push_back(workspace.network(i));
    facts.networks.push_back(workspace.network(i));
    facts.workers.push_back(workspace.network(i) ? workspace.description().gpus_per_trial : 1);
    facts.gpu_bytes_per_trial.push_back(gpu_bytes_per_trial(workspace, i));
    if (!model.seldonian) continue;
    for (const engine::ConstraintSpec& constraint : model.problem.constraints) {
      const std::string line = "model " + model.name + ", constraint " + tree_lines(constraint);
      facts.constraint_lines.push_back(line);
      if (constraint.bound != engine::BoundKind::student_t) continue;  // the others hold at any size
      for (const engine::BaseNode& node : constraint.tree.base_nodes())
        used.insert(node.groups.begin(), node.groups.end());
    }
  }
  for (const engine::Group& group : workspace.dataset().groups)
    if (used.contains(group.name)) {
      const auto members =
          std::ranges::count_if(workspace.pool(), [&](std::uint32_t row) { return group.member[row] == 1; });
      facts.groups.push_back({group.name, static_cast<std::uint64_t>(members)});
    }
  return facts;
}

class EngineRunner final : public PackRunner {
 public:
  EngineRunner(const std::string& config, std::span<const std::byte> data, const WorkerPlace& place)
      : rank_(place.rank), host_(host_name()), groups_(place.groups) {
    Unpacked unpacked = unpack_data(data);
    experiment::Description description = experiment::parse_config(config, "the config sent by rank 0");
    description.folder = unpacked.folder;
    if (groups_ && description.gpus_per_trial > 1) groups_->check_available();
    workspace_ = std::make_unique<Workspace>(std::move(description), std::move(unpacked.frame),
                                             std::move(unpacked.indices));
    engine::network::tune_allocator();
    const std::uint32_t threads = workspace_->description().threads_per_worker;
    const bool on_gpu = workspace_->uses_gpu();
    // Before any thread is started that would not be bound; a GPU's worker is helped by threads of its
    // driver.
    if (!on_gpu) pin(local_rank(), threads, [](const char* name) { return std::getenv(name); });
    engine::network::configure_torch(static_cast<int>(threads));
    if (!on_gpu) return;
    const Machine machine = place.machine();
    const Gpu gpu = gpu_of(machine, place.index_on_node);
    workspace_->place(gpu.device, true);
    device_ = gpu.device;
    gpu_index_ = tensor::parse_device(gpu.device);
    gpu_ = gpu.device + " " + gpu.name;
  }

  void run(const Pack& pack, const Slots& slots, Progress& progress,
           const std::function<void(CellReport)>& report) override {
    const engine::ModelSpec& model = workspace_->model(pack.model);
    // The process may have run a pack of another experiment, on another device.
    engine::network::configure_device(device_, engine::Precision::float32);
    // Only where a result depends on the pack's width must the cells nobody asks for run again; rank 0
    // compares them with what it has. In place of a cell that must not be touched the first wanted one runs
    // once more, which nobody is told.
    const bool whole = model.architecture && model.architecture->network;
    const auto is_in = [](const std::vector<std::uint32_t>& some, std::uint32_t slot) {
      return std::ranges::find(some, slot) != some.end();
    };
    std::vector<engine::TrialTask> tasks;
    std::vector<bool> told;
    for (std::uint32_t slot = 0; slot < pack.width; ++slot) {
      if (!whole && !is_in(slots.wanted, slot)) continue;
      told.push_back(!is_in(slots.filled, slot));
      const std::uint32_t trial = pack.first_trial + (told.back() ? slot : slots.wanted.front());
      tasks.push_back({trial, workspace_->trial_rows(trial, workspace_->plan().rows[pack.fraction])});
    }
    const double fraction = workspace_->description().data_fracs[pack.fraction];
    const auto iterations = workspace_->plan().schedules[pack.model][pack.fraction].iterations;
    const double start =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    std::size_t next = 0;  // results come in the order of the tasks
    engine::run_trials(model, tasks, fraction, iterations, progress, [&](engine::TrialResult result) {
      if (told[next++]) report(to_report(pack, result.trial - pack.first_trial, result, fraction, start));
    });
  }

  void run_in_group(const Pack& pack, const Slots& slots, const RankGroup& group, Progress& progress,
                    const std::function<void(CellReport)>& report) override {
    if (!groups_) throw InternalError("a worker that knows no groups was asked to run a pack in one");
    Memory memory;
    if (gpu_index_ && workspace_->network(pack.model)) {
      memory.gpu = static_cast<int>(*gpu_index_);
      memory.stream = [index = *gpu_index_] { return tensor::current_stream(index); };
    }
    const auto collective = groups_->join(group, memory, progress);
    const Shared shared(*workspace_, collective.get());
    run(pack, slots, progress, report);
  }

  std::string describe(const Pack& pack) const override {
    return fmt::format("{} fraction {} {}", workspace_->model(pack.model).name,
                       workspace_->description().data_fracs[pack.fraction], trials_of(pack));
  }

 private:
  /// Lends the group to the models, for as long as it lives.
  class Shared {
   public:
    Shared(Workspace& workspace, Collective* collective) : workspace_(workspace) {
      workspace_.share(collective);
    }
    ~Shared() { workspace_.share(nullptr); }
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;

   private:
    Workspace& workspace_;
  };

  CellReport to_report(const Pack& pack, std::uint32_t slot, const engine::TrialResult& result,
                       double fraction, double start) const {
    CellReport out;
    out.key = pack.cell(slot);
    out.run.rank = rank_;
    out.run.width = pack.width;
    out.run.host = host_;
    out.run.device = workspace_->network(pack.model) && !gpu_.empty()
                         ? gpu_
                         : std::string("cpu ").append(engine::kernel_level());
    out.run.start = start;
    out.run.seconds_selection = result.seconds_selection;
    out.run.seconds_safety = result.seconds_safety;
    out.run.seconds_evaluation = result.seconds_evaluation;
    out.run.seconds_total = result.seconds_selection + result.seconds_safety + result.seconds_evaluation;
    if (result.error) {
      out.state = CellState::failed;
      out.run.message = *result.error;
      return out;
    }
    out.record = std::move(encode(result, workspace_->layout(pack.model), workspace_->model(pack.model).name,
                                  fraction))
                     .take_bytes();
    return out;
  }

  int rank_;
  std::string host_;
  CollectiveFactory* groups_;
  std::optional<std::size_t> gpu_index_;  ///< as CUDA counts
  std::string device_ = "cpu";            ///< of networks, as LibTorch writes it
  std::string gpu_;                       ///< "cuda:1 NVIDIA H100 80GB HBM3"; empty: none is used
  std::unique_ptr<Workspace> workspace_;
};

}  // namespace

Prepared prepare(const std::string& config_path, std::span<const std::string> overrides,
                 const PrepareOptions& options) {
  return prepare(experiment::load_config(config_path, overrides), options);
}

Prepared prepare(experiment::Description description, const PrepareOptions& options) {
  if (options.store) experiment::settle_as(description, options.store->identity);
  if (options.settle) settle_device(description, options.machine);
  Prepared prepared;
  const DataSet data = options.data ? options.data->of(description) : load_data_set(description);
  prepared.data = data.bytes;
  std::map<std::string, std::string> hashes = {{"data.hash", data.frame.content_hash()}};
  if (!data.indices.empty()) hashes["resample.indices.hash"] = data.indices_hash;
  hashes["numerics.threads_per_worker"] = std::to_string(description.threads_per_worker);
  Workspace workspace(std::move(description), data.frame, data.indices);
  std::string notes = options.store ? notes_in(options.store->config) : "";
  const bool on_gpu = options.settle && workspace.uses_gpu();
  const Machine machine = on_gpu ? options.machine() : Machine{};
  if (on_gpu) {
    Measurements mine;
    for (const std::string& line :
         settle_packs(workspace, machine, workers_here(), options.known ? *options.known : mine))
      notes.append(note_mark).append(line).append("\n");
  }
  prepared.accelerator = machine.name;
  prepared.description = workspace.description();
  prepared.header = header_of(workspace, on_gpu ? numerics_on(machine) : numerics(),
                              experiment::identity_json(prepared.description, hashes), notes);
  prepared.plan = workspace.plan();
  prepared.facts = facts_of(workspace);
  for (const Pack& pack : prepared.plan.packs)
    prepared.pack_costs.push_back(prepared.plan.cost(pack) / work_per_second);
  return prepared;
}

std::unique_ptr<PackRunner> make_runner(const std::string& config_text, std::span<const std::byte> data,
                                        const WorkerPlace& place) {
  return std::make_unique<EngineRunner>(config_text, data, place);
}

std::string numerics() {
  nlohmann::json numbers;
  numbers["processor"] = engine::kernel_level();
  numbers["libtorch"] = engine::network::torch_numerics();
  return numbers.dump();
}

}  // namespace seldon::worker

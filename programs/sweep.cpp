#include "programs/sweep.h"

#include <algorithm>
#include <iomanip>
#include <memory>
#include <numeric>
#include <ostream>
#include <sstream>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include "experiment/sweep.h"
#include "programs/experiment.h"
#include "store/sweep_folder.h"

namespace seldon::programs {
namespace {

/// What the experiments of a sweep share while they are prepared.
struct Shared {
  std::vector<std::string> overrides;
  worker::DataSets data;
  worker::Measurements measurements;
};

worker::PrepareOptions with(worker::PrepareOptions options, Shared& shared) {
  options.data = &shared.data;
  options.known = &shared.measurements;
  return options;
}

/// Threads are the process's: one that runs packs of several experiments has one number of them. None where
/// no config can be read.
std::optional<std::uint32_t> common_threads(const experiment::Sweep& sweep,
                                            std::span<const std::string> overrides) {
  std::optional<std::uint32_t> threads;
  std::string first;
  for (const experiment::SweepMember& member : sweep.members) {
    std::uint32_t own = 0;
    try {
      own = experiment::load_member(member, overrides).threads_per_worker;
    } catch (const Error&) {
      continue;  // told when it is prepared
    }
    if (!threads) first = member.name;
    if (threads.value_or(own) != own)
      throw InputError(Location{sweep.path, 0},
                       "experiment.threads_per_worker is " + std::to_string(*threads) + " for " + first +
                           " and " + std::to_string(own) + " for " + member.name +
                           "; workers that run all experiments need one number: set it with --set "
                           "experiment.threads_per_worker=N, or cut the sweep into two");
    threads = own;
  }
  return threads;
}

Experiment prepare_member(const experiment::SweepMember& member, Shared& shared,
                          const std::string& store_path) {
  const bool begun = store::name_taken(store_path);
  if (begun) require_file(member.config);
  experiment::Description description = experiment::load_member(member, shared.overrides);
  if (begun) require_data(description);
  return to_experiment(programs::prepare(std::move(description), with(settle_for(store_path), shared)));
}

// ---- seldon check -----------------------------------------------------------------------------------------

std::string in_time(double seconds) {
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1e3);
  if (seconds < 120) return fmt::format("{:.1f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

std::string in_bytes(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (value < 1e7) return fmt::format("{:.0f} kB", value / 1e3);
  if (value < 1e10) return fmt::format("{:.0f} MB", value / 1e6);
  return fmt::format("{:.1f} GB", value / 1e9);
}

struct Cost {
  std::uint64_t cells = 0, packs = 0, bytes = 0;
  double seconds = 0;
  Cost& operator+=(const Cost& other) {
    cells += other.cells;
    packs += other.packs;
    bytes += other.bytes;
    seconds += other.seconds;
    return *this;
  }
};

Cost cost_of(const worker::Prepared& prepared) {
  return {prepared.plan.cells, prepared.plan.packs.size(), prepared.facts.store_bytes,
          std::accumulate(prepared.pack_costs.begin(), prepared.pack_costs.end(), 0.0)};
}

void print_row(std::ostream& out, std::size_t width, const std::string& name, const Cost& cost) {
  out << fmt::format("  {:<{}}  {:>9}  {:>7}  {:>8}  {:>8}\n", name, width, cost.cells, cost.packs,
                     in_time(cost.seconds), in_bytes(cost.bytes));
}

}  // namespace

void require_single(const std::string& store) {
  if (store::is_folder(store))
    throw InputError("--store " + store +
                     " is a folder, which is for sweeps, and the config is of one experiment; name a file, "
                     "as in " +
                     (store.ends_with('/') ? store : store + "/") + "NAME.h5");
}

std::optional<SweepPlan> plan_sweep(const std::string& config, const std::string& store,
                                    std::span<const std::string> overrides) {
  const bool begun = store::name_taken(store::is_folder(store) ? store::sweep_base(store) + ".json" : store);
  if (begun) require_file(config);
  if (!experiment::is_sweep(config)) {
    require_single(store);
    return std::nullopt;
  }
  const experiment::Sweep sweep = experiment::load_sweep(config, overrides);
  common_threads(sweep, overrides);
  const auto shared = std::make_shared<Shared>();
  shared->overrides.assign(overrides.begin(), overrides.end());
  SweepPlan plan{config, sweep.keys, {}};
  for (const experiment::SweepMember& member : sweep.members)
    plan.entries.push_back(
        {member.name, member.config, member.values, [member, shared](const std::string& store_path) {
           return prepare_member(member, *shared, store_path);
         }});
  return plan;
}

std::uint32_t check_sweep(const std::string& config, std::span<const std::string> overrides,
                          std::ostream& out) {
  const experiment::Sweep sweep = experiment::load_sweep(config, overrides);
  const auto threads = common_threads(sweep, overrides);
  Shared shared;
  std::size_t width = 10, bad = 0;
  for (const auto& member : sweep.members) width = std::max(width, member.name.size());
  out << "Sweep of " << sweep.members.size() << " experiments";
  for (std::size_t i = 0; i < sweep.keys.size(); ++i) out << (i == 0 ? " over " : ", ") << sweep.keys[i];
  out << "\n"
      << fmt::format("  {:<{}}  {:>9}  {:>7}  {:>8}  {:>8}\n", "experiment", width, "cells", "packs", "time*",
                     "store");
  Cost all;
  std::string troubles;
  for (const auto& member : sweep.members) {
    try {
      const Cost cost =
          cost_of(programs::prepare(experiment::load_member(member, overrides), with({}, shared)));
      print_row(out, width, member.name, cost);
      all += cost;
    } catch (const InputError& error) {
      out << fmt::format("  {:<{}}  cannot run, see below\n", member.name, width);
      troubles.append("\n  ").append(member.name).append(": ").append(error.what());
      ++bad;
    }
  }
  print_row(out, width, "in all", all);
  out << "* estimated, one worker\n";
  if (bad > 0)
    throw InputError(std::to_string(bad) + " of " + std::to_string(sweep.members.size()) +
                     " experiments cannot run:" + troubles);
  return threads.value_or(1);
}

}  // namespace seldon::programs

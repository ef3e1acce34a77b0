#include "programs/simulate.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <optional>
#include <ostream>
#include <utility>

#include <spdlog/spdlog.h>

#include "orchestrator/simulation.h"
#include "programs/duration.h"

namespace seldon::programs {
namespace {

using orchestrator::CellGrid;
using orchestrator::ClusterOptions;
using orchestrator::Draws;
using orchestrator::JobOptions;
using orchestrator::never;
using orchestrator::SimulatedWork;
using orchestrator::SimulationReport;

// ---- what was typed ---------------------------------------------------------------------------------------

[[noreturn]] void refuse(const char* option, const std::string& text, const char* wanted) {
  throw InputError(std::string("command line: ").append(option) + " " + text + ": " + wanted);
}

double duration(const char* option, const std::string& text) {
  const auto seconds = parse_duration(text);
  if (!seconds) refuse(option, text, "expected a time such as 90s, 30m, 12h or 2d");
  return *seconds;
}

double duration_or(const char* option, const std::string& text, double otherwise) {
  return text.empty() ? otherwise : duration(option, text);
}

std::optional<double> number(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

double share(const char* option, const std::string& text) {
  const auto value = number(text);
  if (!value || *value < 0 || *value > 1)
    refuse(option, text, "expected a share between 0 and 1, such as 0.02");
  return *value;
}

/// "A:B"; nothing after a colon that is not there.
std::pair<std::string, std::string> halves(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos) return {text, ""};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

void read_stragglers(const std::string& text, ClusterOptions& cluster) {
  if (text.empty()) return;
  const auto [part, factor] = halves(text);
  cluster.straggler_share = share("--stragglers", part);
  const auto times = number(factor);
  if (!times || *times < 1)
    refuse("--stragglers", text, "expected SHARE:FACTOR, such as 0.02:3; the factor is at least 1");
  cluster.straggler_factor = *times;
}

ClusterOptions cluster_options(const SimulateRequest& request) {
  ClusterOptions cluster;
  if (request.workers < 1) refuse("--workers", std::to_string(request.workers), "a cluster has at least one");
  if (request.workers_per_node < 1)
    refuse("--workers-per-node", std::to_string(request.workers_per_node), "a node has at least one");
  if (!(request.failures >= 0 && request.failures <= 1))
    refuse("--failures", std::to_string(request.failures), "expected a share between 0 and 1");
  cluster.workers = request.workers;
  cluster.workers_per_node = request.workers_per_node;
  cluster.mtbf = duration_or("--mtbf", request.mtbf, never);
  cluster.node_mtbf = duration_or("--node-mtbf", request.node_mtbf, never);
  cluster.survives_deaths = !request.no_ulfm;
  cluster.survives_node_losses = request.survive_node_losses;
  if (!request.hangs.empty()) {
    const auto [every, length] = halves(request.hangs);
    cluster.hang_every = duration("--hangs", every);
    cluster.hang_seconds = duration_or("--hangs", length, cluster.hang_seconds);
  }
  read_stragglers(request.stragglers, cluster);
  if (!request.late.empty()) {
    const auto [part, seconds] = halves(request.late);
    cluster.late_share = share("--late", part);
    cluster.late_seconds = duration("--late", seconds);
  }
  cluster.bad_nodes = request.bad_nodes;
  cluster.failures = request.failures;
  cluster.killers = request.killers;
  cluster.seed = request.seed;
  return cluster;
}

JobOptions job_options(const SimulateRequest& request) {
  JobOptions jobs;
  jobs.seconds = duration_or("--time", request.time, never);
  jobs.grace_seconds = duration("--grace", request.grace);
  if (!(jobs.seconds > jobs.grace_seconds))
    refuse("--time", request.time, "a job has to last longer than its --grace");
  jobs.preempted_every = duration_or("--preempt", request.preempt, never);
  jobs.queue_seconds = duration("--queue", request.queue);
  jobs.restarts = request.restarts;
  return jobs;
}

bool any_faults(const ClusterOptions& cluster, const JobOptions& jobs) {
  return cluster.mtbf < never || cluster.node_mtbf < never || cluster.hang_every < never ||
         cluster.late_share > 0 || cluster.bad_nodes > 0 || cluster.failures > 0 || cluster.killers > 0 ||
         jobs.seconds < never || jobs.preempted_every < never;
}

/// The same machine without what goes wrong on it. Stragglers stay: they are the machine.
ClusterOptions faultless(const ClusterOptions& cluster) {
  ClusterOptions quiet;
  quiet.workers = cluster.workers;
  quiet.workers_per_node = cluster.workers_per_node;
  quiet.straggler_share = cluster.straggler_share;
  quiet.straggler_factor = cluster.straggler_factor;
  quiet.seed = cluster.seed;
  return quiet;
}

// ---- the work ---------------------------------------------------------------------------------------------

/// [CellGrid::index] what each cell took in a finished store; a trial that is not there takes what another
/// one of its model and fraction took.
std::vector<double> measured_seconds(const std::string& path, const store::Header& header,
                                     const CellGrid& grid, std::uint64_t seed) {
  const store::Reader reader(path);
  const store::Header& held = reader.header();
  std::vector<double> seconds(grid.size());
  for (std::uint32_t model = 0; model < grid.models(); ++model) {
    const std::string& name = header.models[model].name;
    const auto found = std::ranges::find(held.models, name, &store::ModelHeader::name);
    if (found == held.models.end())
      throw InputError("'" + path + "' has no model " + name + "; simulate from a store of this experiment");
    const auto held_model = static_cast<std::uint32_t>(found - held.models.begin());
    const auto states = reader.states(held_model);
    const auto runs = reader.runs(held_model);
    for (std::uint32_t fraction = 0; fraction < grid.fractions(); ++fraction) {
      const auto at =
          std::ranges::find(held.data_fracs, header.data_fracs[fraction]) - held.data_fracs.begin();
      std::vector<double> known;
      if (static_cast<std::size_t>(at) < held.data_fracs.size())
        for (std::size_t i = 0; i < held.n_trials; ++i)
          if (const std::size_t cell = static_cast<std::size_t>(at) * held.n_trials + i;
              states[cell] == CellState::done)
            known.push_back(runs[cell].seconds_total);
      if (known.empty())
        throw InputError("'" + path + "' has no finished cell of model " + name + " at data fraction " +
                         std::to_string(header.data_fracs[fraction]) +
                         "; simulate from a store that has, or without --store");
      Draws draws(seed + fraction);
      for (std::uint32_t trial = 0; trial < grid.trials(); ++trial)
        seconds[grid.index({0, model, fraction, trial})] =
            known[trial < known.size() ? trial : draws.bits() % known.size()];
    }
  }
  return seconds;
}

SimulatedWork work_of(const SimulateRequest& request) {
  SimulatedWork work;
  work.packs = request.header.packs;
  work.costs = request.pack_costs;
  for (const store::ModelHeader& model : request.header.models) {
    work.models.push_back(model.name);
    work.seldonian.push_back(model.kind == "seldonian");
  }
  work.together = request.together;
  work.together.resize(work.models.size());

  const CellGrid grid(work.packs);
  if (!request.store.empty()) {
    work.seconds = measured_seconds(request.store, request.header, grid, request.seed);
    return work;
  }
  if (!(request.spread >= 0 && request.spread <= 3) || !(request.misjudged >= 0 && request.misjudged <= 3))
    throw InputError("command line: --spread and --misjudged lie between 0 and 3");
  if (!request.cell_time.empty()) {
    double sum = 0, cells = 0;
    for (std::size_t i = 0; i < work.packs.size(); ++i) {
      sum += work.costs[i];
      cells += work.packs[i].width;
    }
    const double scale = duration("--cell-time", request.cell_time) * cells / sum;
    for (double& cost : work.costs) cost *= scale;
  }
  work.seconds = orchestrator::spread_seconds(work.packs, work.costs, request.spread, request.seed);
  const std::size_t cells_of_model = grid.size() / grid.models();
  for (std::size_t model = 0; model < grid.models(); ++model) {
    Draws draws(request.seed * 1000 + model);
    const double factor = std::exp(request.misjudged * draws.normal());
    for (std::size_t i = 0; i < cells_of_model; ++i) work.seconds[model * cells_of_model + i] *= factor;
  }
  return work;
}

// ---- what is printed --------------------------------------------------------------------------------------

std::string text(double value, const char* format) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

std::string time_text(double seconds) {
  if (seconds < 1e-3) return text(seconds * 1e6, "%.0f us");
  if (seconds < 1) return text(seconds * 1e3, "%.0f ms");
  if (seconds < 120) return text(seconds, "%.1f s");
  if (seconds < 7200) return text(seconds / 60, "%.1f min");
  if (seconds < 48 * 3600) return text(seconds / 3600, "%.2f h");
  return text(seconds / 86400, "%.1f days");
}

std::string worker_time(double seconds) {
  return text(seconds / 3600, seconds < 360000 ? "%.1f worker-h" : "%.0f worker-h");
}

std::string percent(double share) {
  return text(100 * share, "%.1f %%");
}

std::string count(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(static_cast<std::size_t>(i), 1, ',');
  return digits;
}

/// Rows of a name and numbers, the numbers flush right.
class Columns {
 public:
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  void print(std::ostream& out) const {
    std::vector<std::size_t> widths;
    for (const auto& row : rows_) {
      widths.resize(std::max(widths.size(), row.size()));
      for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    for (const auto& row : rows_) {
      std::string line = row[0] + std::string(widths[0] - row[0].size(), ' ');
      for (std::size_t i = 1; i < row.size(); ++i)
        line.append(3 + widths[i] - row[i].size(), ' ').append(row[i]);
      out << line.substr(0, line.find_last_not_of(' ') + 1) << "\n";
    }
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string faults_text(const ClusterOptions& cluster, const JobOptions& jobs) {
  std::vector<std::string> parts;
  if (cluster.mtbf < never) parts.push_back("a worker dies every " + time_text(cluster.mtbf));
  if (cluster.mtbf < never && !cluster.survives_deaths) parts.back() += " and takes the job along";
  if (cluster.node_mtbf < never) parts.push_back("a node is lost every " + time_text(cluster.node_mtbf));
  if (cluster.node_mtbf < never && !cluster.survives_node_losses) parts.back() += " and takes the job along";
  if (cluster.hang_every < never)
    parts.push_back("a worker hangs every " + time_text(cluster.hang_every) + " for " +
                    time_text(cluster.hang_seconds) + ", one time in four for ever");
  if (cluster.late_share > 0)
    parts.push_back(percent(cluster.late_share) + " of the workers come up to " +
                    time_text(cluster.late_seconds) + " late");
  if (cluster.bad_nodes > 0)
    parts.push_back("every cell fails on " + std::to_string(cluster.bad_nodes) + " nodes");
  if (cluster.failures > 0) parts.push_back(percent(cluster.failures) + " of the tries fail");
  if (cluster.killers > 0) parts.push_back(std::to_string(cluster.killers) + " cells kill whoever runs them");
  if (jobs.preempted_every < never)
    parts.push_back("a job is preempted after " + time_text(jobs.preempted_every));
  if (jobs.seconds < never) parts.push_back("a job ends after " + time_text(jobs.seconds));
  if (jobs.seconds < never || jobs.preempted_every < never)
    parts.back() += ", " + time_text(jobs.queue_seconds) + " in the queue before the next";
  std::string all;
  for (const std::string& part : parts) all += (all.empty() ? "" : ";\n            ") + part;
  return all;
}

/// Where the cells' times come from.
std::string source_of(const SimulateRequest& request) {
  if (!request.store.empty()) return "as measured in " + request.store;
  return request.cell_time.empty() ? "by the plan's estimate" : "in the proportions of the plan";
}

void print_setting(const SimulateRequest& request, const SimulatedWork& work, const ClusterOptions& cluster,
                   const JobOptions& jobs, const orchestrator::Ideal& ideal, std::ostream& out) {
  const store::Header& header = request.header;
  const CellGrid grid(work.packs);
  const auto [least, most] = std::ranges::minmax(work.seconds);
  const std::size_t cells = grid.size();
  out << "Experiment  " << header.name << ": " << count(cells) << " cells (" << grid.models() << " models x "
      << grid.fractions() << " data fractions x " << count(grid.trials()) << " trials) in "
      << count(work.packs.size()) << " packs\n";
  out << "Work        " << worker_time(ideal.work) << ", " << source_of(request) << "; a cell takes "
      << time_text(ideal.work / static_cast<double>(cells)) << " (" << time_text(least) << " to "
      << time_text(most) << "), the longest pack " << time_text(ideal.longest_pack) << "\n";
  out << "Workers     " << count(static_cast<std::uint64_t>(cluster.workers));
  if (cluster.workers_per_node > 1) out << ", " << cluster.workers_per_node << " on each node";
  if (cluster.straggler_share > 0)
    out << "; " << percent(cluster.straggler_share) << " of them take "
        << text(cluster.straggler_factor, "%g") << " times longer";
  out << "\n";
  if (const std::string faults = faults_text(cluster, jobs); !faults.empty())
    out << "Faults      " << faults << "\n";
  out << "\n";
}

using Value = std::string (*)(const SimulationReport&);

void print_results(const std::vector<SimulationReport>& reports, const orchestrator::Ideal& ideal,
                   double chunks, std::ostream& out) {
  Columns table;
  std::vector<std::string> head = {"", "no faults"};
  if (reports.size() > 1) head.push_back("with faults");
  head.push_back("static chunks");
  table.row(head);
  const auto row = [&](const char* name, auto value, const std::string& of_chunks = "") {
    std::vector<std::string> cells = {name};
    for (const SimulationReport& report : reports) cells.push_back(value(report));
    cells.push_back(of_chunks);
    table.row(std::move(cells));
  };
  const double best = ideal.makespan();
  row(
      "makespan", [](const auto& r) { return time_text(r.makespan); }, time_text(chunks));
  row("  of which between jobs", [](const auto& r) { return r.queued > 0 ? time_text(r.queued) : "-"; });
  row(
      "ideal: work by workers", [&](const auto&) { return time_text(ideal.by_work); },
      time_text(ideal.by_work));
  row("ideal: the longest pack", [&](const auto&) { return time_text(ideal.longest_pack); });
  row(
      "of the ideal", [&](const auto& r) { return percent(best / r.makespan); }, percent(best / chunks));
  row("chunks take so many times longer", [&](const auto& r) { return text(chunks / r.makespan, "%.2f"); });
  row("utilisation of living workers", [](const auto& r) { return percent(r.utilisation()); });
  row("lost work", [](const auto& r) { return worker_time(r.lost()); });
  row("lost work, of all", [](const auto& r) { return percent(r.lost() / (r.lost() + r.useful)); });
  row("jobs", [](const auto& r) { return count(r.jobs); });
  row("  preempted", [](const auto& r) { return count(r.preemptions); });
  row("  ended by a death", [](const auto& r) { return count(r.broken_jobs); });
  row("workers' deaths", [](const auto& r) { return count(r.cluster.deaths); });
  row("nodes lost", [](const auto& r) { return count(r.cluster.node_losses); });
  row("hangs", [](const auto& r) { return count(r.cluster.hangs); });
  row("cells DONE", [](const auto& r) { return count(r.done); });
  row("cells FAILED", [](const auto& r) { return count(r.failed); });
  row("cells left", [](const auto& r) { return count(r.cells - r.done - r.failed); });
  row("leases of cells", [](const auto& r) { return count(r.leases); });
  row("  of them retries", [](const auto& r) { return count(r.retries); });
  row("tries that failed", [](const auto& r) { return count(r.failed_tries); });
  row("late answers, rejected", [](const auto& r) { return count(r.late); });
  row("messages handled", [](const auto& r) { return count(r.cluster.messages); });
  row("  of them heartbeats", [](const auto& r) { return count(r.cluster.heartbeats); });
  row("rank 0 is busy", [](const auto& r) { return percent(r.cluster.busy / (r.makespan - r.queued)); });
  table.print(out);
}

/// Warnings of thousands of simulated faults help nobody.
class Quiet {
 public:
  Quiet() : before_(spdlog::get_level()) { spdlog::set_level(spdlog::level::off); }
  ~Quiet() { spdlog::set_level(before_); }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  spdlog::level::level_enum before_;
};

double processor_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

}  // namespace

ExitCode simulate(const SimulateRequest& request, std::ostream& out) {
  const ClusterOptions cluster = cluster_options(request);
  const JobOptions jobs = job_options(request);
  const SimulatedWork work = work_of(request);
  const auto ideal = orchestrator::ideal(work, cluster);
  print_setting(request, work, cluster, jobs, ideal, out);

  const Quiet quiet;
  const double begin = processor_seconds();
  std::vector<SimulationReport> reports = {
      orchestrator::simulate(work, faultless(cluster), {}, request.limits)};
  const double between = processor_seconds();
  if (any_faults(cluster, jobs))
    reports.push_back(orchestrator::simulate(work, cluster, jobs, request.limits));
  const double end = processor_seconds();
  print_results(reports, ideal, orchestrator::static_chunks_makespan(work, cluster), out);

  out << "\nStatic chunks: the Python toolkit's scheduling on the same cells and workers, without faults, "
         "which "
         "it does not survive.\n";
  out << "No cell was lost or recorded twice, and no late answer was recorded: every record was checked.\n";
  out << "The simulation took " << time_text(between - begin) << " of one core without faults";
  if (reports.size() > 1) out << " and " << time_text(end - between) << " with them";
  out << "; seed " << request.seed << ".\n";
  const SimulationReport& last = reports.back();
  if (last.complete) return ExitCode::complete;
  out << "The experiment is left incomplete: " << last.why_not << ".\n";
  return ExitCode::incomplete;
}

}  // namespace seldon::programs

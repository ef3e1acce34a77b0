#include "orchestrator/simulation.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <queue>
#include <utility>

namespace seldon::orchestrator {

namespace {

constexpr double seconds_between_glances = 1;  // at deadlines, where no event comes first
constexpr double longest_silence = 7 * 86400;  // an orchestrator that waits longer for nothing waits for ever

/// How one job went.
struct Job {
  double ended = 0;
  bool preempted = false, broken = false;
  std::string why_idle;
  std::optional<std::string> hopeless;
};

class Simulation {
 public:
  Simulation(const SimulatedWork& work, const ClusterOptions& cluster, const JobOptions& jobs, Limits limits,
             const Tamper& tamper)
      : work_(work),
        options_(cluster),
        jobs_(jobs),
        limits_(limits),
        grid_(work.packs),
        store_(grid_, work.together),
        tampered_(tamper ? tamper(store_) : nullptr),
        draws_(cluster.seed ^ 0x5eed) {
    limits_.fault_tolerant = cluster.survives_deaths;
  }

  SimulationReport run();

 private:
  Job run_job(double start);
  Plan plan() const;
  Supply supply() const;
  void add(const SimulatedCluster::Counts& counts);
  void conclude();

  const SimulatedWork& work_;
  const ClusterOptions& options_;
  const JobOptions& jobs_;
  Limits limits_;
  CellGrid grid_;
  SimulatedStore store_;
  std::unique_ptr<RecordSink> tampered_;
  Draws draws_;
  SimulationReport report_;
};

Plan Simulation::plan() const {
  Plan plan;
  plan.packs = work_.packs;
  plan.costs = work_.costs;
  plan.experiments.resize(grid_.experiments());
  for (std::uint32_t number = 0; number < grid_.experiments(); ++number) {
    ExperimentPlan& experiment = plan.experiments[number];
    experiment.name = "experiment " + std::to_string(number);
    for (std::uint32_t model = 0; model < grid_.models(number); ++model) {
      experiment.models.push_back(work_.models[grid_.model(number, model)]);
      experiment.together.push_back(work_.together[grid_.model(number, model)]);
      if (!work_.ranks.empty()) experiment.ranks.push_back(work_.ranks[grid_.model(number, model)]);
    }
    experiment.known_seconds = store_.known_seconds(number);
    experiment.start = [this](CellKey key) { return store_.start(key); };
  }
  return plan;
}

Supply Simulation::supply() const {
  Supply supply;
  supply.version = "1";
  supply.node = "rank 0";
  supply.experiments.resize(grid_.experiments());
  for (std::size_t number = 0; number < work_.data_keys.size(); ++number)
    supply.experiments[number].data_key = work_.data_keys[number];
  return supply;
}

Job Simulation::run_job(double start) {
  ++report_.jobs;
  store_.start_job();
  const double limit = start + jobs_.seconds, preemption = start + draws_.exponential(jobs_.preempted_every);
  const bool preempted = preemption < limit;
  const double end = std::min(limit, preemption);
  if (limit < never) limits_.ends_at = limit;

  SimulatedCluster cluster(work_, grid_, options_, store_, start, report_.jobs);
  RecordSink& sink = tampered_ ? *tampered_ : store_;
  Orchestrator orchestrator(plan(), supply(), limits_, cluster, sink, [&] { return cluster.time(); });

  bool told = false;
  double last_event = start;
  Job job;
  while (!orchestrator.finished() && !cluster.broken() && cluster.time() < end) {
    if (orchestrator.turn() && cluster.due()) continue;
    const double next = cluster.next_event();
    if (next < never) last_event = next;
    if (cluster.time() - last_event > longest_silence)
      throw InternalError("the orchestrator waits although nothing will ever come: " +
                          orchestrator.why_idle());
    cluster.advance(std::min(seconds_between_glances, end - cluster.time()));
    if (!told && cluster.time() >= end - jobs_.grace_seconds) {
      told = true;
      orchestrator.drain(0.9 * jobs_.grace_seconds);
    }
  }
  job.ended = cluster.time();
  job.broken = cluster.broken();
  job.preempted = preempted && (told || job.ended >= end);
  job.why_idle = orchestrator.why_idle();
  job.hopeless = orchestrator.hopeless();
  cluster.end();
  add(cluster.counts());
  report_.late += orchestrator.snapshot().late;
  return job;
}

SimulationReport Simulation::run() {
  double start = 0;
  std::uint32_t idle_jobs = 0;
  while (true) {
    const std::uint64_t before = store_.progress();
    const Job job = run_job(start);
    report_.makespan = job.ended;
    report_.preemptions += job.preempted;
    report_.broken_jobs += job.broken;
    conclude();
    if (report_.complete) break;
    idle_jobs = store_.progress() == before ? idle_jobs + 1 : 0;
    if (idle_jobs == jobs_.idle_jobs) {
      report_.why_not = std::to_string(idle_jobs) + " jobs in a row recorded no cell";
      break;
    }
    if (job.hopeless) {
      report_.why_not = *job.hopeless;
      break;
    }
    if (report_.jobs > jobs_.restarts) {
      report_.why_not = "no restart is left";
      if (!job.why_idle.empty()) report_.why_not += "; " + job.why_idle;
      break;
    }
    start = job.ended + jobs_.queue_seconds;
    report_.queued += jobs_.queue_seconds;
  }
  return report_;
}

void Simulation::add(const SimulatedCluster::Counts& counts) {
  SimulatedCluster::Counts& sum = report_.cluster;
  sum.messages += counts.messages;
  sum.heartbeats += counts.heartbeats;
  sum.assigned += counts.assigned;
  sum.deaths += counts.deaths;
  sum.node_losses += counts.node_losses;
  sum.hangs += counts.hangs;
  sum.groups += counts.groups;
  sum.groups_of_a_node += counts.groups_of_a_node;
  sum.set_ups += counts.set_ups;
  sum.data += counts.data;
  sum.short_of_work += counts.short_of_work;
  sum.alive += counts.alive;
  sum.computed += counts.computed;
  sum.busy += counts.busy;
}

void Simulation::conclude() {
  report_.cells = report_.done = report_.failed = 0;
  bool open = false;
  for (const Pack& pack : work_.packs)
    for (std::uint32_t slot = 0; slot < pack.width; ++slot) {
      // A FAILED cell with tries left is taken up again by the next job.
      const CellStart cell = store_.start(pack.cell(slot));
      const bool failed = cell.state == CellState::failed &&
                          (cell.failures >= limits_.max_tries || cell.suspicion.deaths >= limits_.max_deaths);
      ++report_.cells;
      report_.done += cell.state == CellState::done;
      report_.failed += failed;
      open = open || (cell.state != CellState::done && !failed);
    }
  if (report_.done != store_.done()) throw InternalError("the store lost a cell");
  report_.complete = !open;
  report_.useful = store_.useful();
  report_.leases = store_.leases();
  report_.retries = store_.retries();
  report_.repeats = store_.repeats();
  report_.failed_tries = store_.failures();
}

/// Hands items to whoever is free first; the workers' speeds differ.
class Pool {
 public:
  Pool(std::vector<double> factors, double start) : factors_(std::move(factors)) {
    for (std::size_t i = 0; i < factors_.size(); ++i) free_.push({start, i});
  }
  void run(double seconds) {
    auto [time, who] = free_.top();
    free_.pop();
    time += factors_[who] * seconds;
    last_ = std::max(last_, time);
    free_.push({time, who});
  }
  double last() const { return last_; }

 private:
  std::vector<double> factors_;
  std::priority_queue<std::pair<double, std::size_t>, std::vector<std::pair<double, std::size_t>>,
                      std::greater<>>
      free_;
  double last_ = 0;
};

void check(const SimulatedWork& work, const ClusterOptions& cluster, const JobOptions& jobs) {
  const CellGrid grid(work.packs);
  if (work.packs.empty() || work.costs.size() != work.packs.size() || work.seconds.size() != grid.size() ||
      work.models.size() < grid.all_models() || work.together.size() != work.models.size() ||
      work.seldonian.size() != work.models.size() ||
      (!work.ranks.empty() && work.ranks.size() != work.models.size()))
    throw InternalError("the simulated work contradicts itself");
  if (cluster.workers < 1 || cluster.workers_per_node < 1)
    throw InputError("a simulated cluster needs at least one worker, and one on each node");
  if (!(jobs.seconds > jobs.grace_seconds))
    throw InputError("a job's time has to be longer than its grace time");
}

}  // namespace

SimulationReport simulate(const SimulatedWork& work, const ClusterOptions& cluster, const JobOptions& jobs,
                          Limits limits, const Tamper& tamper) {
  check(work, cluster, jobs);
  return Simulation(work, cluster, jobs, limits, tamper).run();
}

std::vector<double> spread_seconds(std::span<const Pack> packs, std::span<const double> costs, double spread,
                                   std::uint64_t seed) {
  const CellGrid grid(packs);
  std::vector<double> seconds(grid.size());
  for (std::size_t i = 0; i < packs.size(); ++i)
    for (std::uint32_t slot = 0; slot < packs[i].width; ++slot) {
      const std::size_t cell = grid.index(packs[i].cell(slot));
      Draws draws(seed + cell * 0x2545f4914f6cdd1dULL);
      seconds[cell] = costs[i] / packs[i].width * std::exp(spread * draws.normal() - spread * spread / 2);
    }
  return seconds;
}

Ideal ideal(const SimulatedWork& work, const ClusterOptions& cluster) {
  const CellGrid grid(work.packs);
  Ideal ideal;
  for (const Pack& pack : work.packs) {
    double seconds = 0;
    for (std::uint32_t slot = 0; slot < pack.width; ++slot)
      seconds += work.seconds[grid.index(pack.cell(slot))];
    const std::uint32_t model = grid.model(pack.experiment, pack.model);
    ideal.work += seconds * (model < work.ranks.size() ? work.ranks[model] : 1);
    ideal.longest_pack = std::max(ideal.longest_pack, seconds);
  }
  double speed = 0;
  for (const double factor : worker_factors(cluster)) speed += 1 / factor;
  ideal.by_work = ideal.work / speed;
  return ideal;
}

double static_chunks_makespan(const SimulatedWork& work, const ClusterOptions& cluster) {
  const CellGrid grid(work.packs);
  const auto workers = static_cast<std::size_t>(cluster.workers);
  const std::size_t trials = std::size_t{grid.fractions()} * grid.trials();
  double end = 0;
  for (std::uint32_t model = 0; model < grid.models(); ++model) {
    const std::size_t chunk = work.seldonian[model] ? std::max<std::size_t>(1, trials / workers) : 1;
    Pool pool(worker_factors(cluster), end);
    for (std::size_t first = 0; first < trials; first += chunk) {
      double seconds = 0;
      for (std::size_t i = first; i < std::min(trials, first + chunk); ++i)
        seconds += work.seconds[model * trials + i];
      pool.run(seconds);
    }
    end = pool.last();
  }
  return end;
}

}  // namespace seldon::orchestrator

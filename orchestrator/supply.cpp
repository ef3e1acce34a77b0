// What workers have to know of an experiment before they can run its packs, and experiments that end early.

#include <algorithm>

#include <spdlog/spdlog.h>

#include "core/error.h"
#include "orchestrator/orchestrator.h"

namespace seldon::orchestrator {
namespace {

/// Workers on which the set-up of an experiment fails, before it is ended; of two nodes where there are two.
constexpr std::size_t failed_set_ups = 3;

/// At least a second; of many workers rank 0 hears a thousand in a second, but of each one ten times in a
/// lease.
double seconds_between_heartbeats(int workers, double lease_seconds) {
  return std::clamp(workers / 1000.0, 1.0, std::max(1.0, lease_seconds / 10));
}

}  // namespace

void Orchestrator::take_supply(const std::vector<ExperimentSupply>& supplies) {
  if (supplies.size() != ledger_.experiments())
    throw InternalError("the plan has other experiments than the supply");
  std::map<std::string, std::size_t> known;
  for (const ExperimentSupply& each : supplies) {
    std::string key = each.data_key;
    // A key of its own: no hash has such a form.
    if (key.empty()) key.append("experiment ").append(std::to_string(experiments_.size()));
    const auto [data, is_new] = known.emplace(key, data_sets_.size());
    if (is_new) data_sets_.push_back({key, each.data, NodeData(supply_.node, each.place)});
    Experiment& experiment = experiments_.emplace_back();
    experiment.config = each.config;
    experiment.accelerator = each.accelerator;
    experiment.data = data->second;
  }
  kinds_.emplace_back(experiments_.size(), true);
  kind_numbers_.emplace(kinds_.front(), 0);
}

/// The worker has been idle: it is supplied, and idle again when it says that it is ready.
void Orchestrator::learn(Peer peer, std::uint32_t experiment) {
  crew_[peer].learning = experiment;
  crew_[peer].heard = now_;
  enter(peer, WorkerPhase::starting);
  supply(peer);
}

/// Sends the config, and the data or where to find it, unless the worker has to wait for another one of its
/// node.
void Orchestrator::supply(Peer peer) {
  Worker& worker = crew_[peer];
  const std::uint32_t number = worker.learning.value();
  const Experiment& experiment = experiments_[number];
  DataSet& data = data_sets_[experiment.data];
  worker.heard = now_;  // one that waits for another of its node is not silent
  message::Setup setup;
  setup.experiment = number;
  setup.config = experiment.config;
  setup.data_key = data.key;
  setup.local_rank = worker.local_rank;
  setup.heartbeat_seconds = seconds_between_heartbeats(crew_.size() - 1, limits_.lease_seconds);
  setup.held = std::ranges::any_of(
      worker.knows, [&](std::uint32_t known) { return experiments_[known].data == experiment.data; });
  if (setup.held) return message::send(transport_, peer, setup);

  const auto way = supply_.share ? data.nodes.arrive(peer, worker.node) : NodeData::Way::keep;
  if (way == NodeData::Way::wait) return;
  setup.share = way == NodeData::Way::send;
  if (way == NodeData::Way::map) setup.place = data.nodes.place(worker.node);
  message::send(transport_, peer, setup);
  if (way != NodeData::Way::map) transport_.send(peer, static_cast<int>(message::Tag::data), data.bytes);
}

/// It goes on with other experiments, if there is one for it.
void Orchestrator::cannot_set_up(Peer peer, std::uint32_t experiment, const std::string& why) {
  Worker& worker = crew_[peer];
  if (worker.phase != WorkerPhase::starting && worker.phase != WorkerPhase::suspended) return;
  worker.learning.reset();
  worker.knows.erase(experiment);
  worker.unable.insert(experiment);
  cancel_booking(peer);
  const Kind kind = kind_of(worker);
  if (std::ranges::none_of(kinds_[kind], [](bool able) { return able; })) {
    lose(peer, WorkerPhase::gone, LeaseEnd::preempted, "cannot work: " + why);
  } else {
    spdlog::warn("{} cannot set up {}: {}", name(peer), ledger_.name(experiment), why);
    for (const Peer waiting : data_of(experiment).nodes.give_up(peer, worker.node)) supply(waiting);
    crew_.set_kind(peer, kind);
    enter(peer, WorkerPhase::idle);
  }
  blame_set_up(peer, experiment, why);
}

/// The worker has failed, died or fallen silent over the set-up of the experiment. One that nobody can set up
/// must not cost every worker its turn, or its life.
void Orchestrator::blame_set_up(Peer peer, std::uint32_t number, const std::string& why) {
  Experiment& experiment = experiments_[number];
  if (experiment.set_up || experiments_.size() == 1) return;
  experiment.failed_workers.insert(peer);
  experiment.failed_nodes.insert(crew_[peer].node);
  const bool often = experiment.failed_workers.size() >= failed_set_ups &&
                     (experiment.failed_nodes.size() > 1 || crew_.nodes() == 1);
  if (usable_for(number) == 0 || often)
    close(number, fmt::format("its set-up has failed on {} workers and succeeded on none; the last: {}",
                              experiment.failed_workers.size(), why));
}

Kind Orchestrator::kind_of(const Worker& worker) {
  std::vector<bool> able(experiments_.size(), true);
  for (std::size_t number = 0; number < experiments_.size(); ++number)
    able[number] =
        experiments_[number].accelerator.empty() || experiments_[number].accelerator == worker.accelerator;
  for (const std::uint32_t experiment : worker.unable) able[experiment] = false;
  const auto [kind, is_new] = kind_numbers_.emplace(able, static_cast<Kind>(kinds_.size()));
  if (is_new) kinds_.push_back(std::move(able));
  return kind->second;
}

void Orchestrator::close(std::uint32_t number, const std::string& why) {
  Experiment& experiment = experiments_[number];
  if (!experiment.ended.empty()) return;
  experiment.ended = why;
  if (experiments_.size() > 1) spdlog::error("{} ends here: {}", ledger_.name(number), why);
  for (const Peer peer : crew_.all_in(WorkerPhase::busy))
    if (crew_[peer].phase == WorkerPhase::busy && ledger_.pack(crew_[peer].lease.pack).experiment == number)
      take_back(peer);
  std::vector<Peer> booked;
  for (const auto& [_, booking] : bookings_)
    if (this->experiment(booking.task) == number) booked.push_back(booking.members.front());
  for (const Peer peer : booked) cancel_booking(peer);
  queue_.drop(number);
  for (std::deque<Task>* tasks : {&retries_, &singles_, &exclusives_})
    std::erase_if(*tasks, [&](const Task& task) { return this->experiment(task) == number; });
  ledger_.close(number);
}

void Orchestrator::close_where_too_many_failed() {
  if (ledger_.failed_now() == failed_judged_) return;
  failed_judged_ = ledger_.failed_now();
  for (std::uint32_t number = 0; number < experiments_.size(); ++number) {
    const auto most = ledger_.limits(number).max_fails;
    if (!most || ledger_.failed_now(number) <= *most || !experiments_[number].ended.empty()) continue;
    experiments_[number].too_many_failed = true;
    close(number, fmt::format("{} cells have failed for good, more than --max-fails {} allows",
                              ledger_.failed_now(number), *most));
  }
}

}  // namespace seldon::orchestrator

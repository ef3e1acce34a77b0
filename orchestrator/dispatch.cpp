// What brings work and workers together.

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "orchestrator/orchestrator.h"

namespace seldon::orchestrator {
namespace {

using Pool = Crew::Pool;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr std::size_t most_looks = 16;    // at waiting tasks, for one that a worker may run
constexpr double estimate_slack = 1.1;    // packs of one group differ
constexpr double margin_fraction = 0.05;  // of a job, left free at its end
constexpr double most_margin = 30;        // seconds

}  // namespace

/// Those of the pack's cells that wait to run together, if any.
void Orchestrator::enqueue(std::size_t pack) {
  if (!experiments_[ledger_.pack(pack).experiment].ended.empty()) return;
  const auto waiting = ledger_.together(pack).size();
  if (waiting == 0) return;
  if (ledger_.tried(pack))
    retries_.push_back({pack, std::nullopt});
  else
    queue_.push(pack, costs_.group(ledger_.pack(pack)), costs_.computed(ledger_.pack(pack), waiting));
}

void Orchestrator::enqueue(std::size_t pack, std::uint32_t slot) {
  if (!experiments_[ledger_.pack(pack).experiment].ended.empty()) return;
  (ledger_.exclusive(pack, slot) ? exclusives_ : singles_).push_back({pack, slot});
}

void Orchestrator::hand_out() {
  for (const Peer peer : health_.take_acquitted()) crew_.hold(peer, health_.on_probation(peer));
  if (stopping_ || grace_ends_) return;
  while (hand_out_one(true)) {
  }
  // Rules that prefer one worker to another must not keep work from all of them.
  const auto nobody = [&] {
    return crew_.in(WorkerPhase::busy) == 0 && crew_.in(WorkerPhase::starting) == 0 &&
           crew_.in(WorkerPhase::idle) > 0 && !ledger_.complete();
  };
  if (nobody()) hand_out_one(false);
  const bool stuck = nobody();
  nobody_can_ = stuck && !someone_may_run_what_is_left();
  const bool out_of_time = stuck && !nobody_can_;
  if (out_of_time && !limits_.ends_at) throw InternalError("cells are left that no idle worker can be given");
  if (out_of_time && !out_of_time_) hopeless_ = find_hopeless();
  out_of_time_ = out_of_time;
}

/// There are as many workers as a pack of this model takes, if not now, then later.
bool Orchestrator::may_run(Family family) const {
  return costs_.ranks(family) <= usable_for(costs_.experiment(family));
}

bool Orchestrator::someone_may_run_what_is_left() const {
  for (std::uint32_t number = 0; number < experiments_.size(); ++number) {
    if (ledger_.closed(number) || ledger_.missing_of(number) == 0) continue;
    const auto& left = ledger_.left(number);
    for (std::uint32_t model = 0; model < left.size(); ++model)
      if (std::ranges::any_of(left[model], [](std::uint64_t cells) { return cells > 0; }) &&
          may_run(costs_.family(Pack{number, model, 0, 0, 1})))
        return true;
  }
  return false;
}

bool Orchestrator::hand_out_one(bool strict) {
  if (crew_.in(WorkerPhase::idle) == 0 || exclusive_runs_) return false;
  spare_ = infinity;
  if (hand_out_task(retries_, strict) || hand_out_from_queue(strict)) return true;
  const auto may_come = [&](const Task& task) { return may_run(costs_.family(ledger_.pack(task.pack))); };
  if (queue_.has([&](Family family) { return may_run(family); }) || std::ranges::any_of(retries_, may_come))
    return false;
  if (hand_out_task(singles_, strict)) return true;
  return std::ranges::none_of(singles_, may_come) && bookings_.empty() && crew_.in(WorkerPhase::busy) == 0 &&
         hand_out_task(exclusives_, strict);
}

bool Orchestrator::hand_out_task(std::deque<Task>& tasks, bool strict) {
  const auto last =
      tasks.begin() + static_cast<std::ptrdiff_t>(strict ? std::min(tasks.size(), most_looks) : tasks.size());
  for (auto task = tasks.begin(); task != last; ++task) {
    const auto peers = workers_for(*task, strict);
    if (peers.empty()) continue;
    const Task taken = *task;
    tasks.erase(task);
    give(peers, taken);
    return true;
  }
  return false;
}

/// One, or as many as the pack takes; none where they are not there. Where only their number is wanting, they
/// are awaited.
std::vector<Peer> Orchestrator::workers_for(const Task& task, bool strict) {
  const auto may = [&](Peer peer) { return !strict || health_.may_run(peer, task.pack); };
  const double seconds = estimate(task);
  const bool fits = seconds <= seconds_for_a_pack();
  const std::uint32_t number = experiment(task), ranks = costs_.ranks(ledger_.pack(task.pack));
  if (seconds > spare_) return {};
  if (ranks > 1) {
    auto group = group_for(number, ranks, fits, strict, may);
    if (group.empty() && !enough_free(number, ranks)) await_group(number, ranks, seconds);
    return group;
  }
  for (const Pool pool : {Pool::unused, Pool::used, Pool::held}) {
    if (pool != Pool::unused && !fits) continue;
    if (const auto peer = pick(pool, number, may)) return {*peer};
  }
  return {};
}

bool Orchestrator::has_idle(Pool pool) const {
  for (Kind kind = 0; kind < crew_.kinds(); ++kind)
    if (crew_.has_idle(pool, kind)) return true;
  return false;
}

/// One that knows the experiment, if that is seen at once.
std::optional<Peer> Orchestrator::pick(Pool pool, std::uint32_t experiment,
                                       const std::function<bool(Peer)>& may) const {
  const auto knows = [&](Peer peer) { return crew_[peer].knows.contains(experiment) && may(peer); };
  for (const bool knowing : {true, false})
    for (Kind kind = 0; kind < crew_.kinds(); ++kind)
      if (able(kind, experiment))
        if (const auto peer = crew_.pick(pool, kind, knowing ? knows : may)) return peer;
  return std::nullopt;
}

bool Orchestrator::hand_out_from_queue(bool strict) {
  const auto anyone = [](Peer) { return true; };
  for (const Pool pool : {Pool::unused, Pool::used, Pool::held}) {
    if (queue_.empty() || !has_idle(pool) || (pool == Pool::held && strict)) continue;
    const double seconds = seconds_for_a_pack();
    // `length`: of the pack. One that fits may have any workers, else only such as had none before.
    const auto workers = [&](Family family, double length) {
      const std::uint32_t number = costs_.experiment(family), ranks = costs_.ranks(family);
      if (ranks > 1)
        return group_for(number, ranks, pool != Pool::unused || length <= seconds, strict, anyone);
      const auto peer = pick(pool, number, anyone);
      return peer ? std::vector{*peer} : std::vector<Peer>();
    };
    auto pack = queue_.pop_longest([&](Family family, double longest) {
      if (!workers(family, longest).empty()) return std::min(seconds, spare_);
      const std::uint32_t number = costs_.experiment(family), ranks = costs_.ranks(family);
      if (ranks > 1 && (!enough_free(number, ranks) || some_start())) await_group(number, ranks, longest);
      return -1.0;
    });
    // The first pack of a worker goes out in any case: estimates can be wrong, and the job has nothing better
    // to do.
    if (!pack && pool == Pool::unused && spare_ == infinity)
      pack = queue_.pop_shortest([&](Family family) { return !workers(family, infinity).empty(); });
    if (!pack) continue;
    const Task task{*pack, std::nullopt};
    give(workers(costs_.family(ledger_.pack(*pack)), estimate(task)), task);
    return true;
  }
  return false;
}

// ---- groups ---------------------------------------------------------------------------------------------

std::vector<Kind> Orchestrator::kinds_for(std::uint32_t experiment) const {
  std::vector<Kind> kinds;
  for (Kind kind = 0; kind < crew_.kinds(); ++kind)
    if (able(kind, experiment)) kinds.push_back(kind);
  return kinds;
}

/// Workers that can run packs of the experiment, or may soon.
std::uint64_t Orchestrator::usable_for(std::uint32_t experiment) const {
  std::uint64_t workers = 0;
  for (const Kind kind : kinds_for(experiment)) workers += crew_.usable(kind);
  return workers;
}

bool Orchestrator::enough_free(std::uint32_t experiment, std::uint32_t ranks) const {
  std::uint64_t workers = 0;
  for (const Kind kind : kinds_for(experiment)) workers += crew_.free(kind);
  return workers >= ranks;
}

/// Of workers without a pack in this run only, where the pack does not fit before the end of the job.
std::vector<Peer> Orchestrator::group_for(std::uint32_t experiment, std::uint32_t ranks, bool fits,
                                          bool strict, const std::function<bool(Peer)>& may) const {
  if (strict && !enough_free(experiment, ranks)) return {};
  std::vector<Pool> pools = {Pool::unused};
  if (fits) pools.push_back(Pool::used);
  if (!strict) pools.push_back(Pool::held);
  // Who comes first at the start comes from anywhere, and the groups that begin there last.
  const bool one_node = strict && some_start();
  return crew_.pick_group(ranks, kinds_for(experiment), pools, one_node, may);
}

/// The pack is to have the next workers that become free: what goes out before it has to end by then. Only
/// one pack is waited for at a time, so that the rest goes on; and only if there are so many workers, and
/// there will be time.
void Orchestrator::await_group(std::uint32_t experiment, std::uint32_t ranks, double seconds) {
  if (spare_ < infinity || usable_for(experiment) < ranks) return;
  const double wait = seconds_until_free(experiment, ranks);
  if (seconds + wait <= seconds_for_a_pack()) spare_ = wait;
}

/// 0 where that is not known.
double Orchestrator::seconds_until_free(std::uint32_t experiment, std::uint32_t ranks) const {
  if (!costs_.learnt()) return 0;
  std::uint64_t free = 0;
  for (const Kind kind : kinds_for(experiment)) free += crew_.free(kind);
  double seconds = 0;
  crew_.visit_ends([&](Peer peer, double end) {
    if (!able(crew_[peer].kind, experiment)) return true;
    seconds = std::max(seconds, std::abs(end - now_));  // one that is late may be late for as long again
    return ++free < ranks;
  });
  return free >= ranks ? seconds : 0;
}

/// How long a pack may be expected to take if it is to end before the job does.
double Orchestrator::seconds_for_a_pack() const {
  if (!limits_.ends_at || !costs_.learnt()) return std::numeric_limits<double>::infinity();
  const double margin = std::min(most_margin, margin_fraction * (*limits_.ends_at - started_));
  return (*limits_.ends_at - margin - now_) / estimate_slack;
}

double Orchestrator::estimate(const Task& task) const {
  const Pack& pack = ledger_.pack(task.pack);
  const std::size_t wanted = task.slot ? 1 : ledger_.together(task.pack).size();
  return costs_.estimate(costs_.group(pack)) * costs_.computed(pack, wanted);
}

bool Orchestrator::exclusive(const Task& task) const {
  return task.slot && (ledger_.exclusive(task.pack, *task.slot) ||
                       static_cast<std::uint32_t>(crew_.size()) <= 1 + costs_.ranks(ledger_.pack(task.pack)));
}

/// At once, or as soon as the workers are supplied for the experiment.
void Orchestrator::give(const std::vector<Peer>& peers, const Task& task) {
  const auto knows = [&](Peer peer) { return crew_[peer].knows.contains(experiment(task)); };
  if (std::ranges::all_of(peers, knows))
    lease(peers, task);
  else
    book(peers, task);
}

void Orchestrator::book(const std::vector<Peer>& peers, const Task& task) {
  Booking& booking = bookings_[++last_booking_] = {task, peers, 0};
  exclusive_runs_ = exclusive(task);
  for (const Peer peer : peers) crew_[peer].booking = last_booking_;
  std::vector<Peer> learners;
  for (const Peer peer : peers)
    if (crew_[peer].knows.contains(experiment(task)))
      crew_.book(peer, true);
    else
      learners.push_back(peer);
  booking.learning = learners.size();
  for (const Peer peer : learners) learn(peer, experiment(task));
}

/// The worker is ready.
void Orchestrator::fulfil_booking(Peer peer) {
  const auto found = bookings_.find(crew_[peer].booking);
  if (found == bookings_.end()) return;
  if (stopping_ || grace_ends_) return cancel_booking(peer);
  if (--found->second.learning > 0) return crew_.book(peer, true);
  const Booking booking = std::move(found->second);
  bookings_.erase(found);
  for (const Peer member : booking.members) crew_[member].booking = 0;
  lease(booking.members, booking.task);
}

void Orchestrator::cancel_booking(Peer peer) {
  const auto found = bookings_.find(crew_[peer].booking);
  if (found == bookings_.end()) return;
  const Booking booking = std::move(found->second);
  bookings_.erase(found);
  for (const Peer member : booking.members) {
    crew_[member].booking = 0;
    crew_.book(member, false);
  }
  if (exclusive(booking.task)) exclusive_runs_ = false;
  put_back(booking.task);
}

void Orchestrator::put_back(const Task& task) {
  if (task.slot)
    enqueue(task.pack, *task.slot);
  else
    enqueue(task.pack);
}

void Orchestrator::lease(const std::vector<Peer>& peers, const Task& task) {
  const Peer first = peers.front();
  const Pack& pack = ledger_.pack(task.pack);
  Lease lease;
  lease.number = ++last_lease_;
  lease.members = peers;
  lease.over = false;
  lease.pack = task.pack;
  lease.wanted = task.slot ? std::vector{*task.slot} : ledger_.together(task.pack);
  lease.singly = task.slot.has_value();
  lease.exclusive = exclusive(task);
  lease.started = now_;
  lease.stood_still = stood_still_;
  // Known to the store before the pack leaves: a worker that takes this process down with it is on record.
  lease.attempt = ledger_.lease(lease.pack, lease.wanted, lease.exclusive, crew_[first].host);
  exclusive_runs_ = lease.exclusive;

  message::Assign assign{
      lease.number, pack, lease.attempt, {lease.wanted, ledger_.filled(lease.pack, lease.wanted)}};
  if (peers.size() > 1) assign.group = {lease.number, peers};
  const auto computed = costs_.computed(pack, lease.wanted.size());
  const double end = now_ + costs_.estimate(costs_.group(pack)) * computed;
  for (const Peer peer : peers) {
    message::send(transport_, peer, assign);
    crew_[peer].heard = now_;
    crew_[peer].lease = lease;
    lease.wanted.clear();  // of the first one alone
    enter(peer, WorkerPhase::busy);
    if (costs_.learnt()) crew_.expect_end(peer, end);
  }
  if (const auto seconds = ledger_.limits(pack.experiment).cell_seconds)
    crew_.limit(first, now_ + *seconds * computed);
}

}  // namespace seldon::orchestrator

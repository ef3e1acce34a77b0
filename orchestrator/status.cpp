#include "orchestrator/status.h"

#include <algorithm>
#include <limits>

#include <spdlog/spdlog.h>

#include "core/error.h"
#include "orchestrator/orchestrator.h"

namespace seldon::orchestrator {

std::string_view name_of(WorkerPhase phase) {
  switch (phase) {
    case WorkerPhase::starting:
      return "starting";
    case WorkerPhase::idle:
      return "idle";
    case WorkerPhase::busy:
      return "busy";
    case WorkerPhase::suspended:
      return "suspended";
    case WorkerPhase::barred:
      return "barred";
    case WorkerPhase::gone:
      return "gone";
  }
  throw InternalError("a worker is in no known phase");
}

ExperimentProgress Orchestrator::progress(std::uint32_t number) const {
  ExperimentProgress progress;
  progress.name = ledger_.name(number);
  progress.models = ledger_.models(number);
  for (const ModelProgress& model : progress.models) {
    progress.cells += model.cells;
    progress.done += model.done;
    progress.failed += model.failed;
  }
  progress.recorded_now = ledger_.recorded_now(number);
  progress.too_many_failed = experiments_[number].too_many_failed;
  progress.ended = experiments_[number].ended;
  progress.worker_seconds_left = costs_.learnt() ? 0 : std::numeric_limits<double>::quiet_NaN();
  const auto& left = ledger_.left(number);
  for (std::uint32_t model = 0; model < left.size(); ++model)
    for (std::uint32_t fraction = 0; fraction < left[model].size(); ++fraction)
      progress.worker_seconds_left +=
          static_cast<double>(left[model][fraction]) * costs_.estimate(costs_.group(number, model, fraction));
  return progress;
}

Snapshot Orchestrator::snapshot() const {
  Snapshot all;
  const auto workers = crew_.in(WorkerPhase::idle) + crew_.in(WorkerPhase::busy);
  for (std::uint32_t number = 0; number < experiments_.size(); ++number) {
    const auto& one = all.experiments.emplace_back(progress(number));
    all.cells += one.cells;
    all.done += one.done;
    all.failed += one.failed;
    all.too_many_failed = all.too_many_failed || one.too_many_failed;
    if (one.ended.empty()) all.seconds_left += one.worker_seconds_left;
    all.models.insert(all.models.end(), one.models.begin(), one.models.end());
  }
  all.seconds_left /= static_cast<double>(std::max<std::uint64_t>(workers, 1));
  all.recorded_now = ledger_.recorded_now();
  all.judged_now = ledger_.judged_now();
  all.seconds = now_ - started_;
  all.suspects = ledger_.suspects();
  all.preempted = ledger_.preempted();
  all.out_of_time = out_of_time_;
  all.late = late_;
  all.workers = static_cast<int>(workers);
  return all;
}

std::vector<WorkerStatus> Orchestrator::roster() const {
  std::vector<WorkerStatus> all;
  for (Peer peer = 0; peer < crew_.size(); ++peer) {
    if (peer == transport_.self()) continue;
    const Worker& worker = crew_[peer];
    all.push_back({peer, worker.host, worker.phase, std::nullopt, worker.since, worker.cells, worker.failed});
    if (worker.phase == WorkerPhase::busy) all.back().pack = ledger_.pack(worker.lease.pack);
  }
  return all;
}

std::string Orchestrator::why_idle() const {
  const auto in = [&](WorkerPhase phase) { return crew_.in(phase); };
  if (in(WorkerPhase::busy) > 0) return {};
  if (ledger_.complete()) return why_ended();
  if (stopping_ || grace_ends_) return "the run was asked to end";
  if (out_of_time_)
    return fmt::format("no pack that is left fits into the {:.0f} s before the end of the job",
                       std::max(0.0, *limits_.ends_at - now_));
  if (nobody_can_) return fmt::format("no worker that is left can run what is left: {}", what_is_left());
  if (crew_.usable() > 0)
    return in(WorkerPhase::idle) > 0 ? "" : fmt::format("{} workers are starting", in(WorkerPhase::starting));
  const std::string lost = fmt::format("{} dead or gone, {} taken out, {} silent",
                                       in(WorkerPhase::gone)-1,  // rank 0 itself
                                       in(WorkerPhase::barred), in(WorkerPhase::suspended));
  return (finished() ? "no worker is left: " : "waiting for silent workers: ") + lost;
}

/// Of the experiments that have ended early.
std::string Orchestrator::why_ended() const {
  std::string all;
  for (std::uint32_t number = 0; number < experiments_.size(); ++number) {
    if (experiments_[number].ended.empty()) continue;
    if (!all.empty()) all += "; ";
    if (experiments_.size() > 1) all.append(ledger_.name(number)).append(": ");
    all += experiments_[number].ended;
  }
  return all;
}

/// The experiments that are not through.
std::string Orchestrator::what_is_left() const {
  std::string all;
  for (std::uint32_t number = 0; number < experiments_.size(); ++number) {
    if (ledger_.closed(number) || ledger_.missing_of(number) == 0) continue;
    if (!all.empty()) all += ", ";
    all += fmt::format("{} cells", ledger_.missing_of(number));
    if (experiments_.size() > 1) all.append(" of ").append(ledger_.name(number));
    std::uint32_t ranks = 1;
    for (std::uint32_t model = 0; model < ledger_.left(number).size(); ++model)
      ranks = std::max(ranks, costs_.ranks(Pack{number, model, 0, 0, 1}));
    if (ranks > 1)
      all += fmt::format(" (a pack takes {} workers at once, there are {})", ranks, usable_for(number));
  }
  return all;
}

/// Whether by what is known of its model or group every pack that is left takes longer than a whole job.
std::optional<std::string> Orchestrator::find_hopeless() const {
  if (!limits_.ends_at) return std::nullopt;
  const double job = *limits_.ends_at - started_;
  double shortest = std::numeric_limits<double>::infinity();
  std::size_t shortest_pack = 0;
  for (std::size_t i = 0; i < ledger_.size(); ++i) {
    const Pack& pack = ledger_.pack(i);
    if (ledger_.closed(pack.experiment)) continue;
    const auto cells = ledger_.apart(i).empty() ? ledger_.together(i).size() : 1;
    if (cells == 0) continue;
    const auto seconds = costs_.measured(costs_.group(pack));
    if (!seconds) return std::nullopt;
    const double estimate = *seconds * costs_.computed(pack, cells);
    if (estimate < shortest) shortest_pack = i;
    shortest = std::min(shortest, estimate);
  }
  if (shortest <= job || shortest == std::numeric_limits<double>::infinity()) return std::nullopt;
  const Pack& pack = ledger_.pack(shortest_pack);
  return fmt::format(
      "no pack that is left fits into a job: the shortest ({}) takes about {:.0f} s by what earlier cells "
      "took, and the whole job lasts {:.0f} s. A trial cannot be interrupted and continued, there is no "
      "checkpoint within it: ask for a longer --time{}",
      ledger_.describe(pack), shortest, job,
      pack.width > 1 ? ", or begin a new store with a smaller pack_size for this model" : "");
}

}  // namespace seldon::orchestrator

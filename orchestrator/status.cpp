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

Snapshot Orchestrator::snapshot() const {
  Snapshot all;
  all.models = ledger_.models();
  for (const ModelProgress& model : all.models) {
    all.cells += model.cells;
    all.done += model.done;
    all.failed += model.failed;
  }
  all.recorded_now = ledger_.recorded_now();
  all.judged_now = ledger_.judged_now();
  all.seconds = now_ - started_;
  all.suspects = ledger_.suspects();
  all.preempted = ledger_.preempted();
  all.too_many_failed = limits_.max_fails && ledger_.failed_now() > *limits_.max_fails;
  all.out_of_time = out_of_time_;
  all.late = late_;
  const auto workers = crew_.in(WorkerPhase::idle) + crew_.in(WorkerPhase::busy);
  all.workers = static_cast<int>(workers);

  all.seconds_left = costs_.learnt() ? 0 : std::numeric_limits<double>::quiet_NaN();
  for (std::uint32_t model = 0; model < ledger_.left().size(); ++model)
    for (std::uint32_t fraction = 0; fraction < ledger_.left()[model].size(); ++fraction)
      all.seconds_left += static_cast<double>(ledger_.left()[model][fraction]) *
                          costs_.estimate(costs_.group({0, model, fraction, 0, 1}));
  all.seconds_left /= static_cast<double>(std::max<std::uint64_t>(workers, 1));
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
  if (ledger_.complete() || in(WorkerPhase::busy) > 0) return {};
  if (snapshot().too_many_failed)
    return fmt::format("{} cells have failed for good, more than --max-fails {} allows", ledger_.failed_now(),
                       *limits_.max_fails);
  if (stopping_ || grace_ends_) return "the run was asked to end";
  if (out_of_time_)
    return fmt::format("no pack that is left fits into the {:.0f} s before the end of the job",
                       std::max(0.0, *limits_.ends_at - now_));
  if (crew_.usable() > 0)
    return in(WorkerPhase::idle) > 0 ? "" : fmt::format("{} workers are starting", in(WorkerPhase::starting));
  const std::string lost = fmt::format("{} dead or gone, {} taken out, {} silent",
                                       in(WorkerPhase::gone)-1,  // rank 0 itself
                                       in(WorkerPhase::barred), in(WorkerPhase::suspended));
  return (finished() ? "no worker is left: " : "waiting for silent workers: ") + lost;
}

/// Whether by what is known of its model or group every pack that is left takes longer than a whole job.
std::optional<std::string> Orchestrator::find_hopeless() const {
  if (!limits_.ends_at) return std::nullopt;
  const double job = *limits_.ends_at - started_;
  double shortest = std::numeric_limits<double>::infinity();
  std::size_t shortest_pack = 0;
  for (std::size_t i = 0; i < ledger_.size(); ++i) {
    const Pack& pack = ledger_.pack(i);
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

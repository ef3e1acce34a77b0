#include "orchestrator/orchestrator.h"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "core/error.h"

namespace seldon::orchestrator {

using message::Tag;

namespace {

constexpr int messages_per_turn = 256;  // then the caller gets a chance to sync, to print, to stop

constexpr double longest_without_a_look = 5;  // seconds, at deadlines, while messages keep coming

}  // namespace

Orchestrator::Orchestrator(const Plan& plan, Supply supply, Limits limits, Transport& transport,
                           RecordSink& sink, Clock clock)
    : supply_(std::move(supply)),
      limits_(limits),
      transport_(transport),
      sink_(sink),
      clock_(std::move(clock)),
      ledger_(plan, limits_, sink),
      costs_(plan),
      queue_(costs_),
      crew_(transport.size(), transport.self(), clock_()),
      now_(clock_()),
      started_(now_),
      last_suspended_(now_) {
  take_supply(std::exchange(supply_.experiments, {}));
  for (std::size_t pack = 0; pack < ledger_.size(); ++pack) {
    enqueue(pack);
    for (const std::uint32_t slot : ledger_.apart(pack)) enqueue(pack, slot);
  }
  // Those that have had the fewest turns go first: a cell that takes longer than a job must not keep others
  // from theirs, job after job.
  const auto attempt = [&](const Task& task) { return ledger_.attempt(task.pack, *task.slot); };
  std::ranges::stable_sort(singles_, {}, attempt);
  // Before that, those that nothing speaks against, so that a job which is killed for other reasons, again
  // and again, does not always kill the same one.
  std::ranges::stable_sort(exclusives_, {}, [&](const Task& task) {
    return std::pair(ledger_.deaths(task.pack, *task.slot), attempt(task));
  });
  for (const Peer peer : crew_.all_in(WorkerPhase::starting)) enter(peer, WorkerPhase::starting);
  hopeless_ = find_hopeless();
}

// ---- what drives it -----------------------------------------------------------------------------

bool Orchestrator::turn() {
  now_ = clock_();
  bool busy = false, all_heard = false;
  for (int i = 0; i < messages_per_turn && !all_heard; ++i) {
    const auto arrival = transport_.poll();
    all_heard = !arrival;
    if (!arrival) break;
    receive(*arrival);
    busy = true;
  }
  busy |= check_losses();
  // Only now, so that signs of life that have waited for this turn count; but not never, if they keep coming.
  if (all_heard || now_ - deadlines_checked_ > longest_without_a_look) {
    deadlines_checked_ = now_;
    busy |= check_deadlines();
  }
  close_where_too_many_failed();
  if (!stopping_ && grace_ends_ && now_ >= *grace_ends_) stop();
  hand_out();
  return busy;
}

void Orchestrator::stop() {
  stopping_ = true;
  for (const Peer peer : crew_.all_in(WorkerPhase::busy))
    if (crew_[peer].phase == WorkerPhase::busy) take_back(peer);
}

void Orchestrator::drain(double grace_seconds) {
  grace_ends_ = clock_() + grace_seconds;
  // The grace time may be cut short by whoever asked.
  for (const Peer peer : crew_.all_in(WorkerPhase::busy))
    ledger_.excuse(crew_[peer].lease.pack, crew_[peer].lease.wanted);
}

void Orchestrator::stood_still(double seconds) {
  stood_still_until_ = clock_();
  stood_still_ += seconds;
}

void Orchestrator::preempt(const std::function<bool(Peer)>& alive) {
  stopping_ = true;
  auto busy = crew_.all_in(WorkerPhase::busy);
  // Of a group that any of its members may have died of nothing is excused.
  std::erase_if(busy, [&](Peer peer) {
    return !std::ranges::all_of(crew_[peer].lease.members, [&](Peer member) {
      return !live(member, crew_[peer].lease.number) || alive(member);
    });
  });
  for (const Peer peer : busy) ledger_.take_back(crew_[peer].lease.pack, crew_[peer].lease.wanted);
  for (const Peer peer : busy) {
    if (leader(peer) == peer && !over(peer)) end_lease(peer, LeaseEnd::preempted);
    enter(peer, WorkerPhase::suspended);
  }
}

bool Orchestrator::finished() const {
  if (ledger_.complete() || stopping_) return true;
  if (crew_.in(WorkerPhase::busy) > 0) return false;
  if (grace_ends_ || out_of_time_) return true;
  // A suspended worker may come back; wait for it as long as for a heartbeat.
  return (crew_.usable() == 0 || nobody_can_) &&
         (crew_.in(WorkerPhase::suspended) == 0 || now_ - last_suspended_ > limits_.lease_seconds);
}

// ---- messages -----------------------------------------------------------------------------------

void Orchestrator::receive(const Transport::Arrival& arrival) {
  const Peer from = arrival.from;
  const auto bytes = arrival.bytes.view();
  crew_[from].heard = now_;
  switch (static_cast<Tag>(arrival.tag)) {
    case Tag::hello:
      return on(from, message::decode<message::Hello>(bytes));
    case Tag::placed:
      return on(from, message::decode<message::Placed>(bytes));
    case Tag::need_data:
      return on(from, message::decode<message::NeedData>(bytes));
    case Tag::ready:
      return on(from, message::decode<message::Ready>(bytes));
    case Tag::cell_done:
      return on(from, message::decode<message::CellDone>(bytes));
    case Tag::pack_done:
      return on(from, message::decode<message::PackDone>(bytes));
    case Tag::heartbeat:
      return on(from, message::decode<message::Heartbeat>(bytes));
    case Tag::fault:
      return on(from, message::decode<message::Fault>(bytes));
    case Tag::bye:
      return on(from, message::decode<message::Bye>(bytes));
    case Tag::setup:
    case Tag::data:
    case Tag::assign:
    case Tag::cancel:
    case Tag::stop:
    case Tag::kill:
    case Tag::release:
    case Tag::beat:
      break;
  }
  throw InternalError("worker " + std::to_string(from) + " sent a message that is not a worker's (tag " +
                      std::to_string(arrival.tag) + ")");
}

void Orchestrator::on(Peer from, const message::Hello& hello) {
  if (crew_[from].phase != WorkerPhase::starting && crew_[from].phase != WorkerPhase::suspended) return;
  crew_[from].host = hello.host;
  crew_[from].node = hello.node;
  crew_[from].accelerator = hello.accelerator;
  crew_[from].local_rank = node_sizes_[hello.node]++;
  if (hello.version != supply_.version)
    return lose(from, WorkerPhase::gone, LeaseEnd::preempted,
                "is version " + hello.version + " where rank 0 is " + supply_.version +
                    "; start one and the same program everywhere");
  if (!hello.numerics.empty() && hello.numerics != supply_.numerics)
    return lose(from, WorkerPhase::gone, LeaseEnd::preempted,
                "would compute other numbers than rank 0 (" + hello.numerics + " instead of " +
                    supply_.numerics + "); use hosts of one kind");
  crew_.set_kind(from, kind_of(crew_[from]));
  if (std::ranges::none_of(kinds_[crew_[from].kind], [](bool able) { return able; }))
    return lose(from, WorkerPhase::gone, LeaseEnd::preempted,
                "has " + (hello.accelerator.empty() ? "no GPU" : "a GPU of the kind " + hello.accelerator) +
                    " where " + experiments_.front().accelerator + " is asked for; use hosts of one kind");
  if (experiments_.size() == 1) {
    crew_[from].learning = 0;
    return supply(from);
  }
  enter(from, WorkerPhase::idle);  // what it has to know first, shows with its first pack
  if (crew_.in(WorkerPhase::starting) == 0)
    spdlog::info("workers here: {}", crew_.in(WorkerPhase::idle) + crew_.in(WorkerPhase::busy));
}

void Orchestrator::on(Peer from, const message::Placed& placed) {
  if (!placed.place)
    spdlog::warn("the ranks of {} cannot share one copy of the data ({}); each keeps its own",
                 crew_[from].host, placed.reason);
  for (const Peer waiting : data_of(placed.experiment).nodes.settle(crew_[from].node, placed.place))
    supply(waiting);
}

void Orchestrator::on(Peer from, const message::NeedData& need) {
  spdlog::warn("{} cannot map its node's copy of the data ({}); it gets its own", name(from), need.reason);
  transport_.send(from, static_cast<int>(Tag::data), data_of(need.experiment).bytes);
}

void Orchestrator::on(Peer from, const message::Ready& ready) {
  Worker& worker = crew_[from];
  if (worker.phase != WorkerPhase::starting && worker.phase != WorkerPhase::suspended) return;
  for (const std::uint32_t dropped : ready.dropped) worker.knows.erase(dropped);
  worker.knows.insert(ready.experiment);
  worker.learning.reset();
  experiments_[ready.experiment].set_up = true;
  enter(from, WorkerPhase::idle);
  if (experiments_.size() == 1 && crew_.in(WorkerPhase::starting) == 0)
    spdlog::info("workers ready: {}", crew_.in(WorkerPhase::idle) + crew_.in(WorkerPhase::busy));
  fulfil_booking(from);
}

void Orchestrator::on(Peer from, message::CellDone done) {
  if (!live(from, done.lease) || leader(from) != from) {
    ++late_;
    return;
  }
  Worker& worker = crew_[from];
  const std::size_t pack = worker.lease.pack;
  const std::uint32_t slot = done.report.key.trial - ledger_.pack(pack).first_trial;
  const bool in_pack = slot < ledger_.pack(pack).width && ledger_.pack(pack).cell(slot) == done.report.key;
  const CellState state = in_pack ? ledger_.state(pack, slot) : CellState::pending;
  if (is_final(state)) {
    // Computed again for the sake of the pack's width: it must be what it was.
    if (state == CellState::done && done.report.state == CellState::done) sink_.write(done.report);
    return;
  }
  if (state != CellState::leased || !std::ranges::binary_search(worker.lease.wanted, slot))
    throw InternalError(name(from) + " reported a cell that it was not asked for (trial " +
                        std::to_string(done.report.key.trial) + " of " +
                        ledger_.describe(ledger_.pack(pack)) + ")");
  if (done.report.state != CellState::done) {
    const bool in_company = worker.lease.wanted.size() > 1 && costs_.together(ledger_.pack(pack));
    return fail(from, slot, std::move(done.report), in_company);
  }
  ledger_.record(pack, slot, std::move(done.report));
  ++worker.lease.done;
  ++worker.cells;
}

void Orchestrator::on(Peer from, const message::PackDone& done) {
  if (crew_[from].phase == WorkerPhase::suspended && crew_[from].lease.number == done.lease) {
    spdlog::info("{} answers again", name(from));
    return enter(from, WorkerPhase::idle);
  }
  if (!live(from, done.lease)) return;
  // It will not say so again: what follows must not wait for that.
  crew_[from].lease.through = true;
  const Lease own = crew_[from].lease;
  const Peer first = leader(from);
  const bool speaks = first == from || done.stopped || !done.error.empty();
  if (speaks && !over(from)) {
    if (done.stopped)
      ledger_.take_back(own.pack, crew_[first].lease.wanted);
    else
      fail_unreported(first,
                      first == from ? "the pack ended without a word on this cell"
                                    : name(from) + ", of its group: " + done.error,
                      false);
    end_lease(first, done.stopped ? LeaseEnd::preempted : LeaseEnd::finished);
    // Where all went well the others are just about to say so.
    const Lease& ended = crew_[first].lease;
    if (ended.done < ended.wanted.size()) release_members(own, from);
  }
  if (crew_[from].phase == WorkerPhase::busy) enter(from, WorkerPhase::idle);
}

void Orchestrator::on(Peer from, const message::Heartbeat& beat) {
  // It is still busy with what has long been given to another.
  if (!live(from, beat.lease)) message::send(transport_, from, message::Cancel{beat.lease});
}

void Orchestrator::on(Peer from, const message::Fault& fault) {
  if (fault.experiment && experiments_.size() > 1) return cannot_set_up(from, *fault.experiment, fault.text);
  lose(from, WorkerPhase::gone, LeaseEnd::preempted, "cannot work: " + fault.text);
}

void Orchestrator::on(Peer from, const message::Bye&) {
  lose(from, WorkerPhase::gone, LeaseEnd::preempted, "has left");
}

bool Orchestrator::live(Peer peer, std::uint64_t lease) const {
  const Worker& worker = crew_[peer];
  return worker.phase == WorkerPhase::busy && worker.lease.number == lease && !worker.lease.through;
}

std::string Orchestrator::name(Peer peer) const {
  const std::string& host = crew_[peer].host;
  return "worker " + std::to_string(peer) + (host.empty() ? "" : " on " + host);
}

}  // namespace seldon::orchestrator

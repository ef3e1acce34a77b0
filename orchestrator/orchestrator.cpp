#include "orchestrator/orchestrator.h"

#include <algorithm>
#include <limits>

#include <spdlog/spdlog.h>

namespace seldon::orchestrator {

using message::Tag;

namespace {

constexpr int messages_per_turn = 256;  // then the caller gets a chance to sync, to print, to stop
constexpr double seconds_between_loss_checks = 0.1;

std::string describe(const Pack& pack, const std::string& model) {
  return "model " + model + ", fraction " + std::to_string(pack.fraction) + ", trials " +
         std::to_string(pack.first_trial) + " to " + std::to_string(pack.first_trial + pack.width - 1);
}

}  // namespace

std::string_view name_of(PackEnd::How how) {
  switch (how) {
    case PackEnd::How::finished:
      return "finished";
    case PackEnd::How::preempted:
      return "preempted";
    case PackEnd::How::lost:
      return "lost";
    case PackEnd::How::silent:
      return "silent";
    case PackEnd::How::timed_out:
      return "timed out";
  }
  throw InternalError("a lease ended in an unknown way");
}

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

Orchestrator::Orchestrator(Plan plan, Supply supply, Limits limits, Transport& transport, RecordSink& sink,
                           Clock clock)
    : supply_(std::move(supply)),
      limits_(limits),
      transport_(transport),
      sink_(sink),
      clock_(std::move(clock)),
      workers_(static_cast<std::size_t>(transport.size())),
      node_data_(supply_.node, supply_.place),
      now_(clock_()),
      started_(now_),
      losses_checked_(now_),
      last_suspended_(now_) {
  if (plan.costs.size() != plan.packs.size()) throw InternalError("the plan has not one cost for each pack");
  for (std::string& model : plan.models) models_.push_back({std::move(model)});

  for (std::size_t i = 0; i < plan.packs.size(); ++i) {
    const Pack& pack = plan.packs[i];
    if (pack.width == 0 || pack.model >= models_.size())
      throw InternalError("the plan has an impossible pack");
    PackWork work{pack, plan.costs[i], cells_.size()};
    ModelProgress& model = models_[pack.model];
    for (std::uint32_t slot = 0; slot < pack.width; ++slot) {
      const CellStart start = plan.start(pack.cell(slot));
      Cell known{start.state, start.attempt, start.failures};
      if (start.state == CellState::failed && start.failures < limits_.max_tries)
        known.state = CellState::pending;  // the last run ended before all tries were made
      // What took the last run, or one of its workers, down may do so again: the rest comes first.
      if (start.state == CellState::leased || start.state == CellState::lost) work.tries = 1;
      if (!is_final(known.state)) {
        known.state = CellState::pending;
        known.failures =
            std::min(known.failures, limits_.max_tries - 1);  // killed while recording the last one
        ++work.missing;
      }
      cells_.push_back(known);
      ++model.cells;
      model.done += known.state == CellState::done;
      model.failed += known.state == CellState::failed;
      model.solutions += known.state == CellState::done && start.solution;
    }
    if (work.missing > 0) {
      queue_.emplace(work.tries, i);
      ++packs_left_;
      cost_left_ += work.cost * work.missing / pack.width;
    }
    packs_.push_back(work);
  }

  for (Peer peer = 0; peer < transport_.size(); ++peer) {
    worker(peer).heard = now_;
    ++phases_[static_cast<std::size_t>(Phase::starting)];
    enter(peer, peer == transport_.self() ? Phase::gone : Phase::starting);
  }
}

// ---- what drives it -----------------------------------------------------------------------------

bool Orchestrator::turn() {
  now_ = clock_();
  bool busy = false;
  for (int i = 0; i < messages_per_turn; ++i) {
    auto arrival = transport_.poll();
    if (!arrival) break;
    receive(*arrival);
    busy = true;
  }
  // After the messages, so that signs of life that have waited for this turn count.
  busy |= check_losses();
  busy |= check_deadlines();
  if (draining_ && !stopping_ && now_ >= grace_ends_) stop();
  hand_out();
  return busy;
}

void Orchestrator::drain(double grace_seconds) {
  draining_ = true;
  grace_ends_ = clock_() + grace_seconds;
}

void Orchestrator::preempt() {
  stopping_ = true;
  for (Peer peer = 0; peer < transport_.size(); ++peer) {
    if (worker(peer).phase != Phase::busy) continue;
    release(packs_[worker(peer).pack], CellState::preempted);
    enter(peer, Phase::suspended);
  }
}

std::vector<WorkerStatus> Orchestrator::roster() const {
  std::vector<WorkerStatus> all;
  for (Peer peer = 0; peer < transport_.size(); ++peer) {
    if (peer == transport_.self()) continue;
    const Worker& one = worker(peer);
    all.push_back({peer, one.host, one.phase, std::nullopt, one.since, one.cells, one.failed});
    if (one.phase == Phase::busy) all.back().pack = packs_[one.pack].pack;
  }
  return all;
}

std::vector<Peer> Orchestrator::suspended() const {
  std::vector<Peer> peers;
  for (Peer peer = 0; peer < transport_.size(); ++peer)
    if (worker(peer).phase == Phase::suspended) peers.push_back(peer);
  return peers;
}

std::string Orchestrator::why_idle() const {
  if (packs_left_ == 0 || in(Phase::busy) > 0) return {};
  if (stopping_ || draining_) return "the run was asked to end";
  if (usable() == 0) return "no worker is left";
  return in(Phase::starting) > 0 ? "workers are starting" : "";
}

std::optional<std::string> Orchestrator::hopeless() const {
  return std::nullopt;
}

void Orchestrator::stop() {
  stopping_ = true;
  for (Peer peer = 0; peer < transport_.size(); ++peer) {
    if (worker(peer).phase != Phase::busy) continue;
    release(packs_[worker(peer).pack], CellState::preempted);
    message::send(transport_, peer, message::Cancel{worker(peer).lease});
    enter(peer, Phase::suspended);
  }
}

bool Orchestrator::finished() const {
  if (packs_left_ == 0 || stopping_ || (draining_ && in(Phase::busy) == 0)) return true;
  // A suspended worker may come back; wait for it as long as for a heartbeat.
  return usable() == 0 && (in(Phase::suspended) == 0 || now_ - last_suspended_ > limits_.lease_seconds);
}

Snapshot Orchestrator::snapshot() const {
  Snapshot all;
  all.models = models_;
  for (const ModelProgress& model : models_) {
    all.cells += model.cells;
    all.done += model.done;
    all.failed += model.failed;
  }
  all.recorded_now = recorded_now_;
  all.seconds = now_ - started_;
  all.seconds_left =
      cost_done_ > 0 ? all.seconds * cost_left_ / cost_done_ : std::numeric_limits<double>::quiet_NaN();
  all.late = late_;
  all.workers = static_cast<int>(in(Phase::idle) + in(Phase::busy));
  return all;
}

// ---- messages -----------------------------------------------------------------------------------

void Orchestrator::receive(const Transport::Arrival& arrival) {
  const Peer from = arrival.from;
  const auto bytes = arrival.bytes.view();
  worker(from).heard = now_;
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
      break;
  }
  throw InternalError("worker " + std::to_string(from) + " sent a message that is not a worker's (tag " +
                      std::to_string(arrival.tag) + ")");
}

void Orchestrator::on(Peer from, const message::Hello& hello) {
  worker(from).host = hello.host;
  worker(from).node = hello.node;
  if (hello.version != supply_.version)
    return lose(from, Phase::gone,
                "is version " + hello.version + " where rank 0 is " + supply_.version +
                    "; start one and the same program everywhere");
  if (!hello.numerics.empty() && hello.numerics != supply_.numerics)
    return lose(from, Phase::gone,
                "would compute other numbers than rank 0 (" + hello.numerics + " instead of " +
                    supply_.numerics + "); use hosts of one kind");
  supply(from);
}

/// Sends the config, and the data or where to find it, unless the worker has to wait for another one of its
/// node.
void Orchestrator::supply(Peer peer) {
  const std::string& node = worker(peer).node;
  worker(peer).heard = now_;  // one that waits for another of its node is not silent
  const auto way = supply_.share ? node_data_.arrive(peer, node) : NodeData::Way::keep;
  if (way == NodeData::Way::wait) return;
  message::Setup setup{supply_.experiment, supply_.config, {}, way == NodeData::Way::send};
  if (way == NodeData::Way::map) setup.place = node_data_.place(node);
  message::send(transport_, peer, setup);
  if (way != NodeData::Way::map) transport_.send(peer, static_cast<int>(Tag::data), supply_.data);
}

void Orchestrator::on(Peer from, const message::Placed& placed) {
  if (!placed.place)
    spdlog::warn("the ranks of {} cannot share one copy of the data ({}); each keeps its own",
                 worker(from).host, placed.reason);
  for (const Peer waiting : node_data_.settle(worker(from).node, placed.place)) supply(waiting);
}

void Orchestrator::on(Peer from, const message::NeedData& need) {
  spdlog::warn("{} cannot map its node's copy of the data ({}); it gets its own", name(from), need.reason);
  transport_.send(from, static_cast<int>(Tag::data), supply_.data);
}

void Orchestrator::on(Peer from, const message::Ready&) {
  if (worker(from).phase != Phase::starting && worker(from).phase != Phase::suspended) return;
  enter(from, Phase::idle);
  if (in(Phase::starting) == 0) spdlog::info("workers ready: {}", in(Phase::idle) + in(Phase::busy));
}

void Orchestrator::on(Peer from, message::CellDone done) {
  if (!live(from, done.lease)) {
    ++late_;
    return;
  }
  PackWork& work = packs_[worker(from).pack];
  const std::uint32_t slot = done.report.key.trial - work.pack.first_trial;
  const bool in_pack = slot < work.pack.width && work.pack.cell(slot) == done.report.key;
  if (in_pack && is_final(cell(work, slot).state)) {
    // Computed again for the sake of the pack's width: it must be what it was.
    if (cell(work, slot).state == CellState::done && done.report.state == CellState::done)
      sink_.write(done.report);
    return;
  }
  if (!in_pack || cell(work, slot).state != CellState::leased)
    throw InternalError(name(from) + " reported a cell that it was not asked for (trial " +
                        std::to_string(done.report.key.trial) + " of " +
                        describe(work.pack, models_[work.pack.model].name) + ")");
  if (done.report.state != CellState::done) return fail(work, slot, std::move(done.report));
  done.report.run.failures = cell(work, slot).failures;
  const bool solution = sink_.write(done.report);
  models_[work.pack.model].solutions += solution;
  ++recorded_now_;
  settle(work, slot, CellState::done);
}

void Orchestrator::on(Peer from, const message::PackDone& done) {
  if (worker(from).phase == Phase::suspended && worker(from).lease == done.lease) {
    spdlog::info("{} answers again", name(from));
    return enter(from, Phase::idle);
  }
  if (!live(from, done.lease)) return;
  const std::size_t pack = worker(from).pack;
  PackWork& work = packs_[pack];
  if (done.stopped) {
    release(work, CellState::preempted);
  } else {
    for (std::uint32_t slot = 0; slot < work.pack.width; ++slot) {
      if (cell(work, slot).state != CellState::leased) continue;
      CellReport report{work.pack.cell(slot), CellState::failed, {}, {}};
      report.run.attempt = cell(work, slot).attempt;
      report.run.rank = from;
      report.run.host = worker(from).host;
      report.run.message = "the pack ended without a word on this cell";
      fail(work, slot, std::move(report));
    }
  }
  requeue(pack);
  enter(from, Phase::idle);
}

void Orchestrator::on(Peer from, const message::Heartbeat& beat) {
  // It is still busy with what has long been given to another.
  if (!live(from, beat.lease)) message::send(transport_, from, message::Cancel{beat.lease});
}

void Orchestrator::on(Peer from, const message::Fault& fault) {
  lose(from, Phase::gone, "cannot work: " + fault.text);
}

void Orchestrator::on(Peer from, const message::Bye&) {
  if (worker(from).phase != Phase::gone) lose(from, Phase::gone, "has left");
}

// ---- packs --------------------------------------------------------------------------------------

void Orchestrator::hand_out() {
  while (!stopping_ && !draining_ && !queue_.empty() && !idle_.empty()) {
    const std::size_t pack = queue_.begin()->second;
    queue_.erase(queue_.begin());
    lease(*idle_.begin(), pack);
  }
}

void Orchestrator::lease(Peer peer, std::size_t pack) {
  PackWork& work = packs_[pack];
  message::Assign assign{++last_lease_, work.pack, 0, {}};
  std::vector<CellKey> keys;
  for (std::uint32_t slot = 0; slot < work.pack.width; ++slot) {
    if (is_final(cell(work, slot).state)) continue;
    assign.slots.wanted.push_back(slot);
    assign.attempt = std::max(assign.attempt, cell(work, slot).attempt + 1);
    keys.push_back(work.pack.cell(slot));
  }
  // Known to the store before the pack leaves: a worker that takes this process down with it is on record.
  sink_.set_states(keys, CellState::leased, assign.attempt, {});
  for (const std::uint32_t slot : assign.slots.wanted) {
    cell(work, slot).state = CellState::leased;
    cell(work, slot).attempt = assign.attempt;
  }
  worker(peer).lease = assign.lease;
  worker(peer).pack = pack;
  worker(peer).heard = now_;
  enter(peer, Phase::busy);
  message::send(transport_, peer, assign);
}

void Orchestrator::release(PackWork& work, CellState state) {
  std::vector<CellKey> keys;
  std::uint32_t attempt = 0;
  for (std::uint32_t slot = 0; slot < work.pack.width; ++slot) {
    Cell& known = cell(work, slot);
    if (known.state != CellState::leased) continue;
    known.state = CellState::pending;
    attempt = known.attempt;  // the same for all cells of a lease
    keys.push_back(work.pack.cell(slot));
  }
  if (!keys.empty()) sink_.set_states(keys, state, attempt, {});
}

void Orchestrator::requeue(std::size_t pack) {
  PackWork& work = packs_[pack];
  if (work.missing > 0) queue_.emplace(++work.tries, pack);
}

void Orchestrator::fail(PackWork& work, std::uint32_t slot, CellReport report) {
  Cell& known = cell(work, slot);
  const bool last = ++known.failures >= limits_.max_tries;
  spdlog::warn("{}, trial {}: failed ({} of {} tries): {}", models_[work.pack.model].name, report.key.trial,
               known.failures, limits_.max_tries, report.run.message);
  report.state = CellState::failed;
  report.run.failures = known.failures;
  sink_.write(report);
  known.state = CellState::pending;
  if (last) settle(work, slot, CellState::failed);
}

/// The cell has reached a final state.
void Orchestrator::settle(PackWork& work, std::uint32_t slot, CellState state) {
  cell(work, slot).state = state;
  const double cost = work.cost / work.pack.width;
  cost_left_ -= cost;
  cost_done_ += cost;
  ModelProgress& model = models_[work.pack.model];
  ++(state == CellState::done ? model.done : model.failed);
  if (--work.missing == 0) --packs_left_;
}

// ---- workers ------------------------------------------------------------------------------------

/// The worker no longer counts; what it held goes to others, or has cost one worker too many.
void Orchestrator::lose(Peer peer, Phase phase, const std::string& why) {
  const bool held_pack = worker(peer).phase == Phase::busy;
  const bool shares_no_data = phase == Phase::gone || worker(peer).phase == Phase::starting;
  enter(peer, phase);
  if (phase == Phase::suspended) last_suspended_ = now_;
  spdlog::warn("{} {}", name(peer), why);
  if (shares_no_data)
    for (const Peer waiting : node_data_.leave(peer, worker(peer).node)) supply(waiting);
  if (!held_pack) return;

  const std::size_t pack = worker(peer).pack;
  PackWork& work = packs_[pack];
  release(work, CellState::lost);
  if (++work.losses >= limits_.max_deaths) {
    for (std::uint32_t slot = 0; slot < work.pack.width; ++slot) {
      if (is_final(cell(work, slot).state)) continue;
      CellReport report{work.pack.cell(slot), CellState::failed, {}, {}};
      report.run.attempt = cell(work, slot).attempt;
      report.run.failures = limits_.max_tries;  // given up: a later run is not to lose workers with it again
      report.run.rank = peer;
      report.run.host = worker(peer).host;
      report.run.message =
          "lost with " + std::to_string(work.losses) + " workers, the last on " + worker(peer).host;
      spdlog::error("{}: {}", describe(work.pack, models_[work.pack.model].name), report.run.message);
      sink_.write(report);
      settle(work, slot, CellState::failed);
    }
  }
  requeue(pack);
}

bool Orchestrator::check_deadlines() {
  bool any = false;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_) {
    const Peer peer = deadlines_.begin()->second;
    const Phase phase = worker(peer).phase;
    // While another of its node gets the data, it is that one that has to speak.
    if (node_data_.waits(peer, worker(peer).node)) worker(peer).heard = now_;
    if (worker(peer).heard + patience(phase) > now_) {
      enter(peer, phase);  // it has been heard since: look again later
      continue;
    }
    any = true;
    lose(peer, Phase::suspended,
         "has been silent for " + std::to_string(static_cast<int>(now_ - worker(peer).heard)) + " s" +
             (phase == Phase::busy ? "; its pack goes to another worker" : " while starting"));
  }
  return any;
}

bool Orchestrator::check_losses() {
  if (now_ - losses_checked_ < seconds_between_loss_checks) return false;
  losses_checked_ = now_;
  bool any = false;
  for (Peer peer = 0; peer < transport_.size(); ++peer) {
    if (worker(peer).phase == Phase::gone || !transport_.lost(peer)) continue;
    lose(peer, Phase::gone, "has died");
    any = true;
  }
  return any;
}

bool Orchestrator::live(Peer peer, std::uint64_t lease) const {
  return worker(peer).phase == Phase::busy && worker(peer).lease == lease;
}

void Orchestrator::enter(Peer peer, Phase phase) {
  Worker& known = worker(peer);
  deadlines_.erase({known.deadline, peer});
  idle_.erase(peer);
  --phases_[static_cast<std::size_t>(known.phase)];
  known.phase = phase;
  known.since = now_;
  ++phases_[static_cast<std::size_t>(phase)];
  if (phase == Phase::idle) idle_.insert(peer);
  if (phase == Phase::starting || phase == Phase::busy) {
    known.deadline = known.heard + patience(phase);
    deadlines_.emplace(known.deadline, peer);
  }
}

double Orchestrator::patience(Phase phase) const {
  return phase == Phase::starting ? limits_.start_seconds : limits_.lease_seconds;
}

std::string Orchestrator::name(Peer peer) const {
  const std::string& host = worker(peer).host;
  return "worker " + std::to_string(peer) + (host.empty() ? "" : " on " + host);
}

}  // namespace seldon::orchestrator

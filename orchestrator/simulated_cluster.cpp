#include "orchestrator/simulated_cluster.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace seldon::orchestrator {

using message::Tag;

namespace {

constexpr double share_of_endless_hangs = 0.25;

std::uint64_t mix(std::uint64_t bits) {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9ULL;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebULL;
  return bits ^ (bits >> 31);
}

}  // namespace

std::uint64_t Draws::bits() {
  return mix(state_ += 0x9e3779b97f4a7c15ULL);
}

double Draws::uniform() {
  return (static_cast<double>(bits() >> 11) + 0.5) * 0x1p-53;
}

double Draws::exponential(double mean) {
  return mean == never ? never : -mean * std::log(uniform());
}

double Draws::normal() {
  const double radius = std::sqrt(-2 * std::log(uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

std::vector<double> worker_factors(const ClusterOptions& options) {
  Draws draws(mix(options.seed) + 1);
  std::vector<double> factors;
  for (int i = 0; i < options.workers; ++i)
    factors.push_back(draws.uniform() < options.straggler_share ? options.straggler_factor : 1);
  return factors;
}

// ---- the cluster ----------------------------------------------------------------------------------------

SimulatedCluster::SimulatedCluster(const SimulatedWork& work, const CellGrid& grid,
                                   const ClusterOptions& options, const SimulatedStore& store, double start,
                                   std::uint32_t job)
    : work_(work),
      grid_(grid),
      options_(options),
      store_(store),
      draws_(mix(options.seed) ^ (std::uint64_t{job} << 32)),
      workers_(static_cast<std::size_t>(options.workers) + 1),
      start_(start),
      time_(start) {
  draw_fates();
  for (Peer peer = 1; peer < size(); ++peer) schedule(peer);
}

void SimulatedCluster::draw_fates() {
  if (options_.killers > 0) {
    Draws machine(mix(options_.seed) + 2);  // the same in every job
    kills_.resize(grid_.size());
    for (std::uint32_t i = 0; i < options_.killers; ++i) {
      const Pack& pack = work_.packs[machine.bits() % work_.packs.size()];
      kills_[grid_.index(pack.cell(static_cast<std::uint32_t>(machine.bits() % pack.width)))] = true;
    }
  }
  const std::vector<double> factors = worker_factors(options_);
  double node_dies = never;
  for (Peer peer = 1; peer < size(); ++peer) {
    Worker& who = worker(peer);
    const int node = (peer - 1) / options_.workers_per_node;
    who.factor = factors[static_cast<std::size_t>(peer) - 1];
    who.bad = node < options_.bad_nodes;
    if ((peer - 1) % options_.workers_per_node == 0)
      node_dies = start_ + draws_.exponential(options_.node_mtbf);
    who.node_dies = node_dies;
    who.dies = std::min(start_ + draws_.exponential(options_.mtbf), node_dies);
    who.hangs = start_ + draws_.exponential(options_.hang_every);
    who.next_step = start_ + options_.start_seconds * draws_.uniform();
    if (draws_.uniform() < options_.late_share) who.next_step += options_.late_seconds * draws_.uniform();
  }
}

double SimulatedCluster::next_event() const {
  const double event = events_.empty() ? never : events_.top().time;
  return notices_.empty() ? event : std::min(event, notices_.front().first);
}

void SimulatedCluster::schedule(Peer peer) {
  Worker& who = worker(peer);
  ++who.version;
  if (who.doing == Doing::dead) return;
  double next = never;
  if (who.doing == Doing::computing)
    next = std::max(who.wakes, std::min({who.stuck ? never : who.finished, who.beats, who.cancelled}));
  else if (who.doing != Doing::idle && who.doing != Doing::asked)
    next = who.next_step;
  next = std::min({next, who.dies, who.hangs});
  if (next < never) events_.push({next, static_cast<std::uint32_t>(peer), who.version});
}

std::optional<Transport::Arrival> SimulatedCluster::poll() {
  while (!events_.empty() && events_.top().time <= time_) {
    const Event event = events_.top();
    events_.pop();
    const auto peer = static_cast<Peer>(event.worker);
    if (event.version != worker(peer).version) continue;
    auto arrival = step(peer, event.time);
    schedule(peer);
    if (!arrival) continue;
    ++counts_.messages;
    spend(arrival->tag == static_cast<int>(Tag::cell_done) ? options_.record_seconds
                                                           : options_.message_seconds);
    return arrival;
  }
  return std::nullopt;
}

bool SimulatedCluster::lost(Peer peer) const {
  return workers_[static_cast<std::size_t>(peer)].noticed <= time_;
}

std::optional<Peer> SimulatedCluster::poll_loss() {
  if (notices_.empty() || notices_.front().first > time_) return std::nullopt;
  const Peer peer = notices_.front().second;
  notices_.pop_front();
  return peer;
}

void SimulatedCluster::send(Peer to, int tag, SharedBytes bytes) {
  Worker& who = worker(to);
  spend(tag == static_cast<int>(Tag::assign) ? options_.record_seconds : options_.message_seconds);
  if (who.doing == Doing::dead) return;
  switch (static_cast<Tag>(tag)) {
    case Tag::setup: {
      const auto setup = message::decode<message::Setup>(bytes.view());
      ++counts_.set_ups;
      who.learning = setup.experiment;
      who.doing = setup.share ? Doing::placing : Doing::waking;
      who.beat_seconds = setup.heartbeat_seconds;
      who.next_step = time_ + options_.setup_seconds / (setup.share ? 2 : 1);
      break;
    }
    case Tag::assign:
      assign(to, message::decode<message::Assign>(bytes.view()));
      break;
    case Tag::cancel:
      if (who.doing == Doing::computing && message::decode<message::Cancel>(bytes.view()).lease == who.lease)
        who.cancelled = time_;
      break;
    case Tag::data:  // as Setup has announced
      ++counts_.data;
      return;
    default:  // the end of the run
      return;
  }
  schedule(to);
}

// ---- a worker -------------------------------------------------------------------------------------------

template <class Message>
Transport::Arrival SimulatedCluster::say(Peer from, const Message& message) {
  return {from, static_cast<int>(Message::tag), message::encode(message)};
}

std::optional<Transport::Arrival> SimulatedCluster::step(Peer peer, double now) {
  Worker& who = worker(peer);
  if (now >= who.dies) {
    die(peer, now);
    return std::nullopt;
  }
  if (now >= who.hangs) {
    hang(peer, now);
    return std::nullopt;
  }
  return who.doing == Doing::computing ? compute(peer, now) : start_up(peer, now);
}

std::optional<Transport::Arrival> SimulatedCluster::start_up(Peer peer, double now) {
  Worker& who = worker(peer);
  switch (who.doing) {
    case Doing::coming:
      who.doing = Doing::asked;
      return say(peer, message::Hello{"node" + node(peer), node(peer), "1", ""});
    case Doing::placing:
      who.doing = Doing::waking;
      who.next_step = now + options_.setup_seconds / 2;
      return say(peer, message::Placed{message::SharedPlace{}, "", who.learning});
    case Doing::waking:
      who.doing = Doing::idle;
      who.idle_since = now;
      return set_up(peer);
    default:
      throw InternalError("a simulated worker has nothing to do and does it");
  }
}

Transport::Arrival SimulatedCluster::set_up(Peer peer) {
  Worker& who = worker(peer);
  if (who.learning < work_.set_up_fails.size() && work_.set_up_fails[who.learning])
    return say(peer, message::Fault{"no such measure", who.learning});
  message::Ready ready{who.learning, {}};
  who.knows.push_back(who.learning);
  while (who.knows.size() > options_.most_experiments) {
    ready.dropped.push_back(who.knows.front());
    who.knows.pop_front();
  }
  return say(peer, ready);
}

void SimulatedCluster::die(Peer peer, double now) {
  Worker& who = worker(peer);
  ++counts_.deaths;
  counts_.alive += now - start_;
  account(who, now);
  for (const Peer other : others_of_group(peer)) {
    worker(other).stuck = true;
    schedule(other);
  }
  who.doing = Doing::dead;
  who.noticed = now + options_.notice_seconds;
  notices_.emplace_back(who.noticed, peer);
  const bool with_node = now >= who.node_dies;
  if (with_node && (peer - 1) % options_.workers_per_node == 0) ++counts_.node_losses;
  if (with_node ? !options_.survives_node_losses : !options_.survives_deaths) broken_ = true;
}

void SimulatedCluster::hang(Peer peer, double now) {
  Worker& who = worker(peer);
  ++counts_.hangs;
  const bool endless = draws_.uniform() < share_of_endless_hangs;
  const double seconds = endless ? never : draws_.exponential(options_.hang_seconds);
  who.silent = draws_.uniform() < 0.5;
  who.wakes = now + seconds;
  who.hangs = endless ? never : who.wakes + draws_.exponential(options_.hang_every);
  if (who.silent) return;
  who.begun += seconds;
  who.finished += seconds;
  for (const Peer other : others_of_group(peer)) {
    worker(other).begun += seconds;
    worker(other).finished += seconds;
    schedule(other);
  }
}

bool SimulatedCluster::leads(Peer peer) const {
  const auto& group = workers_[static_cast<std::size_t>(peer)].group;
  return group.empty() || group.front() == peer;
}

std::vector<Peer> SimulatedCluster::others_of_group(Peer peer) const {
  const Worker& who = workers_[static_cast<std::size_t>(peer)];
  std::vector<Peer> others;
  if (who.doing != Doing::computing) return others;
  for (const Peer other : who.group) {
    const Worker& member = workers_[static_cast<std::size_t>(other)];
    if (other != peer && member.doing == Doing::computing && member.lease == who.lease)
      others.push_back(other);
  }
  return others;
}

std::uint32_t SimulatedCluster::ranks(const Pack& pack) const {
  const std::uint32_t model = grid_.model(pack.experiment, pack.model);
  return model < work_.ranks.size() ? work_.ranks[model] : 1;
}

void SimulatedCluster::assign(Peer peer, message::Assign assign) {
  Worker& who = worker(peer);
  if (who.doing != Doing::idle)
    throw InternalError("worker " + std::to_string(peer) + " gets a pack while it has one");
  const auto known = std::ranges::find(who.knows, assign.pack.experiment);
  if (known == who.knows.end())
    throw InternalError("worker " + std::to_string(peer) + " gets a pack of an experiment it does not know");
  who.knows.erase(known);
  who.knows.push_back(assign.pack.experiment);
  counts_.short_of_work += std::max(0.0, time_ - who.idle_since);
  for (const std::uint32_t slot : assign.slots.wanted)
    store_.check_leased(assign.pack.cell(slot), assign.attempt);
  const auto& members = assign.group.ranks;
  if (members.size() != (ranks(assign.pack) > 1 ? ranks(assign.pack) : 0) ||
      (!members.empty() && (std::ranges::count(members, peer) != 1 || assign.lease <= who.lease)))
    throw InternalError("worker " + std::to_string(peer) + " gets a pack in an impossible group");
  who.group = members;
  who.stuck = false;
  who.doing = Doing::computing;
  who.lease = assign.lease;
  who.attempt = assign.attempt;
  who.pack = assign.pack;
  who.position = 0;
  who.cancelled = never;
  double now = std::max(time_, who.wakes);
  if (leads(peer)) ++counts_.assigned;
  if (!members.empty()) {
    if (leads(peer)) {
      ++counts_.groups;
      counts_.groups_of_a_node +=
          std::ranges::all_of(members, [&](Peer member) { return node(member) == node(peer); });
    }
    // All begin together, if all are still there.
    for (const Peer member : members) {
      now = std::max(now, worker(member).wakes);
      who.stuck = who.stuck || worker(member).doing == Doing::dead;
    }
  }
  who.beats = std::max(time_, who.wakes) + who.beat_seconds;
  who.begun = who.finished = now;
  who.slots = std::move(assign.slots.wanted);
  if (!leads(peer)) {
    for (const std::uint32_t slot : who.slots) who.finished += cell_seconds(who, slot);
    return who.slots.clear();
  }
  if (!together(who)) return begin_cell(who, now);

  // The whole width is computed; a wanted trial takes the place of each that is filled.
  const std::uint32_t filling = who.slots.front();
  who.slots.clear();
  for (std::uint32_t slot = 0; slot < who.pack.width; ++slot) {
    const bool filled = std::ranges::find(assign.slots.filled, slot) != assign.slots.filled.end();
    who.finished += cell_seconds(who, filled ? filling : slot);
    if (!filled) who.slots.push_back(slot);
  }
  for (const std::uint32_t slot : who.slots)
    if (!kills_.empty() && kills_[grid_.index(who.pack.cell(slot))])
      who.dies = std::min(who.dies, (who.begun + who.finished) / 2);
}

void SimulatedCluster::begin_cell(Worker& who, double now) {
  const std::uint32_t slot = who.slots[who.position];
  who.begun = now;
  who.finished = now + cell_seconds(who, slot);
  if (!kills_.empty() && kills_[grid_.index(who.pack.cell(slot))])
    who.dies = std::min(who.dies, (who.begun + who.finished) / 2);
}

std::optional<Transport::Arrival> SimulatedCluster::compute(Peer peer, double now) {
  Worker& who = worker(peer);
  if (now >= who.cancelled) {
    account(who, now);
    who.doing = Doing::idle;
    who.idle_since = now;
    return say(peer, message::PackDone{who.lease, true});
  }
  if (now < who.finished || who.stuck) {
    ++counts_.heartbeats;
    who.beats = now + who.beat_seconds;
    return say(peer, message::Heartbeat{who.lease});
  }
  if (who.position == who.slots.size()) {
    who.doing = Doing::idle;
    who.idle_since = now;
    return say(peer, message::PackDone{who.lease, false});
  }
  const Arrival arrival = say(peer, message::CellDone{who.lease, report(peer, who.slots[who.position])});
  account(who, now);
  ++who.position;
  if (!together(who) && who.position < who.slots.size()) begin_cell(who, who.finished);
  return arrival;
}

void SimulatedCluster::account(const Worker& who, double now) {
  if (who.doing != Doing::computing || who.position == who.slots.size()) return;
  if (together(who) && who.position > 0) return;
  counts_.computed += std::max(0.0, std::min(now, who.finished) - who.begun);
}

double SimulatedCluster::cell_seconds(const Worker& who, std::uint32_t slot) const {
  double factor = who.factor;
  for (const Peer member : who.group)
    factor = std::max(factor, workers_[static_cast<std::size_t>(member)].factor);
  return factor * work_.seconds[grid_.index(who.pack.cell(slot))];
}

CellReport SimulatedCluster::report(Peer peer, std::uint32_t slot) const {
  const Worker& who = workers_[static_cast<std::size_t>(peer)];
  CellReport report{who.pack.cell(slot), CellState::done, {}, {}};
  report.run.attempt = who.attempt;
  report.run.rank = peer;
  report.run.width = who.pack.width;
  report.run.seconds_total =
      together(who) ? (who.finished - who.begun) / who.pack.width : who.finished - who.begun;
  const std::uint64_t fate = mix(options_.seed + mix(grid_.index(report.key) + mix(who.attempt)));
  const bool bad = who.bad || std::ranges::any_of(who.group, [&](Peer member) {
                     return workers_[static_cast<std::size_t>(member)].bad;
                   });
  if (bad || static_cast<double>(fate >> 11) * 0x1p-53 < options_.failures) {
    report.state = CellState::failed;
    report.run.message = bad ? "a bad node" : "a failure as it was asked for";
  }
  return report;
}

void SimulatedCluster::end() {
  for (Peer peer = 1; peer < size(); ++peer) {
    Worker& who = worker(peer);
    if (who.doing == Doing::dead) continue;
    counts_.alive += time_ - start_;
    account(who, time_);
    who.doing = Doing::dead;
  }
}

}  // namespace seldon::orchestrator

#include "worker/protocol.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unistd.h>

#include <spdlog/spdlog.h>

#include "core/backoff.h"
#include "core/fault_point.h"
#include "core/log_context.h"
#include "core/process.h"
#include "worker/node_data.h"

namespace seldon::worker {

using message::Tag;

namespace {

constexpr double seconds_between_looks = 0.01;  // for an order to stop, from within the engine
// After Bye: longer than rank 0 takes over its end, since a rank 0 that ends with an error is not always
// noticed.
constexpr double seconds_to_stay = 120;
// Of what lies between two looks at the messages so much counts as silence of rank 0: the job may have been
// suspended, and rank 0 with it.
constexpr double longest_silence_between_looks = 60;
constexpr double patience_before_first_word = 3;  // times the usual

class Worker {
 public:
  Worker(Transport& transport, Peer orchestrator, const message::Hello& hello,
         const RunnerFactory& make_runner, const Clock& clock, const ToldToEnd& told_to_end,
         const Patience& patience, const Keeping& keeping)
      : transport_(transport),
        orchestrator_(orchestrator),
        hello_(hello),
        make_runner_(make_runner),
        clock_(clock),
        told_to_end_(told_to_end),
        patience_(patience),
        keeping_(keeping),
        looked_(clock()),
        bearable_silence_(patience.with_rank_0 * patience_before_first_word),
        watchdog_(patience.own, ExitCode::incomplete,
                  "worker " + std::to_string(transport.self()) +
                      " hangs: the engine, or a file system, has not come back for long",
                  patience.ending) {
    hello_.process = this_process();
  }

  ExitCode serve();

 private:
  /// The engine's view of the orchestrator while a pack runs.
  class Pulse final : public Progress {
   public:
    Pulse(Worker& worker, std::uint64_t lease)
        : worker_(worker),
          lease_(lease),
          next_look_(0),
          next_beat_(worker.clock_() + worker.heartbeat_seconds_) {}
    Order tick() override;

   private:
    Worker& worker_;
    std::uint64_t lease_;
    double next_look_, next_beat_;
  };

  template <class Message>
  void tell(const Message& message) {
    message::send(transport_, orchestrator_, message);
  }
  std::optional<Transport::Arrival> poll(double now);
  Transport::Arrival wait();
  void stay();
  void end_if_orphaned() const;
  [[noreturn]] void end() const;
  void receive(const Transport::Arrival& arrival);
  void set_up(const message::Setup& setup);
  /// A data set, by its key.
  struct Data {
    std::unique_ptr<NodeData> shared;  // others of this node may map it: kept to the end
    SharedBytes bytes;
  };
  struct Experiment {
    std::string data_key;
    std::unique_ptr<PackRunner> runner;
    std::uint64_t used = 0;  // greater: later
  };

  SharedBytes obtain(const message::Setup& setup);
  SharedBytes receive_data();
  SharedBytes share(const message::Setup& setup, SharedBytes data);
  std::vector<std::uint32_t> make_room(std::uint32_t keep);
  void drop_unused_data();
  void run(const message::Assign& assign);
  void report(const message::Assign& assign, std::vector<bool>& told, CellReport report);

  Transport& transport_;
  Peer orchestrator_;
  message::Hello hello_;
  const RunnerFactory& make_runner_;
  const Clock& clock_;
  const ToldToEnd& told_to_end_;
  const Patience& patience_;

  const Keeping& keeping_;

  std::map<std::string, Data> data_;  // declared before the runners, which use the data to their end
  std::map<std::uint32_t, Experiment> experiments_;
  std::uint64_t uses_ = 0;
  std::optional<message::Stop> stop_;
  bool released_ = false;
  double heartbeat_seconds_ = message::Setup{}.heartbeat_seconds;
  std::uint64_t cancelled_ = 0;  // lease

  double looked_;      // for messages, last
  double silent_ = 0;  // rank 0, for so many seconds
  double bearable_silence_;
  LastResort watchdog_;
};

Order Worker::Pulse::tick() {
  const double now = worker_.clock_();
  if (now >= next_look_) {
    next_look_ = now + seconds_between_looks;
    if (now >= next_beat_) {
      next_beat_ = now + worker_.heartbeat_seconds_;
      worker_.tell(message::Heartbeat{lease_});
    }
    while (const auto arrival = worker_.poll(now)) worker_.receive(*arrival);
  }
  return worker_.stop_ || worker_.cancelled_ == lease_ || worker_.told_to_end_() ? Order::stop : Order::go;
}

ExitCode Worker::serve() {
  pass("worker.start");
  tell(hello_);
  while (!stop_) {
    const auto arrival = wait();
    if (arrival.tag == static_cast<int>(Tag::setup)) {
      set_up(message::decode<message::Setup>(arrival.bytes.view()));
    } else if (arrival.tag == static_cast<int>(Tag::assign)) {
      run(message::decode<message::Assign>(arrival.bytes.view()));
    } else {
      receive(arrival);
    }
  }
  tell(message::Bye{});
  if (stop_->stay) stay();
  for (Backoff backoff; !transport_.drained(); backoff.pause()) poll(clock_());
  return static_cast<ExitCode>(stop_->exit_code);
}

/// Every look at the messages: with it this rank shows that it lives, and sees whether rank 0 does.
std::optional<Transport::Arrival> Worker::poll(double now) {
  watchdog_.rearm();
  auto arrival = transport_.poll();
  if (arrival) {
    silent_ = 0;
    bearable_silence_ = patience_.with_rank_0;
  } else {
    silent_ += std::min(now - looked_, longest_silence_between_looks);
    end_if_orphaned();
  }
  looked_ = now;
  return arrival;
}

Transport::Arrival Worker::wait() {
  for (Backoff backoff;; backoff.pause())
    if (auto arrival = poll(clock_())) return std::move(*arrival);
}

/// Until rank 0 needs this rank no more.
void Worker::stay() {
  const double until = clock_() + seconds_to_stay;
  for (Backoff backoff; !released_ && looked_ < until; backoff.pause())
    if (const auto arrival = poll(clock_())) receive(*arrival);
}

/// Without rank 0 nothing that this rank does would be recorded, and MPI_Finalize would hang. The
/// orchestrator that has told how the run ends may be gone before this rank is.
void Worker::end_if_orphaned() const {
  if (transport_.lost(orchestrator_)) {
    if (!stop_) spdlog::error("rank 0 is gone; this rank ends");
    end();
  }
  if (silent_ < bearable_silence_) return;
  spdlog::error("rank 0 has said nothing for {:.0f} s: it hangs; this rank ends", silent_);
  patience_.end_job();
  end();
}

void Worker::end() const {
  spdlog::default_logger_raw()->flush();
  _exit(stop_ ? stop_->exit_code : static_cast<int>(ExitCode::incomplete));
}

/// What may come at any time.
void Worker::receive(const Transport::Arrival& arrival) {
  if (arrival.tag == static_cast<int>(Tag::stop))
    stop_ = message::decode<message::Stop>(arrival.bytes.view());
  else if (arrival.tag == static_cast<int>(Tag::cancel))
    cancelled_ = message::decode<message::Cancel>(arrival.bytes.view()).lease;
  else if (arrival.tag == static_cast<int>(Tag::kill))
    kill_process(message::decode<message::Kill>(arrival.bytes.view()).process);
  else if (arrival.tag == static_cast<int>(Tag::release))
    released_ = true;
  else if (arrival.tag != static_cast<int>(Tag::beat))
    throw InternalError("rank 0 sent a message out of turn (tag " + std::to_string(arrival.tag) + ")");
}

void Worker::set_up(const message::Setup& setup) {
  heartbeat_seconds_ = setup.heartbeat_seconds;
  experiments_.erase(setup.experiment);
  try {
    const SharedBytes data = obtain(setup);
    if (stop_) return;
    experiments_[setup.experiment] = {setup.data_key,
                                      make_runner_(setup.config, data.view(), setup.local_rank), ++uses_};
    tell(message::Ready{setup.experiment, make_room(setup.experiment)});
  } catch (const std::exception& error) {
    drop_unused_data();
    tell(message::Fault{error.what(), setup.experiment});
  }
}

/// The data of the set-up, by one of the ways that it names; kept under its key. Nothing after an order to
/// stop.
SharedBytes Worker::obtain(const message::Setup& setup) {
  if (setup.held) {
    const auto known = data_.find(setup.data_key);
    if (known == data_.end()) throw InternalError("rank 0 takes for known here what is not");
    return known->second.bytes;
  }
  SharedBytes data;
  if (setup.place) {
    try {
      data = map(*setup.place);
      pass("worker.data");
    } catch (const IncompleteError& error) {
      tell(message::NeedData{error.what(), setup.experiment});
      data = receive_data();
    }
  } else {
    data = receive_data();
    if (setup.share && !stop_) data = share(setup, std::move(data));
  }
  data_[setup.data_key].bytes = data;
  return data;
}

SharedBytes Worker::receive_data() {
  while (!stop_) {
    auto arrival = wait();
    if (arrival.tag == static_cast<int>(Tag::data)) {
      pass("worker.data");
      return std::move(arrival.bytes);
    }
    receive(arrival);
  }
  return {};
}

/// Puts the data where the other ranks of this node can map it, and from then on uses that copy.
SharedBytes Worker::share(const message::Setup& setup, SharedBytes data) {
  message::Placed placed;
  placed.experiment = setup.experiment;
  std::unique_ptr<NodeData>& shared = data_[setup.data_key].shared;
  try {
    shared = std::make_unique<NodeData>(data.view());
    placed.place = shared->place();
    data = shared->bytes();
  } catch (const IncompleteError& error) {
    shared.reset();
    placed.reason = error.what();
  }
  tell(placed);
  return data;
}

/// Drops the experiments that were used longest ago, until the others are within bounds; which ones.
std::vector<std::uint32_t> Worker::make_room(std::uint32_t keep) {
  std::vector<std::uint32_t> dropped;
  const auto too_much = [&] {
    std::uint64_t bytes = 0;
    for (const auto& [_, experiment] : experiments_) bytes += experiment.runner->memory();
    return experiments_.size() > 1 && (experiments_.size() > keeping_.runners || bytes > keeping_.bytes);
  };
  while (too_much()) {
    auto oldest = experiments_.end();
    for (auto each = experiments_.begin(); each != experiments_.end(); ++each)
      if (each->first != keep && (oldest == experiments_.end() || each->second.used < oldest->second.used))
        oldest = each;
    dropped.push_back(oldest->first);
    experiments_.erase(oldest);
  }
  drop_unused_data();
  return dropped;
}

/// But what others of this node may map.
void Worker::drop_unused_data() {
  std::erase_if(data_, [&](const auto& data) {
    return !data.second.shared && std::ranges::none_of(experiments_, [&](const auto& experiment) {
      return experiment.second.data_key == data.first;
    });
  });
}

void Worker::run(const message::Assign& assign) {
  if (told_to_end_()) {
    tell(message::PackDone{assign.lease, true});
    return tell(message::Fault{"it was told to end by SIGTERM"});
  }
  const auto known = experiments_.find(assign.pack.experiment);
  if (known == experiments_.end()) throw InternalError("rank 0 sent a pack of an unknown experiment");
  known->second.used = ++uses_;
  PackRunner& runner = *known->second.runner;
  Pulse pulse(*this, assign.lease);
  std::vector<bool> told(assign.pack.width, false);
  std::string failure;
  bool stopped = false;
  // Of a group the first one tells of the cells.
  const bool speaks = assign.group.ranks.empty() || assign.group.ranks.front() == transport_.self();
  const LogScope scope(runner.describe(assign.pack) + " attempt " + std::to_string(assign.attempt));
  spdlog::debug("begins: {} of {} cells are wanted", assign.slots.wanted.size(), assign.pack.width);
  try {
    const auto tell_cell = [&](CellReport cell) {
      if (speaks) report(assign, told, std::move(cell));
    };
    if (assign.group.ranks.empty())
      runner.run(assign.pack, assign.slots, pulse, tell_cell);
    else
      runner.run_in_group(assign.pack, assign.slots, assign.group, pulse, tell_cell);
  } catch (const Stopped&) {
    stopped = true;
  } catch (const std::exception& error) {
    failure = error.what();
  }
  // An engine that was told to stop may also simply return.
  if (pulse.tick() == Order::stop) stopped = true;
  if (!failure.empty() && speaks)
    for (const std::uint32_t slot : assign.slots.wanted)
      if (!told[slot]) {
        CellReport cell{assign.pack.cell(slot), CellState::failed, {}, {}};
        cell.run.message = failure;
        report(assign, told, std::move(cell));
      }
  spdlog::debug("{}: {} cells reported", stopped ? "stopped" : "ends", std::ranges::count(told, true));
  tell(message::PackDone{assign.lease, stopped, speaks ? std::string() : failure});
}

/// Completes the report by what only the protocol knows, and sends it.
void Worker::report(const message::Assign& assign, std::vector<bool>& told, CellReport cell) {
  const std::uint32_t slot = cell.key.trial - assign.pack.first_trial;
  if (slot >= told.size() || assign.pack.cell(slot) != cell.key)
    throw InternalError("the engine reported a cell of another pack");
  told[slot] = true;
  if (cell.state == CellState::failed) spdlog::debug("trial {} failed: {}", cell.key.trial, cell.run.message);
  cell.run.attempt = assign.attempt;
  cell.run.rank = transport_.self();
  cell.run.width = assign.pack.width;
  if (cell.run.host.empty()) cell.run.host = hello_.host;
  pass("worker.before-send");
  tell(message::CellDone{assign.lease, std::move(cell)});
  pass("worker.after-send");
}

}  // namespace

ExitCode serve(Transport& transport, Peer orchestrator, const message::Hello& hello,
               const RunnerFactory& make_runner, const Clock& clock, const ToldToEnd& told_to_end,
               const Patience& patience, const Keeping& keeping) {
  return Worker(transport, orchestrator, hello, make_runner, clock, told_to_end, patience, keeping).serve();
}

}  // namespace seldon::worker

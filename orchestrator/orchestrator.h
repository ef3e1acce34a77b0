#pragma once
// Rank 0: hands out packs under leases and records what comes back. A state machine without threads, files or
// MPI: the clock, the transport and the sink of records are passed in, and each event costs O(log n). The
// rules are in docs/scheduling.md.

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/messages.h"
#include "core/transport.h"
#include "orchestrator/cost_model.h"
#include "orchestrator/crew.h"
#include "orchestrator/health.h"
#include "orchestrator/ledger.h"
#include "orchestrator/node_data.h"
#include "orchestrator/pack_queue.h"
#include "orchestrator/plan.h"
#include "orchestrator/record_sink.h"
#include "orchestrator/status.h"

namespace seldon::orchestrator {

/// Seconds since some fixed moment, never going back.
using Clock = std::function<double()>;

class Orchestrator {
 public:
  /// `transport` and `sink` must outlive it. Tells the sink at once what follows from what an earlier run
  /// left behind. Throws InternalError if the plan contradicts itself, or has other experiments than the
  /// supply.
  Orchestrator(const Plan& plan, Supply supply, Limits limits, Transport& transport, RecordSink& sink,
               Clock clock);
  Orchestrator(const Orchestrator&) = delete;
  Orchestrator& operator=(const Orchestrator&) = delete;

  /// Takes in what has arrived and what time has brought. False if there was nothing.
  bool turn();
  /// Takes every pack back, their cells become PREEMPTED, and hands out nothing more: finished() is true from
  /// now on.
  void stop();
  /// Hands out nothing more and lets running packs finish; after the grace time it takes them back as stop()
  /// does.
  void drain(double grace_seconds);
  /// Ends one experiment in this run: its packs are taken back, what is left of it is not done. The others go
  /// on.
  void end(std::uint32_t experiment, const std::string& why) { close(experiment, why); }
  /// Marks the cells of every busy worker that is `alive` PREEMPTED and hands out nothing more. Sends
  /// nothing: for a process that has a few tenths of a second to live. What others hold stays LEASED until
  /// they give it back: one of them may have died of it, which is why all have to end.
  void preempt(const std::function<bool(Peer)>& alive);
  /// This process has just stood still for so long, suspended together with its workers or held up by a file
  /// system: nobody is to blame for what was not heard meanwhile.
  void stood_still(double seconds);
  /// Nothing is left to do, or nobody to do it, or no time, or it has been stopped.
  bool finished() const;

  Snapshot snapshot() const;
  /// Every worker, by peer.
  std::vector<WorkerStatus> roster() const;
  /// Workers that are silent: they may hang, and not hear that they are to end.
  std::vector<Peer> suspended() const { return crew_.all_in(WorkerPhase::suspended); }
  /// Why cells are left and nothing runs, in one sentence; empty where something runs or nothing is left.
  std::string why_idle() const;
  /// What the user must change, with the estimate: by what earlier cells took, no pack that is left fits into
  /// a whole job. For exit code 2.
  const std::optional<std::string>& hopeless() const { return hopeless_; }

 private:
  /// What waits apart from the queue: a pack that is tried again, or one cell.
  struct Task {
    std::size_t pack = 0;
    std::optional<std::uint32_t> slot;
  };

  /// A pack that is kept for workers of which some are being supplied for its experiment.
  struct Booking {
    Task task;
    std::vector<Peer> members;
    std::size_t learning = 0;  // of them
  };

  struct DataSet {
    std::string key;
    SharedBytes bytes;
    NodeData nodes;
  };

  struct Experiment {
    std::string config, accelerator;
    std::size_t data = 0;  // of data_sets_
    bool set_up = false;   // by some worker
    std::set<Peer> failed_workers;
    std::set<std::string> failed_nodes;  // theirs
    bool too_many_failed = false;
    std::string ended;  // why; empty: it goes on
  };

  void receive(const Transport::Arrival& arrival);
  void on(Peer from, const message::Hello& hello);
  void on(Peer from, const message::Placed& placed);
  void on(Peer from, const message::NeedData& need);
  void on(Peer from, const message::Ready& ready);
  void on(Peer from, message::CellDone done);
  void on(Peer from, const message::PackDone& done);
  void on(Peer from, const message::Heartbeat& beat);
  void on(Peer from, const message::Fault& fault);
  void on(Peer from, const message::Bye& bye);

  // What workers have to know of an experiment (supply.cpp).
  void take_supply(const std::vector<ExperimentSupply>& supplies);
  void learn(Peer peer, std::uint32_t experiment);
  void supply(Peer peer);
  DataSet& data_of(std::uint32_t experiment) { return data_sets_[experiments_[experiment].data]; }
  void cannot_set_up(Peer peer, std::uint32_t experiment, const std::string& why);
  void blame_set_up(Peer peer, std::uint32_t experiment, const std::string& why);
  bool able(Kind kind, std::uint32_t experiment) const { return kinds_[kind][experiment]; }
  Kind kind_of(const Worker& worker);
  /// Ends an experiment in this run; the others go on.
  void close(std::uint32_t experiment, const std::string& why);
  void close_where_too_many_failed();

  // What brings work and workers together (dispatch.cpp).
  void enqueue(std::size_t pack);
  void enqueue(std::size_t pack, std::uint32_t slot);
  void hand_out();
  bool hand_out_one(bool strict);
  bool hand_out_task(std::deque<Task>& tasks, bool strict);
  bool hand_out_from_queue(bool strict);
  std::vector<Peer> workers_for(const Task& task, bool strict);
  bool has_idle(Crew::Pool pool) const;
  std::optional<Peer> pick(Crew::Pool pool, std::uint32_t experiment,
                           const std::function<bool(Peer)>& may) const;
  bool may_run(Family family) const;
  /// For the first time in this run.
  bool some_start() const { return crew_.in(WorkerPhase::starting) > relearning_; }
  bool someone_may_run_what_is_left() const;
  double seconds_for_a_pack() const;
  double estimate(const Task& task) const;
  std::uint32_t experiment(const Task& task) const { return ledger_.pack(task.pack).experiment; }
  bool exclusive(const Task& task) const;
  void give(const std::vector<Peer>& peers, const Task& task);
  void book(const std::vector<Peer>& peers, const Task& task);
  void fulfil_booking(Peer peer);
  void cancel_booking(Peer peer);
  void put_back(const Task& task);
  void lease(const std::vector<Peer>& peers, const Task& task);
  std::vector<Peer> group_for(std::uint32_t experiment, std::uint32_t ranks, bool fits, bool strict,
                              const std::function<bool(Peer)>& may) const;
  bool enough_free(std::uint32_t experiment, std::uint32_t ranks) const;
  std::vector<Kind> kinds_for(std::uint32_t experiment) const;
  std::uint64_t usable_for(std::uint32_t experiment) const;
  void await_group(std::uint32_t experiment, std::uint32_t ranks, double seconds);
  double seconds_until_free(std::uint32_t experiment, std::uint32_t ranks) const;

  // How leases end (leases.cpp).
  void end_lease(Peer peer, LeaseEnd how);
  void fail(Peer peer, std::uint32_t slot, CellReport report, bool in_company);
  void fail_unreported(Peer peer, const std::string& message, bool timed_out);
  void take_back(Peer peer);
  void lose(Peer peer, WorkerPhase phase, LeaseEnd how, const std::string& why);
  void time_out(Peer peer);
  void bar(const Health::Verdict& verdict, Peer through);
  bool check_deadlines();
  bool check_losses();

  bool live(Peer peer, std::uint64_t lease) const;
  /// The first of the group whose lease the busy worker has, itself where it has it alone.
  Peer leader(Peer peer) const { return crew_[peer].lease.members.front(); }
  bool over(Peer peer) const;
  void release_members(const Lease& lease, Peer except);
  void enter(Peer peer, WorkerPhase phase);
  double patience(Peer peer) const;
  std::string name(Peer peer) const;
  ExperimentProgress progress(std::uint32_t experiment) const;
  std::string why_ended() const;
  std::string what_is_left() const;
  std::optional<std::string> find_hopeless() const;

  Supply supply_;  // but for what moves to experiments_ and data_sets_
  Limits limits_;
  Transport& transport_;
  RecordSink& sink_;
  Clock clock_;

  Ledger ledger_;
  CostModel costs_;
  PackQueue queue_;           // packs that have not failed
  std::deque<Task> retries_;  // packs that have: they go first, to tell bad workers from bad cells
  std::deque<Task> singles_, exclusives_;  // cells that run singly: they go last

  Crew crew_;
  Health health_;
  std::vector<DataSet> data_sets_;
  std::vector<Experiment> experiments_;
  std::vector<std::vector<bool>> kinds_;  // [kind][experiment] it may be given packs of it
  std::map<std::vector<bool>, Kind> kind_numbers_;
  std::map<std::uint64_t, Booking> bookings_;
  std::map<std::string, std::uint32_t> node_sizes_;  // workers that have said hello

  double now_, started_, last_suspended_;
  std::uint64_t last_lease_ = 0, last_booking_ = 0, late_ = 0;
  std::uint64_t relearning_ = 0;     // workers that are starting anew, for one more experiment
  double spare_ = 0;                 // seconds that a pack which goes beside an awaited group may take
  std::uint64_t failed_judged_ = 0;  // Ledger::failed_now() when max_fails was looked at last
  double deadlines_checked_ = -std::numeric_limits<double>::infinity();  // on the clock
  double stood_still_until_ = -std::numeric_limits<double>::infinity();  // on the clock
  double stood_still_ = 0;                                               // seconds, in all
  bool stopping_ = false, out_of_time_ = false, nobody_can_ = false, exclusive_runs_ = false;
  std::optional<double> grace_ends_;  // set while draining
  std::optional<std::string> hopeless_;
};

}  // namespace seldon::orchestrator

#pragma once
// The orchestrator's end of a transport to workers that exist only as times of their next events: what they
// compute costs nothing, what befalls them is drawn from a seed.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "core/messages.h"
#include "core/transport.h"
#include "orchestrator/simulated_store.h"

namespace seldon::orchestrator {

inline constexpr double never = std::numeric_limits<double>::infinity();

/// What is to be done, and how long it really takes. Models are numbered through all experiments
/// (CellGrid::model); each must have packs.
struct SimulatedWork {
  std::vector<Pack> packs;    ///< in the order in which they are handed out
  std::vector<double> costs;  ///< [pack] seconds, as the plan estimates them: all that the orchestrator knows
  std::vector<std::string> models;
  std::vector<bool> together;  ///< [model] a pack computes all its cells at once, and reports them at its end
  std::vector<bool> seldonian;              ///< [model]
  std::vector<std::string> data_keys = {};  ///< [experiment] of its data; missing: its own
  std::vector<std::uint32_t> ranks = {};    ///< [model] workers that a pack takes at once; missing: 1
  std::vector<bool> set_up_fails = {};      ///< [experiment] on every worker; missing: no
  std::vector<double> seconds;              ///< [CellGrid::index] what the cell takes a worker of usual speed
};

/// The machine and what goes wrong on it. Times are in seconds; times between events are means of exponential
/// laws.
struct ClusterOptions {
  int workers = 1;
  int workers_per_node = 1;
  double start_seconds = 30;          ///< a worker says hello within this time, uniformly
  double setup_seconds = 2;           ///< from the data to Ready
  double late_share = 0;              ///< of workers that come later,
  double late_seconds = 0;            ///< by up to this
  double mtbf = never;                ///< of each worker
  bool survives_deaths = true;        ///< false: an MPI without fault tolerance, where a death ends the job
  double node_mtbf = never;           ///< of each node; takes all its workers
  bool survives_node_losses = false;  ///< false: the launcher's daemon goes with the node, and the job ends
  double hang_every = never;          ///< of each worker
  double hang_seconds = 600;          ///< mean; one hang in four never ends
  double straggler_share = 0;
  double straggler_factor = 1;          ///< stragglers take so many times longer
  int bad_nodes = 0;                    ///< every cell throws there
  double failures = 0;                  ///< share of tries that end with an exception
  std::uint32_t killers = 0;            ///< cells that kill whoever computes them
  double record_seconds = 42e-6;        ///< of rank 0, for a lease and for a record (docs/performance.md)
  double message_seconds = 20e-6;       ///< of rank 0, for any other message, over TCP
  double notice_seconds = 0.05;         ///< until the transport knows of a death
  std::size_t most_experiments = 1000;  ///< that a worker keeps ready for packs
  std::uint64_t seed = 1;
};

/// Random numbers of no consequence for results: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits();
  double uniform();                 ///< in (0, 1)
  double exponential(double mean);  ///< never where the mean is
  double normal();

 private:
  std::uint64_t state_;
};

/// [worker] how many times longer each takes than a usual one.
std::vector<double> worker_factors(const ClusterOptions& options);

/// One job on the cluster.
class SimulatedCluster final : public Transport {
 public:
  /// Everything passed in must outlive it. `job` (1, 2 ...) gives each job its own fate.
  SimulatedCluster(const SimulatedWork& work, const CellGrid& grid, const ClusterOptions& options,
                   const SimulatedStore& store, double start, std::uint32_t job);

  double time() const { return time_; }
  /// A message, or an event without one, is due.
  bool due() const { return next_event() <= time_; }
  /// `never` where nothing will ever happen again.
  double next_event() const;
  /// On to the next event, at most `seconds` ahead.
  void advance(double seconds) {
    const double next = next_event();
    time_ = next > time_ ? std::min(next, time_ + seconds) : time_ + seconds;
  }
  /// A death has taken the job with it.
  bool broken() const { return broken_; }
  /// The job ends now: accounts for what is being computed. To be called once.
  void end();

  struct Counts {
    std::uint64_t messages = 0;  ///< handled by rank 0
    std::uint64_t heartbeats = 0, assigned = 0, deaths = 0, node_losses = 0, hangs = 0;
    std::uint64_t groups = 0;            ///< of the packs assigned, those of several workers,
    std::uint64_t groups_of_a_node = 0;  ///< and those of one node
    std::uint64_t set_ups = 0;           ///< of an experiment on a worker
    std::uint64_t data = 0;              ///< data sets sent
    double short_of_work = 0;  ///< worker-seconds between a worker's first set-up and its last pack, idle
    double alive = 0;          ///< worker-seconds
    double computed = 0;       ///< worker-seconds spent on cells, recorded or not
    double busy = 0;           ///< seconds of rank 0
  };
  const Counts& counts() const { return counts_; }

  Peer self() const override { return 0; }
  int size() const override { return static_cast<int>(workers_.size()); }
  void send(Peer to, int tag, SharedBytes bytes) override;
  std::optional<Arrival> poll() override;
  bool lost(Peer peer) const override;
  std::optional<Peer> poll_loss() override;
  bool drained() const override { return true; }

 private:
  enum class Doing : std::uint8_t { coming, asked, placing, waking, idle, computing, dead };
  struct Worker {
    Doing doing = Doing::coming;
    bool bad = false, silent = false;  // silent: it goes on computing while it hangs, and tells afterwards
    double factor = 1;
    std::uint32_t version = 0;        // of its event in the queue; older ones are void
    double next_step = never;         // while it starts
    std::uint32_t learning = 0;       // experiment
    std::deque<std::uint32_t> knows;  // experiments, the one used last at the end
    double idle_since = never;
    double dies = never, hangs = never, wakes = 0;
    double node_dies = never;
    double noticed = never;  // when the transport knows of its death

    std::uint64_t lease = 0;
    std::vector<Peer> group;  // empty: it runs its pack alone
    bool stuck = false;       // another of its group has died or hangs
    std::uint32_t attempt = 0;
    Pack pack;
    std::vector<std::uint32_t> slots;  // to be reported
    std::size_t position = 0;          // of the next one
    double begun = 0, finished = 0;    // the cell that is being computed, or the pack where all are at once
    double beat_seconds = 1, beats = never, cancelled = never;
  };
  struct Event {
    double time;
    std::uint32_t worker, version;
    bool operator>(const Event& other) const {
      return time != other.time ? time > other.time : worker > other.worker;
    }
  };

  void draw_fates();
  Worker& worker(Peer peer) { return workers_[static_cast<std::size_t>(peer)]; }
  std::string node(Peer peer) const { return std::to_string((peer - 1) / options_.workers_per_node); }
  bool together(const Worker& who) const {
    return work_.together[grid_.model(who.pack.experiment, who.pack.model)];
  }
  void schedule(Peer peer);
  /// What the worker does at `now`, and what it says then.
  std::optional<Arrival> step(Peer peer, double now);
  std::optional<Arrival> start_up(Peer peer, double now);
  std::optional<Arrival> compute(Peer peer, double now);
  Arrival set_up(Peer peer);
  void die(Peer peer, double now);
  void hang(Peer peer, double now);
  void assign(Peer peer, message::Assign assign);
  void begin_cell(Worker& who, double now);
  bool leads(Peer peer) const;
  /// Of the group of a worker those that compute the same with it.
  std::vector<Peer> others_of_group(Peer peer) const;
  std::uint32_t ranks(const Pack& pack) const;
  /// Counts what it has computed of the present cell or pack.
  void account(const Worker& who, double now);
  double cell_seconds(const Worker& who, std::uint32_t slot) const;
  CellReport report(Peer peer, std::uint32_t slot) const;
  template <class Message>
  Arrival say(Peer from, const Message& message);
  void spend(double seconds) {
    time_ += seconds;
    counts_.busy += seconds;
  }

  const SimulatedWork& work_;
  const CellGrid& grid_;
  const ClusterOptions& options_;
  const SimulatedStore& store_;
  std::vector<bool> kills_;  // [cell]; empty where none does
  Draws draws_;
  std::vector<Worker> workers_;  // by peer; the first is rank 0
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::deque<std::pair<double, Peer>> notices_;
  double start_, time_;
  bool broken_ = false;
  Counts counts_;
};

}  // namespace seldon::orchestrator

#pragma once
// Rank 0's side of a run: an experiment between its store and its workers.

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "programs/live_line.h"
#include "programs/pack_log.h"
#include "programs/run.h"
#include "programs/signals.h"
#include "programs/store_sink.h"
#include "store/live_status.h"
#include "worker/node_data.h"
#include "worker/protocol.h"

namespace seldon::programs {

/// Cells per second over the last minute.
class Rate {
 public:
  void add(double now, std::uint64_t recorded);
  double per_second() const;

 private:
  std::deque<std::pair<double, std::uint64_t>> marks_;
};

class Job {
 public:
  /// Reads the experiment and opens its store. `fault_tolerant`: the death of a worker does not end the job.
  Job(const RunRequest& request, bool fault_tolerant);

  /// Workers that reach `transport` get to work. `other_ranks`: some are other processes, here or on other
  /// nodes, and those of one node share a copy of the data.
  /// `alive` tells at once whether a worker still lives, as far as that can be seen from here.
  void start(Transport& transport, bool other_ranks, std::function<bool(Peer)> alive);
  /// Takes in what has arrived, and what signals ask for.
  bool turn();
  bool finished() const;
  /// The store is safe, the last word is said.
  ExitCode conclude();

 private:
  orchestrator::Plan plan();
  void heed_signals();
  void end_at_once();
  std::array<std::uint64_t, 6> counts_by_state() const;
  store::LiveStatus live_status(std::optional<ExitCode> code) const;
  store::LiveWorker live_worker(const orchestrator::WorkerStatus& worker, double now) const;

  const RunRequest& request_;
  Experiment experiment_;
  store::Writer writer_;
  PackLog pack_log_;
  StoreSink sink_;
  LiveLine live_line_;
  store::LiveStatusFile live_status_file_;
  Rate rate_;
  store::RunMark run_;
  std::vector<Pack> packs_;  // of this run: all, or a shard's
  std::unique_ptr<worker::NodeData> node_data_;
  std::unique_ptr<orchestrator::Orchestrator> orchestrator_;
  std::function<bool(Peer)> alive_;
  Asked heeded_ = Asked::nothing;
  double next_live_status_ = 0;
  double last_turn_ = worker::steady_seconds();
};

}  // namespace seldon::programs

#pragma once
// Rank 0's side of a run: an experiment, or those of a sweep, between their stores and the workers.

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "programs/live_line.h"
#include "programs/member.h"
#include "programs/run.h"
#include "programs/run_sink.h"
#include "programs/signals.h"
#include "programs/sweep_run.h"
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
  /// Reads the experiments and opens their stores. `fault_tolerant`: the death of a worker does not end the
  /// job.
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
  std::vector<std::unique_ptr<Member>> open();
  void choose_limits(bool fault_tolerant);
  [[noreturn]] void refuse_all();
  orchestrator::Plan plan();
  orchestrator::Supply supply(bool other_ranks);
  void share_data(orchestrator::Supply& supply);
  void tell_start();
  void heed_signals();
  void end_at_once();
  void member_failed(std::uint32_t member, const std::exception_ptr& error);
  void end_failed_members();
  void write_live(double now);
  /// Of the whole run, or of one experiment; `code` once that has ended.
  store::LiveStatus live_status(const std::vector<const Member*>& of, std::optional<ExitCode> code) const;
  store::LiveStatus live_status(std::optional<ExitCode> code) const;
  store::LiveWorker live_worker(const orchestrator::WorkerStatus& worker, double now) const;
  void conclude_sweep();

  const RunRequest& request_;
  std::unique_ptr<SweepRun> sweep_;  // none: one experiment
  std::vector<std::unique_ptr<Member>> members_;
  orchestrator::Limits limits_;
  double grace_seconds_ = 0;
  RunSink sink_;
  LiveLine live_line_;
  store::LiveStatusFile live_status_file_;
  Rate rate_;
  store::RunMark run_;
  std::vector<std::unique_ptr<worker::NodeData>> node_data_;
  std::unique_ptr<orchestrator::Orchestrator> orchestrator_;
  std::function<bool(Peer)> alive_;
  Asked heeded_ = Asked::nothing;
  std::vector<std::uint32_t> failed_members_;  // that the orchestrator does not know of yet
  double next_live_status_ = 0, next_member_status_ = 0, next_summary_ = 0;
  double last_turn_ = worker::steady_seconds();
};

}  // namespace seldon::programs

#include "programs/run_sink.h"

#include <chrono>

#include "core/blocked_signals.h"

namespace seldon::programs {

RunSink::RunSink(std::vector<StoreSink*> stores, double seconds_between_syncs, Failed failed)
    : stores_(std::move(stores)),
      seconds_between_syncs_(seconds_between_syncs),
      failed_(std::move(failed)),
      broken_(stores_.size()) {}

void RunSink::fail(std::uint32_t experiment, const std::exception_ptr& error) {
  if (broken_[experiment]) return;
  broken_[experiment] = true;
  failed_(experiment, error);
}

template <class Call>
void RunSink::guarded(std::uint32_t experiment, const Call& call) {
  if (broken_[experiment]) return;
  try {
    call(*stores_[experiment]);
  } catch (...) {
    fail(experiment, std::current_exception());
  }
}

void RunSink::lease(std::span<const CellKey> keys, std::uint32_t attempt, const Suspicion& suspicion,
                    const std::string& host) {
  if (keys.empty()) return;
  guarded(keys.front().experiment, [&](StoreSink& to) { to.lease(keys, attempt, suspicion, host); });
}

void RunSink::set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                         const Suspicion& suspicion) {
  if (keys.empty()) return;
  guarded(keys.front().experiment, [&](StoreSink& to) { to.set_states(keys, state, attempt, suspicion); });
}

bool RunSink::write(const CellReport& report) {
  bool solution = false;
  guarded(report.key.experiment, [&](StoreSink& to) { solution = to.write(report); });
  return solution;
}

void RunSink::pack_ended(const orchestrator::PackEnd& end) {
  guarded(end.pack.experiment, [&](StoreSink& to) { to.pack_ended(end); });
}

std::vector<std::uint32_t> RunSink::take_changed() {
  std::vector<std::uint32_t> changed;
  for (std::uint32_t i = 0; i < stores_.size(); ++i)
    if (stores_[i]->take_changed() && !broken_[i]) changed.push_back(i);
  return changed;
}

std::vector<RunSink::Failure> RunSink::sync_all(const std::vector<std::uint32_t>& experiments) const {
  std::vector<Failure> failures;
  for (const std::uint32_t experiment : experiments) {
    try {
      stores_[experiment]->writer().sync();
    } catch (...) {
      failures.push_back({experiment, std::current_exception()});
    }
  }
  return failures;
}

void RunSink::tell(const std::vector<Failure>& failures) {
  for (const Failure& failure : failures) fail(failure.experiment, failure.error);
}

void RunSink::sync_now_and_then(double now) {
  if (syncing_.valid()) {
    if (syncing_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return;
    tell(syncing_.get());
  }
  if (next_sync_ == 0) next_sync_ = now + seconds_between_syncs_;
  if (now < next_sync_) return;
  next_sync_ = now + seconds_between_syncs_;
  auto changed = take_changed();
  if (changed.empty()) return;
  const BlockedSignals for_the_thread;
  syncing_ = std::async(std::launch::async, [this, which = std::move(changed)] { return sync_all(which); });
}

void RunSink::sync() {
  if (syncing_.valid()) tell(syncing_.get());
  tell(sync_all(take_changed()));
}

}  // namespace seldon::programs

#include "programs/store_sink.h"

#include <chrono>
#include <cstring>
#include <memory>

#include "core/blocked_signals.h"
#include "worker/protocol.h"

namespace seldon::programs {
namespace {

bool is_solution(std::span<const std::byte> record, std::size_t outcome_offset) {
  std::int32_t outcome = 0;
  std::memcpy(&outcome, record.data() + outcome_offset, sizeof outcome);
  return static_cast<Outcome>(outcome) == Outcome::solution;
}

}  // namespace

double epoch_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

StoreSink::StoreSink(store::Writer& writer, PackLog& pack_log, double seconds_between_syncs)
    : writer_(writer), pack_log_(pack_log), seconds_between_syncs_(seconds_between_syncs) {
  for (std::uint32_t model = 0; model < writer.header().models.size(); ++model)
    outcome_offsets_.push_back(writer.layout(model).find(Field::outcome)->offset);
}

bool StoreSink::write(const CellReport& report) {
  writer_.write(report);
  pack_log_.cell_recorded(report.run);
  return report.state == CellState::done && is_solution(report.record, outcome_offsets_[report.key.model]);
}

void StoreSink::pack_ended(const orchestrator::PackEnd& end) {
  const store::Header& header = writer_.header();
  const double epoch = epoch_seconds() - worker::steady_seconds();  // where the orchestrator's clock began
  store::PackRow row;
  row.start = epoch + end.started;
  row.end = epoch + end.ended;
  row.rank = end.peer;
  row.host = end.host;
  row.model = header.models[end.pack.model].name;
  row.fraction = header.data_fracs[end.pack.fraction];
  row.first_trial = end.pack.first_trial;
  row.width = end.pack.width;
  row.attempt = end.attempt;
  row.wanted = end.wanted;
  row.done = end.done;
  row.failed = end.failed;
  row.how = end.how;
  pack_log_.pack_ended(std::move(row));
}

void StoreSink::sync_now_and_then(double now) {
  if (syncing_.valid()) {
    if (syncing_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return;
    syncing_.get();
  }
  if (next_sync_ == 0) next_sync_ = now + seconds_between_syncs_;
  if (now < next_sync_) return;
  next_sync_ = now + seconds_between_syncs_;
  const BlockedSignals for_the_thread;
  syncing_ = std::async(std::launch::async, [this] { writer_.sync(); });
}

void StoreSink::sync() {
  if (syncing_.valid()) syncing_.get();
  writer_.sync();
}

StoreFacts store_facts(const std::string& path) {
  const store::Reader reader(path);
  const store::Header& header = reader.header();
  auto starts = std::make_shared<std::vector<std::vector<orchestrator::CellStart>>>();
  StoreFacts facts;
  for (std::uint32_t model = 0; model < header.models.size(); ++model) {
    const auto states = reader.states(model);
    const auto runs = reader.runs(model);
    const std::size_t outcome = reader.layout(model).find(Field::outcome)->offset;
    auto& of_model = starts->emplace_back();
    std::vector<double> seconds(header.data_fracs.size()), cells(header.data_fracs.size());
    for (std::size_t row = 0; row < states.size(); ++row) {
      const RunInfo& run = runs[row];
      orchestrator::CellStart start{states[row], run.attempt, run.failures, false, run.suspicion, run.host};
      if (start.state == CellState::done) {
        start.solution = is_solution(reader.compounds(model, row, 1), outcome);
        seconds[row / header.n_trials] += run.seconds_total;
        cells[row / header.n_trials] += 1;
      }
      of_model.push_back(std::move(start));
    }
    for (std::size_t fraction = 0; fraction < cells.size(); ++fraction)
      seconds[fraction] /= cells[fraction];  // NaN where nothing is recorded
    facts.seconds.push_back(std::move(seconds));
  }
  facts.start = [starts, trials = header.n_trials](CellKey key) {
    return (*starts)[key.model][std::size_t{key.fraction} * trials + key.trial];
  };
  return facts;
}

}  // namespace seldon::programs

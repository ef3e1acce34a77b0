#include "programs/store_sink.h"

#include <chrono>
#include <cstring>
#include <memory>

namespace seldon::programs {
namespace {

bool is_solution(std::span<const std::byte> record, std::size_t outcome_offset) {
  std::int32_t outcome = 0;
  std::memcpy(&outcome, record.data() + outcome_offset, sizeof outcome);
  return static_cast<Outcome>(outcome) == Outcome::solution;
}

}  // namespace

StoreSink::StoreSink(store::Writer& writer) : writer_(writer) {
  for (std::uint32_t model = 0; model < writer.header().models.size(); ++model)
    outcome_offsets_.push_back(writer.layout(model).find(Field::outcome)->offset);
}

bool StoreSink::write(const CellReport& report) {
  writer_.write(report);
  return report.state == CellState::done && is_solution(report.record, outcome_offsets_[report.key.model]);
}

void StoreSink::sync_now_and_then(double now) {
  if (next_sync_ == 0) next_sync_ = now + seconds_between_syncs;
  if (now < next_sync_) return;
  if (syncing_.valid()) {
    if (syncing_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return;
    syncing_.get();
  }
  next_sync_ = now + seconds_between_syncs;
  syncing_ = std::async(std::launch::async, [this] { writer_.sync(); });
}

void StoreSink::sync() {
  if (syncing_.valid()) syncing_.get();
  writer_.sync();
}

std::function<orchestrator::CellStart(CellKey)> cell_starts(const std::string& path) {
  const store::Reader reader(path);
  const store::Header& header = reader.header();
  auto starts = std::make_shared<std::vector<std::vector<orchestrator::CellStart>>>();
  for (std::uint32_t model = 0; model < header.models.size(); ++model) {
    const auto states = reader.states(model);
    const auto runs = reader.runs(model);
    const std::size_t outcome = reader.layout(model).find(Field::outcome)->offset;
    auto& of_model = starts->emplace_back();
    for (std::size_t row = 0; row < states.size(); ++row) {
      orchestrator::CellStart start{states[row], runs[row].attempt, runs[row].failures, false,
                                    runs[row].suspicion};
      if (start.state == CellState::done)
        start.solution = is_solution(reader.compounds(model, row, 1), outcome);
      of_model.push_back(start);
    }
  }
  return [starts, trials = header.n_trials](CellKey key) {
    return (*starts)[key.model][std::size_t{key.fraction} * trials + key.trial];
  };
}

}  // namespace seldon::programs

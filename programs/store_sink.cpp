#include "programs/store_sink.h"

#include <chrono>
#include <cstring>
#include <memory>

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

StoreSink::StoreSink(store::Writer& writer, PackLog& pack_log, Tally& tally)
    : writer_(writer), pack_log_(pack_log), tally_(tally) {
  for (std::uint32_t model = 0; model < writer.header().models.size(); ++model)
    outcome_offsets_.push_back(writer.layout(model).find(Field::outcome)->offset);
}

bool StoreSink::write(const CellReport& report) {
  const bool fresh = writer_.state(report.key) != CellState::done && report.state == CellState::done;
  changed_ = true;
  writer_.write(report);
  if (fresh) tally_.add(report.key, report.record);
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

StoreFacts store_facts(const std::string& path, Tally& tally) {
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
        const auto record = reader.compounds(model, row, 1);
        start.solution = is_solution(record, outcome);
        tally.add({0, model, static_cast<std::uint32_t>(row / header.n_trials),
                   static_cast<std::uint32_t>(row % header.n_trials)},
                  record);
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

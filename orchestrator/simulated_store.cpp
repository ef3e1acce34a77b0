#include "orchestrator/simulated_store.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"

namespace seldon::orchestrator {

CellGrid::CellGrid(std::span<const Pack> packs) {
  for (const Pack& pack : packs) {
    if (pack.experiment >= extents_.size()) extents_.resize(pack.experiment + 1);
    Extent& extent = extents_[pack.experiment];
    extent.models = std::max(extent.models, pack.model + 1);
    extent.fractions = std::max(extent.fractions, pack.fraction + 1);
    extent.trials = std::max(extent.trials, pack.first_trial + pack.width);
  }
  for (Extent& extent : extents_) {
    extent.first_cell = size_;
    extent.first_model = all_models_;
    extent.first_group = all_groups_;
    size_ += std::size_t{extent.models} * extent.fractions * extent.trials;
    all_models_ += extent.models;
    all_groups_ += extent.models * extent.fractions;
  }
}

bool CellGrid::contains(CellKey key) const {
  if (key.experiment >= extents_.size()) return false;
  const Extent& extent = extents_[key.experiment];
  return key.model < extent.models && key.fraction < extent.fractions && key.trial < extent.trials;
}

SimulatedStore::SimulatedStore(const CellGrid& grid, std::vector<bool> repeats)
    : grid_(grid),
      repeats_(std::move(repeats)),
      entries_(grid.size()),
      groups_(grid.all_groups()),
      hosts_{""} {}

void SimulatedStore::lease(std::span<const CellKey> keys, std::uint32_t attempt, const Suspicion& suspicion,
                           const std::string& host) {
  set_states(keys, CellState::leased, attempt, suspicion);
  const auto [known, added] = host_numbers_.try_emplace(host, static_cast<std::uint32_t>(hosts_.size()));
  if (added) hosts_.push_back(host);
  for (const CellKey key : keys) at(key).host = known->second;
}

void SimulatedStore::set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                                const Suspicion& suspicion) {
  for (const CellKey key : keys) {
    Entry& entry = at(key);
    if (is_final(state)) refuse(key, "gets a final state without a record");
    if (entry.state == CellState::done) refuse(key, "is DONE and yet given another state");
    if (state == CellState::leased) {
      if (attempt <= entry.attempt) refuse(key, "is leased under an attempt number that is not new");
      if (is_leased(entry) && entry.job == job_) refuse(key, "is leased to two workers");
      entry.job = job_;
      ++leases_;
      retries_ += entry.attempt > 0;
    } else if (!is_leased(entry) || attempt != entry.attempt) {
      refuse(key, "loses a lease that it does not have");
    }
    accusations_ += suspicion.level > entry.suspicion.level || suspicion.deaths > entry.suspicion.deaths;
    entry.excused = false;
    entry.state = state;
    entry.attempt = attempt;
    entry.suspicion = suspicion;
  }
}

void SimulatedStore::excuse(std::span<const CellKey> keys, std::uint32_t attempt,
                            const Suspicion& suspicion) {
  set_states(keys, CellState::preempted, attempt, suspicion);
  for (const CellKey key : keys) at(key).excused = true;
}

bool SimulatedStore::is_leased(const Entry& entry) const {
  return entry.state == CellState::leased || entry.excused;
}

bool SimulatedStore::write(const CellReport& report) {
  Entry& entry = at(report.key);
  if (entry.state == CellState::done) {
    if (!repeats_[grid_.model(report.key.experiment, report.key.model)])
      refuse(report.key, "is recorded twice");
    if (report.state != CellState::done) refuse(report.key, "is DONE, then recorded as FAILED");
    ++repeated_;
    return false;
  }
  if (report.run.attempt != entry.attempt) refuse(report.key, "takes a late answer, of another attempt");
  if (report.state == CellState::done) {
    if (!is_leased(entry) || entry.job != job_) refuse(report.key, "takes a late answer, without a lease");
    ++done_;
    useful_ += report.run.seconds_total;
    Group& group = groups_[grid_.group(report.key.experiment, report.key.model, report.key.fraction)];
    group.seconds += report.run.seconds_total;
    ++group.cells;
  } else {
    ++failures_;
  }
  entry.state = report.state;
  entry.failures = report.run.failures;
  entry.suspicion = report.run.suspicion;
  return report.state == CellState::done;
}

CellStart SimulatedStore::start(CellKey key) const {
  const Entry& entry = entries_[grid_.index(key)];
  return {entry.state,     entry.attempt,
          entry.failures,  entry.state == CellState::done,
          entry.suspicion, is_final(entry.state) ? std::string() : hosts_[entry.host]};
}

std::vector<std::vector<double>> SimulatedStore::known_seconds(std::uint32_t experiment) const {
  std::vector<std::vector<double>> means(grid_.models(experiment));
  for (std::uint32_t model = 0; model < means.size(); ++model)
    for (std::uint32_t fraction = 0; fraction < grid_.fractions(experiment); ++fraction) {
      const Group& group = groups_[grid_.group(experiment, model, fraction)];
      means[model].push_back(group.cells == 0 ? std::numeric_limits<double>::quiet_NaN()
                                              : group.seconds / static_cast<double>(group.cells));
    }
  return means;
}

void SimulatedStore::check_leased(CellKey key, std::uint32_t attempt) const {
  const Entry& entry = entries_[grid_.index(key)];
  if (entry.state != CellState::leased || entry.attempt != attempt || entry.job != job_)
    refuse(key, "leaves for a worker before its lease is on record");
}

SimulatedStore::Entry& SimulatedStore::at(CellKey key) {
  if (!grid_.contains(key)) refuse(key, "is not in the plan");
  return entries_[grid_.index(key)];
}

void SimulatedStore::refuse(CellKey key, const char* why) const {
  throw InternalError("the cell of experiment " + std::to_string(key.experiment) + ", model " +
                      std::to_string(key.model) + ", fraction " + std::to_string(key.fraction) + ", trial " +
                      std::to_string(key.trial) + " " + why);
}

}  // namespace seldon::orchestrator

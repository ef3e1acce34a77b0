#include "orchestrator/simulated_store.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"

namespace seldon::orchestrator {

CellGrid::CellGrid(std::span<const Pack> packs) {
  for (const Pack& pack : packs) {
    models_ = std::max(models_, pack.model + 1);
    fractions_ = std::max(fractions_, pack.fraction + 1);
    trials_ = std::max(trials_, pack.first_trial + pack.width);
  }
}

SimulatedStore::SimulatedStore(const CellGrid& grid, std::vector<bool> repeats)
    : grid_(grid),
      repeats_(std::move(repeats)),
      entries_(grid.size()),
      groups_(std::size_t{grid.models()} * grid.fractions()),
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
    if (!repeats_[report.key.model]) refuse(report.key, "is recorded twice");
    if (report.state != CellState::done) refuse(report.key, "is DONE, then recorded as FAILED");
    ++repeated_;
    return false;
  }
  if (report.run.attempt != entry.attempt) refuse(report.key, "takes a late answer, of another attempt");
  if (report.state == CellState::done) {
    if (!is_leased(entry) || entry.job != job_) refuse(report.key, "takes a late answer, without a lease");
    ++done_;
    useful_ += report.run.seconds_total;
    Group& group = groups_[std::size_t{report.key.model} * grid_.fractions() + report.key.fraction];
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

std::vector<std::vector<double>> SimulatedStore::known_seconds() const {
  std::vector<std::vector<double>> means(grid_.models());
  for (std::size_t i = 0; i < groups_.size(); ++i)
    means[i / grid_.fractions()].push_back(groups_[i].cells == 0
                                               ? std::numeric_limits<double>::quiet_NaN()
                                               : groups_[i].seconds / static_cast<double>(groups_[i].cells));
  return means;
}

void SimulatedStore::check_leased(CellKey key, std::uint32_t attempt) const {
  const Entry& entry = entries_[grid_.index(key)];
  if (entry.state != CellState::leased || entry.attempt != attempt || entry.job != job_)
    refuse(key, "leaves for a worker before its lease is on record");
}

SimulatedStore::Entry& SimulatedStore::at(CellKey key) {
  if (key.model >= grid_.models() || key.fraction >= grid_.fractions() || key.trial >= grid_.trials())
    refuse(key, "is not in the plan");
  return entries_[grid_.index(key)];
}

void SimulatedStore::refuse(CellKey key, const char* why) const {
  throw InternalError("the cell of model " + std::to_string(key.model) + ", fraction " +
                      std::to_string(key.fraction) + ", trial " + std::to_string(key.trial) + " " + why);
}

}  // namespace seldon::orchestrator

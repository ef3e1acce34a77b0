#pragma once
// The simulation's record sink: holds in memory what a store would hold, and checks what the orchestrator
// promises about it. A broken promise is an InternalError that names the cell.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "orchestrator/plan.h"
#include "orchestrator/record_sink.h"

namespace seldon::orchestrator {

/// Numbers the cells of a plan: [experiment][model][fraction][trial], dense in each experiment.
class CellGrid {
 public:
  explicit CellGrid(std::span<const Pack> packs);
  std::size_t size() const { return size_; }
  std::size_t index(CellKey key) const {
    const Extent& extent = extents_[key.experiment];
    return extent.first_cell + (std::size_t{key.model} * extent.fractions + key.fraction) * extent.trials +
           key.trial;
  }
  bool contains(CellKey key) const;
  std::uint32_t experiments() const { return static_cast<std::uint32_t>(extents_.size()); }
  /// Of one experiment.
  std::uint32_t models(std::uint32_t experiment = 0) const { return extents_[experiment].models; }
  std::uint32_t fractions(std::uint32_t experiment = 0) const { return extents_[experiment].fractions; }
  std::uint32_t trials(std::uint32_t experiment = 0) const { return extents_[experiment].trials; }
  /// Numbers the models of all experiments, and their models at a fraction.
  std::uint32_t model(std::uint32_t experiment, std::uint32_t model) const {
    return extents_[experiment].first_model + model;
  }
  std::uint32_t group(std::uint32_t experiment, std::uint32_t model, std::uint32_t fraction) const {
    return extents_[experiment].first_group + model * extents_[experiment].fractions + fraction;
  }
  std::uint32_t all_models() const { return all_models_; }
  std::uint32_t all_groups() const { return all_groups_; }

 private:
  struct Extent {
    std::uint32_t models = 0, fractions = 0, trials = 0;
    std::size_t first_cell = 0;
    std::uint32_t first_model = 0, first_group = 0;
  };
  std::vector<Extent> extents_;
  std::size_t size_ = 0;
  std::uint32_t all_models_ = 0, all_groups_ = 0;
};

/// What it checks:
/// - a cell is leased with a new attempt number, never while another lease of the same job holds it, never
///   once it is DONE;
/// - a state after a lease belongs to that lease;
/// - a record belongs to the cell's present lease, so no late answer and no second record gets in. A DONE
/// cell
///   may be repeated only where the pack's width makes a worker compute it again.
class SimulatedStore final : public RecordSink {
 public:
  /// `repeats`, by CellGrid::model: DONE cells are computed again on the way. `grid` must outlive it.
  SimulatedStore(const CellGrid& grid, std::vector<bool> repeats);

  void lease(std::span<const CellKey> keys, std::uint32_t attempt, const Suspicion& suspicion,
             const std::string& host) override;
  void excuse(std::span<const CellKey> keys, std::uint32_t attempt, const Suspicion& suspicion) override;
  void set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                  const Suspicion& suspicion) override;
  bool write(const CellReport& report) override;

  /// What a job that starts now finds. Leases of earlier jobs hold nobody back from now on.
  void start_job() { ++job_; }
  CellStart start(CellKey key) const;
  /// [model][fraction] mean seconds of the recorded cells, NaN where there is none.
  std::vector<std::vector<double>> known_seconds(std::uint32_t experiment) const;
  /// A pack with this cell leaves for a worker: its lease has to be on record already.
  void check_leased(CellKey key, std::uint32_t attempt) const;

  std::uint64_t done() const { return done_; }
  std::uint64_t leases() const { return leases_; }
  std::uint64_t retries() const { return retries_; }    ///< leases of a cell after its first
  std::uint64_t repeats() const { return repeated_; }   ///< records of DONE cells, compared
  std::uint64_t failures() const { return failures_; }  ///< records of tries that failed
  /// Grows with each record and with each suspicion that becomes stronger.
  std::uint64_t progress() const { return done_ + failures_ + accusations_; }
  double useful() const { return useful_; }  ///< seconds of work that ended in a record

 private:
  struct Entry {
    CellState state = CellState::pending;
    bool excused = false;   // PREEMPTED already, and still leased
    std::uint32_t job = 0;  // that leased it last
    std::uint32_t attempt = 0, failures = 0;
    std::uint32_t host = 0;  // of the last lease
    Suspicion suspicion;
  };
  struct Group {
    double seconds = 0;
    std::uint64_t cells = 0;
  };
  Entry& at(CellKey key);
  bool is_leased(const Entry& entry) const;
  [[noreturn]] void refuse(CellKey key, const char* why) const;

  const CellGrid& grid_;
  std::vector<bool> repeats_;
  std::vector<Entry> entries_;
  std::vector<Group> groups_;       // [CellGrid::group]
  std::vector<std::string> hosts_;  // the first is none
  std::unordered_map<std::string, std::uint32_t> host_numbers_;
  std::uint32_t job_ = 0;
  std::uint64_t done_ = 0, leases_ = 0, retries_ = 0, repeated_ = 0, failures_ = 0, accusations_ = 0;
  double useful_ = 0;
};

}  // namespace seldon::orchestrator

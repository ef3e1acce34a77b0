#pragma once
// Every cell with what is known of it, and every change of it told to the sink.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "orchestrator/plan.h"
#include "orchestrator/record_sink.h"
#include "orchestrator/status.h"

namespace seldon::orchestrator {

/// A cell is a suspect while it may be what kills the workers that run it (docs/scheduling.md). Suspects, and
/// cells that failed only in company, are `apart`: they run singly.
class Ledger {
 public:
  /// Judges what an earlier run left behind and writes the judgement down. InternalError if the plan
  /// contradicts itself. The sink must outlive it.
  Ledger(const Plan& plan, const Limits& limits, RecordSink& sink);

  std::size_t size() const { return packs_.size(); }
  const Pack& pack(std::size_t index) const { return packs_[index].pack; }
  /// No cell is left of any experiment that has not been closed.
  bool complete() const { return missing_ == 0; }
  /// What is left of the experiment is not done in this run. To be called when none of its cells is LEASED.
  void close(std::uint32_t experiment);
  bool closed(std::uint32_t experiment) const { return experiments_[experiment].closed; }
  std::size_t experiments() const { return experiments_.size(); }
  std::uint64_t suspects() const { return suspects_; }
  std::uint64_t preempted() const { return preempted_; }
  std::uint64_t recorded_now() const { return recorded_now_; }
  std::uint64_t failed_now() const { return failed_now_; }
  std::uint64_t recorded_now(std::uint32_t experiment) const { return experiments_[experiment].recorded_now; }
  std::uint64_t failed_now(std::uint32_t experiment) const { return experiments_[experiment].failed_now; }
  /// Cells of it that are not final.
  std::uint64_t missing_of(std::uint32_t experiment) const { return experiments_[experiment].missing; }
  const Limits& limits(std::uint32_t experiment) const { return experiments_[experiment].limits; }
  /// Cells that this start suspects more than the store did, or has given up.
  std::uint64_t judged_now() const { return judged_now_; }
  const std::vector<ModelProgress>& models(std::uint32_t experiment) const {
    return experiments_[experiment].models;
  }
  /// [model][fraction] cells that are not final.
  const std::vector<std::vector<std::uint64_t>>& left(std::uint32_t experiment) const {
    return experiments_[experiment].left;
  }
  /// The experiment's name where there are several, else nothing.
  std::string name(std::uint32_t experiment) const;
  /// "model qsa, fraction 3, trials 0 to 24".
  std::string describe(const Pack& pack) const;

  /// Slots that wait to run with the others of their pack, and slots that wait to run singly.
  std::vector<std::uint32_t> together(std::size_t pack) const;
  std::vector<std::uint32_t> apart(std::size_t pack) const;
  /// A cell that must run while nothing else does, since a job has died while it ran singly: whatever runs
  /// beside it may share the blame otherwise. This holds in all later jobs, or cells could take turns at it.
  bool exclusive(std::size_t pack, std::uint32_t slot) const;
  bool is_suspect(std::size_t pack, std::uint32_t slot) const { return cell(pack, slot).level > 0; }
  /// Of workers that only this cell can have caused.
  std::uint32_t deaths(std::size_t pack, std::uint32_t slot) const { return cell(pack, slot).deaths; }
  /// Leases that it has had in all jobs.
  std::uint32_t attempt(std::size_t pack, std::uint32_t slot) const { return cell(pack, slot).attempt; }
  CellState state(std::size_t pack, std::uint32_t slot) const { return cell(pack, slot).state; }
  /// Whether one of the cells that wait to run together has failed before.
  bool tried(std::size_t pack) const;
  /// Cells of the pack that are not final.
  std::uint32_t missing(std::size_t pack) const { return packs_[pack].missing; }
  /// What must not be touched while others of the pack run: all but them and what is DONE.
  std::vector<std::uint32_t> filled(std::size_t pack, const std::vector<std::uint32_t>& wanted) const;

  /// The slots become LEASED. `alone`: nothing else runs meanwhile. Returns the attempt.
  std::uint32_t lease(std::size_t pack, const std::vector<std::uint32_t>& wanted, bool alone,
                      const std::string& host);
  /// A LEASED slot is DONE.
  void record(std::size_t pack, std::uint32_t slot, CellReport report);
  /// A LEASED slot has failed. Where `in_company` others may be the reason, so that its last try is not used
  /// up. True if it is FAILED for good.
  bool fail(std::size_t pack, std::uint32_t slot, CellReport report, bool in_company);
  /// From now on the cell runs singly.
  void set_apart(std::size_t pack, std::uint32_t slot) { cell(pack, slot).apart = true; }
  /// The run has been asked to end: whatever ends the lease of these slots from now on counts for nothing.
  void excuse(std::size_t pack, const std::vector<std::uint32_t>& wanted);
  /// Of these slots those that are LEASED are PREEMPTED; nothing counts.
  void take_back(std::size_t pack, const std::vector<std::uint32_t>& wanted);
  /// Their worker has died or hangs: of these slots those that are LEASED become suspects, or FAILED where
  /// they have cost too many workers. `singly`: there was one cell in the lease, and it was a suspect.
  void lose(std::size_t pack, const std::vector<std::uint32_t>& wanted, bool singly, Peer peer,
            const std::string& host);
  /// The last failure of these slots was their worker's fault: those that are not final have that try back.
  void refund(std::size_t pack, const std::vector<std::uint32_t>& slots, const std::string& host);

 private:
  struct Cell {
    CellState state = CellState::pending;  // PENDING, LEASED, or final
    std::uint8_t level = 0;                // Suspicion::level
    bool apart = false;
    std::uint32_t attempt = 0, failures = 0, deaths = 0;
  };
  struct Experiment {
    std::string name;
    Limits limits;
    std::vector<ModelProgress> models;
    std::vector<std::vector<std::uint64_t>> left;  // [model][fraction]
    std::uint64_t missing = 0, recorded_now = 0, failed_now = 0;
    bool closed = false;
  };
  struct PackCells {
    Pack pack;
    std::size_t first = 0;      // of cells_
    std::uint32_t missing = 0;  // cells that are not final
  };

  Cell& cell(std::size_t pack, std::uint32_t slot) { return cells_[packs_[pack].first + slot]; }
  const Cell& cell(std::size_t pack, std::uint32_t slot) const { return cells_[packs_[pack].first + slot]; }
  /// Of these slots of one lease those that are still LEASED, and any one of them: attempt and suspicion are
  /// the same for all.
  struct Leased {
    std::vector<CellKey> keys;
    const Cell* one = nullptr;  // none
  };
  Leased leased(std::size_t pack, const std::vector<std::uint32_t>& wanted) const;
  void take_over(std::size_t pack, std::uint32_t slot, const CellStart& start);
  void accuse(Cell& cell, std::uint8_t level, bool counts);
  void give_up(std::size_t pack, std::uint32_t slot, Peer peer, const std::string& host);
  void settle(std::size_t pack, std::uint32_t slot, CellState state);
  Suspicion suspicion(const Cell& cell, bool alone = false) const { return {cell.level, cell.deaths, alone}; }
  Experiment& experiment(std::size_t pack) { return experiments_[packs_[pack].pack.experiment]; }
  const Limits& limits_of(std::size_t pack) { return experiment(pack).limits; }
  ModelProgress& model(std::size_t pack) { return experiment(pack).models[packs_[pack].pack.model]; }
  /// "qsa", or "loans, qsa".
  std::string name_of_model(const Pack& pack) const;

  RecordSink& sink_;
  std::vector<Experiment> experiments_;
  std::vector<PackCells> packs_;  // in the order of the plan
  std::vector<Cell> cells_;
  std::uint64_t missing_ = 0, suspects_ = 0, preempted_ = 0, recorded_now_ = 0, failed_now_ = 0,
                judged_now_ = 0;
};

}  // namespace seldon::orchestrator

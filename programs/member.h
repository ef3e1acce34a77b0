#pragma once
// One experiment of a run: its store, and what is written beside that.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "programs/pack_log.h"
#include "programs/run.h"
#include "programs/store_sink.h"
#include "programs/tally.h"
#include "store/live_status.h"

namespace seldon::programs {

class Member {
 public:
  /// Opens the store at request.store_path, or makes it. `name`: of the experiment in its sweep; empty where
  /// it is alone.
  Member(std::string name, const RunRequest& request, Experiment experiment);
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  const std::string& name() const { return name_; }
  const std::string& store_path() const { return store_path_; }
  const store::Header& header() const { return writer_.header(); }
  Experiment& experiment() { return experiment_; }
  const Tally& tally() const { return tally_; }
  StoreSink& sink() { return sink_; }
  PackLog& pack_log() { return pack_log_; }
  store::LiveStatusFile& live_file() { return live_file_; }
  /// Of this run: all, or a shard's.
  const std::vector<Pack>& packs() const { return packs_; }

  /// Adds the experiment's packs to the plan of the run, which numbers it `index`.
  void add_to(orchestrator::Plan& plan, std::uint32_t index);
  /// Cells of this run, by CellState.
  std::array<std::uint64_t, 6> counts_by_state() const;

 private:
  std::string name_, store_path_;
  std::optional<Shard> shard_;
  Experiment experiment_;
  store::Writer writer_;
  PackLog pack_log_;
  Tally tally_;
  StoreSink sink_;
  store::LiveStatusFile live_file_;
  std::vector<Pack> packs_;
};

}  // namespace seldon::programs

#pragma once
// A sink of records that checks what it is told: no cell is recorded without a lease of that attempt, and a
// recorded one is only ever repeated.

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "orchestrator/orchestrator.h"

namespace seldon::orchestrator {

class MemorySink final : public RecordSink {
 public:
  struct Entry {
    CellState state = CellState::pending;
    std::uint32_t attempt = 0;
    std::uint32_t leases = 0;
    std::uint32_t records = 0;
    std::uint32_t repeats = 0;  // of a DONE cell's record
    std::uint32_t failures = 0;
    Suspicion suspicion = {};
    std::string host = {};
    std::string message = {};
    bool excused = false;  // PREEMPTED already, and still leased
  };

  void lease(std::span<const CellKey> keys, std::uint32_t attempt, const Suspicion& suspicion,
             const std::string& host) override {
    RecordSink::lease(keys, attempt, suspicion, host);
    for (const CellKey key : keys) entries[key].host = host;
  }

  void set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                  const Suspicion& suspicion) override {
    for (const CellKey key : keys) {
      Entry& entry = entries[key];
      EXPECT_NE(entry.state, CellState::done);
      EXPECT_FALSE(is_final(state));
      if (state == CellState::leased) {
        EXPECT_GT(attempt, entry.attempt);
        ++entry.leases;
      } else {
        EXPECT_TRUE(entry.state == CellState::leased || entry.excused);
        EXPECT_EQ(attempt, entry.attempt);
      }
      entry.excused = false;
      entry.state = state;
      entry.attempt = attempt;
      entry.suspicion = suspicion;
    }
  }

  void excuse(std::span<const CellKey> keys, std::uint32_t attempt, const Suspicion& suspicion) override {
    RecordSink::excuse(keys, attempt, suspicion);
    for (const CellKey key : keys) entries[key].excused = true;
  }

  bool write(const CellReport& report) override {
    Entry& entry = entries[report.key];
    if (entry.state == CellState::done) {
      EXPECT_EQ(report.state, CellState::done);
      ++entry.repeats;
      return false;
    }
    EXPECT_EQ(report.run.attempt, entry.attempt);
    if (report.state == CellState::done) {
      EXPECT_TRUE(entry.state == CellState::leased || entry.excused);
      ++entry.records;
    }
    refunds += report.state == CellState::failed && report.run.failures < entry.failures;
    entry.state = report.state;
    entry.failures = report.run.failures;
    entry.suspicion = report.run.suspicion;
    entry.host = report.run.host;
    entry.message = report.run.message;
    return report.state == CellState::done && report.key.trial % 2 == 0;
  }

  void pack_ended(const PackEnd& end) override { ends.push_back(end); }

  /// What the next run finds of a cell.
  CellStart start(CellKey key) const {
    const auto entry = entries.find(key);
    if (entry == entries.end()) return {};
    const Entry& known = entry->second;
    return {known.state, known.attempt, known.failures, false, known.suspicion, known.host};
  }
  std::uint64_t count(CellState state) const {
    std::uint64_t cells = 0;
    for (const auto& [key, entry] : entries) cells += entry.state == state;
    return cells;
  }

  std::map<CellKey, Entry> entries;
  std::vector<PackEnd> ends;
  int refunds = 0;  // failures taken back
};

}  // namespace seldon::orchestrator

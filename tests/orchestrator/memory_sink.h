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
    std::string message = {};
  };

  void set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt,
                  const Suspicion&) override {
    for (const CellKey key : keys) {
      Entry& entry = entries[key];
      EXPECT_NE(entry.state, CellState::done);
      EXPECT_FALSE(is_final(state));
      if (state == CellState::leased) {
        EXPECT_EQ(attempt, entry.attempt + 1);
        ++entry.leases;
      } else {
        EXPECT_EQ(entry.state, CellState::leased);
        EXPECT_EQ(attempt, entry.attempt);
      }
      entry.state = state;
      entry.attempt = attempt;
    }
  }

  bool write(const CellReport& report) override {
    Entry& entry = entries[report.key];
    if (entry.state == CellState::done) {
      EXPECT_EQ(report.state, CellState::done);
      ++entry.repeats;
      return false;
    }
    EXPECT_EQ(report.run.attempt, entry.attempt);
    EXPECT_GE(report.run.failures, entry.failures);
    if (report.state == CellState::done) {
      EXPECT_EQ(entry.state, CellState::leased);
      ++entry.records;
    }
    entry.state = report.state;
    entry.failures = report.run.failures;
    entry.message = report.run.message;
    return report.state == CellState::done && report.key.trial % 2 == 0;
  }

  std::map<CellKey, Entry> entries;
};

}  // namespace seldon::orchestrator

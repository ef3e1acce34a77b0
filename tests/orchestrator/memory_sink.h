#pragma once
// A sink of records that checks what it is told: no cell is recorded twice, none without a lease of that
// attempt.

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
    std::string message = {};
  };

  void set_states(std::span<const CellKey> keys, CellState state, std::uint32_t attempt) override {
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
    EXPECT_EQ(report.run.attempt, entry.attempt);
    EXPECT_NE(entry.state, CellState::done);
    if (report.state == CellState::done) {
      EXPECT_EQ(entry.state, CellState::leased);
      ++entry.records;
    }
    entry.state = report.state;
    entry.message = report.run.message;
    return report.state == CellState::done && report.key.trial % 2 == 0;
  }

  std::map<CellKey, Entry> entries;
};

}  // namespace seldon::orchestrator

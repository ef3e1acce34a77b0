#pragma once
// Kills a process of fake_run at a named moment (core/fault_point.h).

#include <cstdint>
#include <string>
#include <vector>

namespace seldon::fake {

/// "POINT[:COUNT[:RANK[:MICROSECONDS]]]": the process dies by SIGKILL when it passes the point for the
/// COUNTth time (1), or a while after that.
struct Death {
  std::string point;
  std::uint64_t count = 1;
  int rank = -1;  ///< of the process; -1: any
  std::uint32_t microseconds = 0;

  /// Throws InputError where the text is not of that form.
  static Death parse(const std::string& text);
};

/// From now on this process, of this rank, dies where it is told to, having noted "die POINT" in the journal.
/// To be called once, before any other thread runs.
void arm(const std::vector<Death>& deaths, int rank, const std::string& journal);

}  // namespace seldon::fake

#pragma once

#include <string>

#include "orchestrator/orchestrator.h"

namespace seldon::programs {

/// "120/1125 cells, 61.3/s, 17 s left; solutions: qsa 48 %, logistic 100 %".
std::string describe(const orchestrator::Snapshot& snapshot);

/// As much of a UTF-8 text as fits into so many columns, one for each character.
std::string cut_to(const std::string& text, std::size_t columns);

/// "17 s", "4 min", "3.2 h"; "?" for NaN.
std::string duration(double seconds);

/// Tells how far a run is: rewrites one line on a terminal, writes a log line now and then where there is
/// none.
class LiveLine {
 public:
  explicit LiveLine(bool terminal) : terminal_(terminal) {}
  /// To be called often; speaks a few times a second, or every ten.
  void show(const orchestrator::Orchestrator& orchestrator, double now);
  void clear();

 private:
  bool terminal_;
  double next_ = 0;
  bool shown_ = false;
};

}  // namespace seldon::programs

#pragma once
// Arguments that no formula of this folder can take.

#include <algorithm>
#include <string>

#include "core/error.h"

namespace seldon::analysis {

inline void check_confidence(double confidence) {
  if (!(confidence > 0 && confidence < 1))
    throw InputError("confidence " + std::to_string(confidence) + ": it must lie between 0 and 1, say 0.95");
}

/// NaN passes: it stands for 'none'.
inline void check_size(double n) {
  if (n < 0)
    throw InputError("an interval for " + std::to_string(n) + " rows: their number must not be negative");
}

inline void check_sd(double sd) {
  if (sd < 0) throw InputError("a standard deviation of " + std::to_string(sd) + ": it must not be negative");
}

/// The rate; what rounding took out of [0, 1] is put back. NaN passes.
inline double checked_rate(double rate) {
  constexpr double rounding = 1e-9;
  if (rate < -rounding || rate > 1 + rounding)
    throw InputError("a rate of " + std::to_string(rate) + ": it must lie between 0 and 1");
  return std::clamp(rate, 0.0, 1.0);
}

}  // namespace seldon::analysis

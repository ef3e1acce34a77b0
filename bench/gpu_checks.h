#pragma once
// What must hold on a device before its speed is worth a word.

#include <string>
#include <vector>

#include "bench/faces.h"

namespace seldon::bench {

struct CheckOutcome {
  std::string name;
  double worst = 0;      ///< largest deviation, relative to numbers over 1
  double tolerance = 0;  ///< 0: bit by bit
  std::string note;      ///< an error, or what cannot be seen on this device
  bool passed() const { return worst <= tolerance; }
};

struct CheckSizes {
  std::size_t trials = 3;
  std::uint64_t iterations = 8;
};

/// Whole trainings of a few trials on the device of `setting` against the same ones otherwise: alone, on the
/// host's own path, without graphs, a second time, with the other way to convolve; and the evaluation.
std::vector<CheckOutcome> run_checks(const FaceExperiment& faces, const FaceSetting& setting,
                                     const CheckSizes& sizes);

}  // namespace seldon::bench
